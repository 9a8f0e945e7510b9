"""Simulated mammography of a contrast-detail cell: a gold disc in the centre, and its twin in one of the corners.

In JAX and of one cell: ``jax.vmap`` over keys, conditions, diameters, thicknesses and corners makes many.
"""

from functools import partial
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from alfi.data.facts import Facts
from alfi.typing import Dataset, PRNGKey

FACTS = (
    Facts(
        "cdmam",
        "simulated mammography: contrast threshold (regression), or one of 4 corners",
        "any",
        "none needed",
        "Kretz et al., Physica Medica, 2019, doi 10.1016/j.ejmp.2019.05.006",
    ),
)

SIZE = 146  # pixels of a cell along its side
PITCH, MAGNIFICATION = 0.06, 1.11  # mm per pixel at the detector; there, over the size in the phantom
CORNER = 46 / 146  # from the centre to a corner's disc, along each axis, over the side of the cell
NOISE_BLUR = 0.55  # pixels: s.d. of the Gaussian that smooths the noise, cut at 2 pixels
# NIST (XCOM), gold: total attenuation with coherent scattering, between the L and the K edges; density 19.302 g/cm^3.
GOLD_KEV, GOLD_CM2_PER_G = (15.0, 20.0, 30.0, 40.0), (163.7, 78.81, 27.52, 12.98)
GOLD_DENSITY = 19.302
CORNERS = ("upper left", "upper right", "lower left", "lower right")
CHUNK = 64  # images made at a time
RANGES = {
    "background": (440.0, 540.0),
    "exposure": (0.4, 2.5),  # noise goes with its square root
    "blur": (0.4, 1.2),
    "scatter": (0.05, 0.35),
    "energy": (16.0, 20.0),
}

Real = float | Float[Array, ""]


class Condition(NamedTuple):
    """An imaging condition. The defaults are those of the virtual cells of PTB.

    background  mean detector signal beside the discs
    noise       s.d. of the noise, in the same unit; it does not depend on the signal
    blur        s.d. of the Gaussian point-spread function, pixels
    scatter     the part of the background that is scattered radiation, 0 to 1; even over the cell
    energy      effective energy of the X-rays, keV (16.9: a molybdenum tube at 25 kV)
    """

    background: Real = 487.0
    noise: Real = 10.6
    blur: Real = 0.7
    scatter: Real = 0.18
    energy: Real = 16.9


def gold(energy: Real) -> Float[Array, ""]:
    """Attenuation of gold, 1/um, at 15 to 40 keV: the tabulated values, log-log interpolated.

    Source: Berger et al., XCOM, NIST Standard Reference Database 8, doi 10.18434/T48G6X.

    >>> f"{gold(20.0):.3f}"
    '0.152'
    """
    table = jnp.log(jnp.asarray(GOLD_KEV)), jnp.log(jnp.asarray(GOLD_CM2_PER_G))
    return jnp.exp(jnp.interp(jnp.log(energy), *table)) * GOLD_DENSITY * 1e-4


def expected(
    condition: Condition,
    diameter: Real,
    thickness: Real,
    corner: int | Int[Array, ""],
    shift: Float[Array, "2"] | None = None,
    *,
    size: int = SIZE,
) -> Float[Array, "size size"]:
    """The cell without noise: ``background ((1 - scatter) (1 - c discs) + scatter)``, blurred.

    ``c = 1 - exp(-gold(energy) thickness)`` is the disc's contrast; ``diameter`` in mm (CDMAM: .06 to 2), ``thickness``
    in um (.03 to 2), ``corner`` 0 to 3, row by row. A pixel's value is its mean over 4 x 4 points. ``shift`` moves all,
    in pixels. The blur is done in Fourier space, so the image is periodic. Cost: one FFT pair.

    >>> cell = expected(Condition(), diameter=1.6, thickness=2.0, corner=0)
    >>> f"{cell[0, 145]:.0f} {cell[72, 72]:.0f}"
    '487 338'
    """
    return jnp.fft.irfft2(_expected(condition, diameter, thickness, corner, shift, size), (size, size))


