"""Simulated twelve-lead electrocardiograms: McSharry's dynamical model as a vectorcardiogram, normal and ectopic beats.

In JAX and of one record: ``jax.vmap`` over keys and hearts makes thousands a second.
"""

from functools import partial
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from alfi.data.checks import checked
from alfi.data.facts import Facts
from alfi.data.leads import DOWER, ELECTRODES, twelve
from alfi.typing import Dataset, PRNGKey

FACTS = (
    Facts(
        "ecg",
        "simulated 12-lead ECG: normal or with ectopic beats",
        "any",
        "none needed",
        "McSharry et al., IEEE Trans. Biomed. Eng. 50(3):289, 2003, doi 10.1109/TBME.2003.808805",
    ),
)

BEATS = ("N", "S", "V")  # normal, supraventricular ectopic, ventricular ectopic
CLASSES = ("normal", "supraventricular ectopy", "ventricular ectopy")
STEP = 2.0**-10  # mV: leads are whole multiples of it, so that sums and halves of them are exact in float32
SHORTEST = 0.3  # s from beat to beat
CHUNK = 64  # records made at a time

# Each beat is the sum of Gaussians P, Q, R, S, T in phase, R at 0 and a turn of 2 pi a second: McSharry's angles and
# widths, with a heart vector in mV for each: to the left, down and to the back, as in Frank's leads.
ANGLES = np.array([-1 / 3, -1 / 12, 0, 1 / 12, 1 / 2]) * np.pi * np.array([[1], [1.15], [1.9]])
WIDTHS = np.array([[0.25, 0.1, 0.1, 0.1, 0.4], [0.2, 0.1, 0.1, 0.1, 0.4], [0.25, 0.2, 0.26, 0.22, 0.45]])
NORMAL = [[0.06, 0.12, -0.02], [-0.12, -0.08, -0.22], [1.15, 0.85, 0.4], [-0.15, -0.12, 0.35], [0.26, 0.2, -0.16]]
VECTORS = np.array(
    [
        NORMAL,
        [[-0.03, -0.08, 0.03], *NORMAL[1:]],  # P goes the wrong way
        # No P, and T discordant.
        [[0.0, 0.0, 0.0], [0.3, 0.1, -0.5], [-1.2, 0.9, 0.8], [-0.3, 0.3, 0.5], [0.45, -0.4, -0.35]],
    ]
)
# From one beat to an ectopic one, and from that to the next, over the usual time: a ventricular one does not reset the
# sinus node, so its pause is compensatory.
PREMATURE = np.array([1.0, 0.7, 0.65])
PAUSE = np.array([1.0, 1.05, 1.35])
Real = float | Float[Array, ""]


class Heart(NamedTuple):
    """What a record is of.

    rate             beats per minute, 30 to 150
    variability      of the time from beat to beat, relative: half by the Mayer waves (.1 Hz), half by respiration
    supraventricular, ventricular  probability that a beat is an ectopic one of that kind
    amplitude        of the heart vector, over the usual
    width            of the QRS complex, over the usual
    rotation         of the heart vector about the axes left, down and back, radians
    noise            s.d. of white noise at each electrode, mV
    wander           s.d. of the baseline wander at each electrode, mV: respiration (.25 Hz) and slower than that
    """

    rate: Real = 60.0
    variability: Real = 0.05
    supraventricular: Real = 0.0
    ventricular: Real = 0.0
    amplitude: Real = 1.0
    width: Real = 1.0
    rotation: Float[Array, "3"] | tuple[float, float, float] = (0.0, 0.0, 0.0)
    noise: Real = 0.01
    wander: Real = 0.05


class Record(NamedTuple):
    """``leads`` [samples, 12] in mV, in the usual order; ``peaks`` [b], times of R in s; ``beats`` [b], of ``BEATS``.

    The first peaks lie before the record and the last ones after it.
    """

    leads: Float[Array, "samples 12"]
    peaks: Float[Array, " b"]
    beats: Int[Array, " b"]


