"""Simulated electrocardiograms: the differential equation, the lead theory, and what cardiology expects of beats."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import alfi.data
from alfi.data import ecg
from alfi.data.ecg import Heart, record, rhythm, vectorcardiogram
from alfi.data.leads import DOWER, LEADS

QUIET = Heart(variability=0.0, noise=0.0, wander=0.0)
I, II, III, AVR, AVL, AVF, V1, V2 = range(8)


def test_the_heart_vector_solves_the_dynamical_model():
    """McSharry's phase on its circle and Sameni's three coordinates, by Runge-Kutta, over one regular beat."""
    heart = Heart(rate=75.0, width=1.1, amplitude=0.8)
    period = 60 / 75
    w = 2 * np.pi / period
    scale = np.sqrt(75 / 60)  # McSharry's: angles and widths go with the square root of the rate
    stretch = np.array([1, 1.1, 1.1, 1.1, 1])
    angles, widths = ecg.ANGLES[0] * scale * stretch, ecg.WIDTHS[0] * scale * stretch
    vectors = 0.8 * ecg.VECTORS[0]

    def slope(t):
        # Not wrapped to one turn: the waves of the beats before and after are written out.
        apart = (w * t + 2 * np.pi * np.arange(-2, 3)[:, None] - angles)[..., None]
        pull = -vectors * (w / widths[:, None] ** 2) * apart * np.exp(-(apart**2) / (2 * widths[:, None] ** 2))
        return pull.sum((0, 1))

    step, times = 1e-3, np.arange(800) * 1e-3
    peaks, beats = jnp.arange(-3, 5) * period, jnp.zeros(8, int)
    fast = np.asarray(vectorcardiogram(jnp.asarray(times), peaks, beats, heart))
    slow = [fast[0]]
    for t in times[:-1]:
        slow.append(slow[-1] + step / 6 * (slope(t) + 4 * slope(t + step / 2) + slope(t + step)))
    np.testing.assert_allclose(fast, slow, atol=1e-5)
    assert np.abs(fast).max() > 0.8


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_einthoven_and_goldberger_hold_to_the_last_bit(getkey, dtype):
    heart = Heart(ventricular=0.2, noise=0.05, wander=0.3)
    leads = np.asarray(record(getkey(), heart, rate=100).leads).astype(dtype).T
    np.testing.assert_array_equal(leads[I] + leads[III], leads[II])
    np.testing.assert_array_equal(leads[AVR] + leads[AVL] + leads[AVF], 0)
    np.testing.assert_array_equal(leads[AVR], -(leads[I] + leads[II]) / 2)
    np.testing.assert_array_equal(leads[AVL], (leads[I] - leads[III]) / 2)
    np.testing.assert_array_equal(leads[AVF], (leads[II] + leads[III]) / 2)
    assert np.abs(leads).max(1).min() > 0.1


def test_leads_are_a_fixed_matrix_times_the_heart_vector(getkey):
    heart = QUIET._replace(rotation=(0.1, -0.2, 0.3))
    made = record(getkey(), heart, rate=200)
    vector = np.asarray(vectorcardiogram(jnp.arange(2000) / 200, made.peaks, made.beats, heart))
    expected = np.zeros((2000, 12))
    for lead, (x, y, z) in zip([0, 1, *range(6, 12)], DOWER, strict=True):
        expected[:, lead] = x * vector[:, 0] + y * vector[:, 1] + z * vector[:, 2]
    rows = [0, 1, *range(6, 12)]
    np.testing.assert_allclose(np.asarray(made.leads)[:, rows], expected[:, rows], atol=ecg.STEP / 2 + 1e-5)
    straight = np.asarray(vectorcardiogram(jnp.arange(2000) / 200, made.peaks, made.beats, QUIET))
    np.testing.assert_allclose(np.linalg.norm(vector, axis=1), np.linalg.norm(straight, axis=1), atol=1e-5)
    assert np.abs(vector - straight).max() > 0.1


def test_a_normal_beat_looks_like_one(getkey):
    made = record(getkey(), QUIET, rate=500)
    leads = np.asarray(made.leads)
    shown = np.asarray(made.peaks)
    at = np.rint(500 * shown[(shown > 1) & (shown < 9)]).astype(int)
    assert len(at) >= 7
    assert (leads[at, II] > 0.7).all()
    assert (leads[at, AVR] < -0.5).all()
    assert (leads[at, V1] < -0.3).all()
    transition = leads[at[0], 6:]  # R grows from V1 to V5
    assert (np.diff(transition[:4]) > 0).all()
    assert (leads[at + 125, II] > 0.15).all()  # T
    assert (leads[at - 83, II] > 0.08).all()  # P
    np.testing.assert_allclose(np.diff(shown), 1, atol=1e-5)


@pytest.mark.slow
def test_ectopic_beats_come_early_wide_and_with_a_compensatory_pause():
    heart = QUIET._replace(ventricular=0.15, supraventricular=0.15)
    peaks, beats = jax.vmap(lambda key: rhythm(key, heart, 10.0))(jax.random.split(jax.random.key(1), 200))
    apart, beats = np.diff(peaks, axis=1), np.asarray(beats)
    np.testing.assert_allclose([(beats == kind).mean() for kind in range(3)], [0.7, 0.15, 0.15], atol=0.02)
    after_normal = beats[:, :-2] == 0
    for kind, before, pause in ((0, 1.0, 1.0), (1, 0.7, 1.05), (2, 0.65, 1.35)):
        alone = after_normal & (beats[:, 1:-1] == kind) & (beats[:, 2:] == 0)
        np.testing.assert_allclose(apart[:, :-1][alone], before, atol=1e-4)
        np.testing.assert_allclose(apart[:, 1:][alone], pause, atol=1e-4)
    times = jnp.arange(-0.4, 0.6, 0.001)
    normal, _, wide = (
        np.asarray(vectorcardiogram(times, jnp.array([0.0]), jnp.array([kind]), QUIET)) for kind in range(3)
    )
    qrs = np.abs(np.asarray(times)) < 0.2
    duration = [
        (np.linalg.norm(v[qrs], axis=1) > 0.2 * np.linalg.norm(v[qrs], axis=1).max()).mean() for v in (normal, wide)
    ]
    assert duration[1] > 1.8 * duration[0]
    early = np.asarray(times) < -0.2
    assert np.abs(normal[~early]).max() > 1
    assert np.linalg.norm(normal[early][:, :2], axis=1).max() < 0.12


def test_every_record_is_covered_by_beats(getkey):
    for rate, variability in ((30.0, 0.0), (150.0, 0.2), (200.0, 0.0)):
        heart = Heart(rate=rate, variability=variability, ventricular=0.3)
        peaks, _ = jax.vmap(lambda key, heart=heart: rhythm(key, heart, 10.0))(jax.random.split(getkey(), 50))
        assert peaks[:, 0].max() < 0
        assert peaks[:, -1].min() > 10
        assert np.diff(peaks, axis=1).min() >= 0.3 - 1e-5


@pytest.mark.slow
def test_variability_noise_and_wander_have_the_size_they_are_told(getkey):
    heart = Heart(variability=0.06, noise=0.0, wander=0.0)
    peaks, _ = jax.vmap(lambda key: rhythm(key, heart, 100.0))(jax.random.split(getkey(), 50))
    np.testing.assert_allclose(np.diff(peaks, axis=1).std(), 0.06, rtol=0.05)
    make = jax.jit(lambda heart: jax.vmap(lambda key: record(key, heart, rate=100).leads)(jax.random.split(key, 200)))
    key = getkey()
    clean = make(QUIET)
    noise = np.asarray(make(QUIET._replace(noise=0.1)) - clean)
    # Of electrodes of variance 1: I is the difference of two, V1 against the mean of three.
    np.testing.assert_allclose(noise.std((0, 1))[[I, II, III]], 0.1 * np.sqrt(2), rtol=0.02)
    np.testing.assert_allclose(noise.std((0, 1))[6:], 0.1 * np.sqrt(4 / 3), rtol=0.02)
    np.testing.assert_allclose(noise.std((0, 1))[[AVR, AVL, AVF]], 0.1 * np.sqrt(1.5), rtol=0.02)
    lagged = (noise[:, 1:] * noise[:, :-1]).mean() / (noise**2).mean()
    assert abs(lagged) < 0.01
    wander = np.asarray(make(QUIET._replace(wander=0.1)) - clean)
    spectrum = (np.abs(np.fft.rfft(wander[..., V1], axis=1)) ** 2).mean(0)
    assert spectrum[:5].sum() > 0.95 * spectrum.sum()  # below .5 Hz
    assert 0.05 < wander[..., V1].std() < 0.15


@pytest.mark.slow
def test_vmap_over_keys_and_hearts_is_a_loop(getkey):
    keys = jax.random.split(getkey(), 3)
    many = jax.vmap(ecg.hearts)(keys)
    short = partial(record, seconds=2.0, rate=100)
    made = jax.jit(jax.vmap(short))(keys, many)
    assert made.leads.shape == (3, 200, len(LEADS))
    alone = jax.jit(short)(keys[1], jax.tree.map(lambda column: column[1], many))
    np.testing.assert_allclose(made.leads[1], alone.leads, atol=1.01 * ecg.STEP)
    np.testing.assert_array_equal(made.beats[1], alone.beats)


def test_the_data_set_shows_what_its_labels_say():
    data = alfi.data.load("ecg", n=150, seconds=6, rate=50)
    assert data.x.shape == (150, 300, 12)
    assert data.x.dtype == np.float32
    assert np.bincount(data.y, minlength=3).min() > 25
    np.testing.assert_array_equal(data.x[..., I] + data.x[..., III], data.x[..., II])
    assert (data.split == "test").sum() == 30
    assert np.unique(data.groups).size == 150
    # A ventricular beat is deep in V3, where a normal one never is: a threshold tells most of them.
    depth = (data.x - np.median(data.x, axis=1, keepdims=True))[..., 8].min(1) / np.abs(data.x[..., II]).max(1)
    ventricular = data.y == 2
    cut = np.median(depth[ventricular]) / 2 + np.median(depth[~ventricular]) / 2
    assert ((depth < cut) == ventricular).mean() > 0.85


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n": 0}, "n: got 0"),
        ({"rate": 10}, "rate: got 10, expected 50 or more"),
        ({"seconds": 0.5}, "seconds: got 0.5"),
    ],
)
def test_options_out_of_range_are_named(options, message):
    with pytest.raises(ValueError, match=f"ecg: {message}"):
        alfi.data.load("ecg", **options)