def cell(
    key: PRNGKey,
    condition: Condition,
    diameter: Real,
    thickness: Real,
    corner: int | Int[Array, ""],
    shift: Float[Array, "2"] | None = None,
    *,
    size: int = SIZE,
) -> Float[Array, "size size"]:
    """The cell with noise: ``expected`` plus white noise smoothed with ``NOISE_BLUR`` (lag-1 autocorrelation .36).

    Cost: two FFTs, of noise and signal, and one back; .5 ms a cell of 146 x 146 on two cores of a CPU.

    Source: Kretz et al., Physica Medica 2019, doi 10.1016/j.ejmp.2019.05.006 (how the virtual cells of PTB are made).

    Example: ``jax.vmap(lambda key: cell(key, Condition(), 0.5, 1.0, 3))(jax.random.split(jax.random.key(0), 8))``
    """
    white = jnp.fft.rfft2(jax.random.normal(key, (size, size)))
    clean = _expected(condition, diameter, thickness, corner, shift, size)
    return jnp.fft.irfft2(clean + condition.noise * noise_transfer(size) * white, (size, size))


def conditions(key: PRNGKey) -> Condition:
    """A random condition within ``RANGES``: exposure log-uniform (noise ``10.6 / sqrt(exposure)``), the rest uniform.

    >>> bool(0.4 < conditions(jax.random.key(0)).blur < 1.2)
    True
    """
    position = dict(zip(RANGES, jax.random.uniform(key, (len(RANGES),)), strict=True))
    scale = {name: jnp.log(jnp.asarray(ends)) if name == "exposure" else ends for name, ends in RANGES.items()}
    draw = {name: scale[name][0] + position[name] * (scale[name][1] - scale[name][0]) for name in RANGES}
    return Condition(**draw | {"noise": 10.6 * jnp.exp(-draw.pop("exposure") / 2)})