def record(key: PRNGKey, heart: Heart, *, seconds: float = 10.0, rate: int = 500) -> Record:
    """A twelve-lead record of ``seconds`` at ``rate`` Hz.

    The heart vector solves ``dv/dt = -sum_i v_i (w / b_i^2) dtheta_i exp(-dtheta_i^2 / 2 b_i^2)``, ``dtheta/dt = w``,
    in closed form, beat by beat: Gaussians about each R, whose angles and widths go with the square root of the rate.
    Leads I, II, V1 to V6 are ``DOWER v`` plus ``ELECTRODES`` times noise and wander, rounded to ``STEP``; the other
    four follow: ``III = II - I``, ``aVR = -(I + II) / 2``, ``aVL = I - II / 2``, ``aVF = II - I / 2``. So Einthoven's
    (I + III = II) and Goldberger's (aVR + aVL + aVF = 0) identities hold to the last bit in float32 too.

    Cost on two busy cores of a CPU, compiled with ``vmap``: .45 ms for ten seconds at 100 Hz, 2.3 ms at 500 Hz.

    Source: McSharry et al., IEEE Trans. Biomed. Eng. 2003, doi 10.1109/TBME.2003.808805; vectorcardiogram: Sameni
    et al., EURASIP J. Adv. Signal Process. 2007, doi 10.1155/2007/43407; leads: ``alfi.data.leads``.

    >>> leads = record(jax.random.key(0), Heart(), rate=100).leads
    >>> leads.shape, bool((leads[:, 0] + leads[:, 2] == leads[:, 1]).all())
    ((1000, 12), True)
    """
    key_beats, key_noise, key_wander = jax.random.split(key, 3)
    times = jnp.arange(round(seconds * rate)) / rate
    peaks, beats = rhythm(key_beats, heart, seconds)
    vector = vectorcardiogram(times, peaks, beats, heart)
    electrodes = heart.noise * jax.random.normal(key_noise, (len(ELECTRODES[0]), len(times)))  # so laid out: faster
    electrodes += heart.wander * _wander(key_wander, times)
    leads = jnp.matmul(jnp.asarray(DOWER, float), vector.T, precision="highest")
    leads += jnp.matmul(jnp.asarray(ELECTRODES, float), electrodes, precision="highest")
    return Record(twelve(jnp.round(leads / STEP).T * STEP), peaks, beats)


def rhythm(key: PRNGKey, heart: Heart, seconds: float) -> tuple[Float[Array, " b"], Int[Array, " b"]]:
    """Times of the R peaks in s, from before 0 to after ``seconds``, and the kinds of the beats.

    >>> peaks, beats = rhythm(jax.random.key(0), Heart(rate=60.0, variability=0.0), 10.0)
    >>> f"{peaks[5] - peaks[4]:.3f}"
    '1.000'
    """
    key_kind, key_phase, key_start = jax.random.split(key, 3)
    count = int(np.ceil(seconds / SHORTEST)) + 3
    chance = jnp.stack([1 - heart.supraventricular - heart.ventricular, heart.supraventricular, heart.ventricular])
    kinds = jax.random.categorical(key_kind, jnp.log(chance), shape=(count,))
    usual = 60 / heart.rate
    phases = jax.random.uniform(key_phase, (2, 1), maxval=2 * jnp.pi)
    waves = jnp.sin(2 * jnp.pi * jnp.array([[0.1], [0.25]]) * usual * jnp.arange(count - 1)[None] + phases)
    apart = usual * (1 + heart.variability * waves.sum(0))  # the variance of the sum of two sines is 1
    apart *= jnp.asarray(PREMATURE, float)[kinds[1:]] * jnp.asarray(PAUSE, float)[kinds[:-1]]
    start = -jax.random.uniform(key_start, (1,), minval=1, maxval=2) * usual
    return jnp.concatenate([start, start + jnp.cumsum(jnp.maximum(apart, SHORTEST))]), kinds


def vectorcardiogram(
    times: Float[Array, " samples"], peaks: Float[Array, " b"], beats: Int[Array, " b"], heart: Heart
) -> Float[Array, "samples 3"]:
    """The heart vector in mV (left, down, back) at ``times``: the waves of the two beats before and of the next, added.

    >>> vector = vectorcardiogram(jnp.array([1.0]), jnp.array([0.0, 1.0, 2.0]), jnp.array([0, 0, 0]), Heart())
    >>> [f"{x:.2f}" for x in vector[0]]
    ['1.14', '0.84', '0.40']
    """
    tempo = jnp.sqrt(60 / heart.rate) / (2 * jnp.pi)  # seconds per radian
    stretch = jnp.stack([jnp.ones(()), *[jnp.asarray(heart.width, float)] * 3, jnp.ones(())])
    offsets, widths = (jnp.asarray(table, float) * tempo * stretch[None] for table in (ANGLES, WIDTHS))
    vectors = heart.amplitude * jnp.matmul(jnp.asarray(VECTORS, float), _rotation(heart.rotation).T)
    centres, sharpness, vectors = peaks[:, None] + offsets[beats], 1 / widths[beats], vectors[beats]
    before = jnp.searchsorted(peaks, times, side="right", method="compare_all") - 1

    def of(beat):
        waves = jnp.exp(-(((times[:, None] - centres[beat]) * sharpness[beat]) ** 2) / 2)
        waves *= ((beat >= 0) & (beat < len(peaks)))[:, None]
        return jnp.einsum("sw,swx->sx", waves, vectors[beat], precision="highest")

    return of(before - 1) + of(before) + of(before + 1)  # a T may outlast the next R


def hearts(key: PRNGKey) -> Heart:
    """A random heart without ectopic beats: 50 to 100 beats a minute, turned by up to some 20 degrees, some noise.

    >>> bool(50 <= hearts(jax.random.key(0)).rate <= 100)
    True
    """
    keys = iter(jax.random.split(key, 7))

    def draw(low, high):
        return jax.random.uniform(next(keys), (), minval=low, maxval=high)

    return Heart(
        rate=draw(50.0, 100.0),
        variability=draw(0.01, 0.08),
        amplitude=draw(0.7, 1.4),
        width=draw(0.8, 1.2),
        rotation=0.2 * jax.random.normal(next(keys), (3,)),
        noise=draw(0.005, 0.03),
        wander=draw(0.02, 0.15),
    )


def load(
    root: Path,
    *,
    n: int = 2000,
    seconds: float = 10.0,
    rate: int = 100,
    test_fraction: float = 0.2,
    seed: int = 0,
) -> Dataset:
    """Simulated records x[n, seconds * rate, 12] in mV of random hearts (``hearts``), one each; ``root`` is not read.

    A third of the hearts have ventricular, a third supraventricular ectopic beats (one beat in five); y says what the
    record shows: a ventricular one, else a supraventricular one, else none. The last ``test_fraction`` are the test
    split. Records of a smaller n are the first of a larger one.

    Raises ValueError for options out of range. Cost: 4 s for 2000 records of 10 s at 100 Hz.

    Example: ``alfi.data.load("ecg", n=100).x.shape == (100, 1000, 12)``
    """
    for name, fine, got, wanted in (
        ("n", n >= 1, n, "1 or more"),
        ("seconds", seconds >= 1, seconds, "1 or more"),
        ("rate", rate >= 50, rate, "50 or more"),
        ("test_fraction", 0 <= test_fraction < 1, test_fraction, "0 <= test_fraction < 1"),
        ("seed", seed >= 0, seed, "0 or more"),
    ):
        if not fine:
            raise ValueError(f"ecg: {name}: got {got}, expected {wanted}")

    def one(key):
        key_heart, key_kind, key_record = jax.random.split(key, 3)
        kind = jax.random.randint(key_kind, (), 0, 3)
        ectopic = {"supraventricular": 0.2 * (kind == 1), "ventricular": 0.2 * (kind == 2)}
        made = record(key_record, hearts(key_heart)._replace(**ectopic), seconds=seconds, rate=rate)
        shown = (made.peaks >= 0) & (made.peaks < seconds)
        return made.leads, jnp.max(jnp.where(shown, made.beats, 0))

    # The same program for each chunk, so that memory does not grow with n.
    keys = jax.vmap(partial(jax.random.fold_in, jax.random.key(seed)))(jnp.arange(-(-n // CHUNK) * CHUNK))
    many = jax.jit(jax.vmap(one))
    parts = [jax.device_get(many(chunk)) for chunk in keys.reshape(-1, CHUNK)]
    x, y = (np.concatenate(column)[:n] for column in zip(*parts, strict=True))
    split = np.where(np.arange(n) < n - round(test_fraction * n), "train", "test")
    ids = np.array([f"ecg/{seed}/{index}" for index in range(n)])
    return checked("ecg", Dataset(x, y, ids, np.arange(n), split, CLASSES))


def _wander(key, times):
    """Baseline of each electrode, of unit variance: respiration in common, each with its own slow drift."""
    key_common, key_slow, key_share = jax.random.split(key, 3)
    count = len(ELECTRODES[0])

    def wave(frequency, phase):
        return jnp.sqrt(2) * jnp.sin(2 * jnp.pi * frequency * times[None] + phase)

    breath = wave(0.25, jax.random.uniform(key_common, (1, 1), maxval=2 * jnp.pi))
    slow = wave(0.05, jax.random.uniform(key_slow, (count, 1), maxval=2 * jnp.pi))
    share = jax.random.uniform(key_share, (count, 1))
    return jnp.sqrt(share) * breath + jnp.sqrt(1 - share) * slow


def _rotation(angles):
    """The matrix of a rotation vector (Rodrigues): ``1 + sin(a) / a K + (1 - cos(a)) / a^2 K^2``."""
    x, y, z = jnp.asarray(angles, float)
    zero = jnp.zeros(())
    K = jnp.stack([zero, -z, y, z, zero, -x, -y, x, zero]).reshape(3, 3)
    half = jnp.sqrt(x**2 + y**2 + z**2) / (2 * jnp.pi)
    square = jnp.matmul(K, K, precision="highest")
    return jnp.eye(3) + jnp.sinc(2 * half) * K + jnp.sinc(half) ** 2 / 2 * square