def load(
    root: Path,
    *,
    task: str = "threshold",
    n: int = 2000,
    size: int = 64,
    diameter: float = 0.25,
    thickness: float | None = None,
    test_fraction: float = 0.2,
    seed: int = 0,
) -> Dataset:
    """Simulated cells x[n, size, size, 1], detector signal / 1000; ``root`` is not read. Nothing is known of patients.

    task           "threshold" (regression): each image has another random condition (``conditions``) and y is float32,
                   log10 of its ``threshold`` in um at ``diameter``; ``classes`` names that one number.
                   "corner" (4 classes): the default condition, and y is the corner of the second disc
    n              images; those of a smaller n are the first of a larger one, apart from the split
    size           pixels; corners lie nearer to the centre in a smaller cell (2.5 mm at 146, as in CDMAM)
    diameter       of the discs, mm
    thickness      of the discs, um; 1 for "threshold"; .15 for "corner" (the template observer: 91 % right)
    test_fraction  of the images, the last ones

    Raises ValueError for an option out of range, and for discs too large for the cell.

    Cost: 2 s for 2000 images of 64 x 64.

    Example: ``alfi.data.load("cdmam", task="corner", n=100).classes[0] == "upper left"``
    """
    widest = ((0.5 - CORNER) * size - 2) * 2 * PITCH / MAGNIFICATION  # two pixels from the edge, for the blur
    for name, fine, got, wanted in (
        ("task", task in ("threshold", "corner"), task, "threshold or corner"),
        ("n", n >= 1, n, "1 or more"),
        ("size", size >= 16, size, "16 or more"),
        ("diameter", 0.06 <= diameter <= widest, diameter, f"0.06 to {widest:.2f}"),
        ("thickness", thickness is None or thickness > 0, thickness, "above 0"),
        ("test_fraction", 0 <= test_fraction < 1, test_fraction, "0 <= test_fraction < 1"),
        ("seed", seed >= 0, seed, "0 or more"),
    ):
        if not fine:
            raise ValueError(f"cdmam: {name}: got {got}, expected {wanted}")
    from alfi.data.cdmam_observer import threshold

    if thickness is None:
        thickness = {"threshold": 1.0, "corner": 0.15}[task]

    def one(key):
        key_condition, key_corner, key_noise = jax.random.split(key, 3)
        condition = conditions(key_condition) if task == "threshold" else Condition()
        corner = jax.random.randint(key_corner, (), 0, 4)
        image = cell(key_noise, condition, diameter, thickness, corner, size=size)
        label = jnp.log10(threshold(condition, diameter)) if task == "threshold" else corner
        return image / 1000, label

    # The same program for each chunk, so that memory does not grow with n.
    keys = jax.vmap(partial(jax.random.fold_in, jax.random.key(seed)))(jnp.arange(-(-n // CHUNK) * CHUNK))
    many = jax.jit(jax.vmap(one))
    parts = [jax.device_get(many(chunk)) for chunk in keys.reshape(-1, CHUNK)]
    x, y = (np.concatenate(column)[:n] for column in zip(*parts, strict=True))
    classes = ("log10 threshold / um",) if task == "threshold" else CORNERS
    split = np.where(np.arange(n) < n - round(test_fraction * n), "train", "test")
    ids = np.array([f"cdmam/{seed}/{index}" for index in range(n)])
    y = y.astype(np.float32 if task == "threshold" else np.int32)
    return Dataset(x[..., None].astype(np.float32), y, ids, None, split, classes)


def disc(diameter: Real, centre: Float[Array, "2"], size: int) -> Float[Array, "size size"]:
    """Share of each pixel that a disc covers, ``diameter`` in mm, ``centre`` in pixels: the mean of 4 x 4 soft points.

    >>> f"{disc(1.0, jnp.array([32.0, 32.0]), 64).sum() * (PITCH / MAGNIFICATION) ** 2:.3f}"
    '0.785'
    """
    points = (jnp.arange(4 * size) - 1.5) / 4
    away = jnp.hypot((points - centre[0])[:, None], (points - centre[1])[None])
    covered = jnp.clip(4 * (diameter * MAGNIFICATION / PITCH / 2 - away) + 0.5, 0, 1)
    return covered.reshape(size, 4, size, 4).mean((1, 3))


def centres(corner: int | Int[Array, ""], size: int) -> tuple[Float[Array, "2"], Float[Array, "2"]]:
    """Where the two discs lie, in pixels: row and column of the one in the middle and of the one in ``corner``.

    >>> [place.tolist() for place in centres(2, 146)]
    [[72.5, 72.5], [118.5, 26.5]]
    """
    middle = jnp.full(2, (size - 1) / 2)
    side = jnp.stack([jnp.asarray(corner) // 2, jnp.asarray(corner) % 2])
    return middle, middle + (2 * side - 1) * CORNER * size


def blur_transfer(deviation: Real, size: int) -> Float[Array, "size half"]:
    """What a Gaussian point-spread function (s.d. in pixels) leaves of each frequency of ``jnp.fft.rfft2``.

    >>> bool(blur_transfer(0.7, 64)[0, 0] == 1)
    True
    """
    rows, columns = jnp.fft.fftfreq(size)[:, None], jnp.fft.rfftfreq(size)[None]
    return jnp.exp(-2 * jnp.pi**2 * deviation**2 * (rows**2 + columns**2))


def noise_transfer(size: int) -> Float[Array, "size half"]:
    """What makes unit white noise the noise of the detector: a sampled Gaussian, scaled to keep the s.d. at 1.

    >>> noise_transfer(64).shape
    (64, 33)
    """
    taps = np.exp(-((np.arange(-2, 3) / NOISE_BLUR) ** 2) / 2)
    taps /= np.sqrt((taps**2).sum())
    line = [float(taps @ np.cos(2 * np.pi * np.arange(-2, 3) * k / size)) for k in range(size)]
    return jnp.asarray(np.outer(line, line[: size // 2 + 1]), float)


def _expected(condition, diameter, thickness, corner, shift, size):
    """``rfft2`` of ``expected``."""
    shift = jnp.zeros(2) if shift is None else shift
    covered = sum(disc(diameter, centre + shift, size) for centre in centres(corner, size))
    contrast = -jnp.expm1(-gold(condition.energy) * thickness)
    clean = condition.background * (1 - (1 - condition.scatter) * contrast * covered)
    return jnp.fft.rfft2(clean) * blur_transfer(condition.blur, size)
