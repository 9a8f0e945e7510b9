"""The contrast-detail cell against slow references, and against the virtual cells of PTB where they are."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, ndimage, stats

import alfi.data
from alfi.data import cdmam, cdmam_observer
from alfi.data.cdmam import Condition, cell, expected
from alfi.data.cdmam_observer import detectability, estimate_threshold, template_scores, threshold
from alfi.data.root import data_root

NOMINAL = Condition()


def slow_disc(diameter, centre, size, points=32):
    """Share of each pixel inside the disc, by counting points."""
    grid = (np.arange(points * size) + 0.5) / points - 0.5
    inside = np.hypot((grid - centre[0])[:, None], grid - centre[1]) <= diameter * 1.11 / 0.06 / 2
    return inside.reshape(size, points, size, points).mean((1, 3))


@pytest.mark.parametrize("diameter", [0.06, 0.1, 0.5, 1.0])
def test_a_disc_covers_what_it_covers(diameter):
    centre = np.array([15.3, 16.1])
    slow = slow_disc(diameter, centre, 32)
    np.testing.assert_allclose(cdmam.disc(diameter, jnp.asarray(centre), 32), slow, atol=0.03)
    np.testing.assert_allclose(slow.sum() * (0.06 / 1.11) ** 2, np.pi * diameter**2 / 4, rtol=0.02)


@pytest.mark.parametrize("corner", range(4))
def test_the_expected_image_is_that_of_the_physics(corner):
    """Contrast by Lambert and Beer, the blur as a sum over pixels far from the edge."""
    condition = Condition(background=500.0, noise=9.0, blur=1.1, scatter=0.3, energy=20.0)
    size, shift = 40, np.array([0.3, -0.2])
    attenuation = 78.81 * 19.302 / 1e4  # per um
    middle = np.full(2, 19.5)
    side = np.array([corner // 2, corner % 2]) * 2 - 1
    covered = sum(slow_disc(0.2, place + shift, size) for place in (middle, middle + side * size * 46 / 146))
    primary = 0.7 * 500 * (1 - covered * (1 - np.exp(-attenuation * 1.5)))
    slow = ndimage.gaussian_filter(primary + 0.3 * 500, 1.1, mode="wrap", truncate=8)
    image = expected(condition, 0.2, 1.5, corner, jnp.asarray(shift), size=size)
    np.testing.assert_allclose(image, slow, atol=1.5)
    assert 500 - slow.min() > 40


def test_attenuation_is_the_table_and_a_power_law_between():
    values = [float(cdmam.gold(energy)) for energy in (15.0, 20.0, 30.0, 40.0)]
    np.testing.assert_allclose(values, np.array([163.7, 78.81, 27.52, 12.98]) * 19.302e-4, rtol=1e-6)
    np.testing.assert_allclose(float(cdmam.gold(np.sqrt(15 * 20.0))), np.sqrt(values[0] * values[1]), rtol=1e-6)


def test_noise_has_the_covariance_of_smoothed_white_noise():
    spectrum = np.asarray(cdmam.noise_transfer(32)) ** 2
    covariance = np.fft.irfft2(spectrum, (32, 32))
    impulse = np.zeros((32, 32))
    impulse[16, 16] = 1
    kernel = ndimage.gaussian_filter(impulse, 0.55, mode="wrap")
    slow = np.fft.ifft2(np.abs(np.fft.fft2(kernel)) ** 2).real
    np.testing.assert_allclose(covariance, slow / slow[0, 0], atol=1e-5)
    np.testing.assert_allclose(covariance[0, 1], 0.357, atol=1e-3)


def test_images_have_that_noise_at_any_condition(getkey):
    condition = NOMINAL._replace(noise=5.0)
    make = jax.jit(jax.vmap(lambda key: cell(key, condition, 0.5, 1.0, 1, size=32)))
    clean = np.asarray(expected(condition, 0.5, 1.0, 1, size=32))
    noise = np.asarray(make(jax.random.split(getkey(), 500))) - clean
    np.testing.assert_allclose(noise.std(), 5, rtol=0.01)
    np.testing.assert_allclose(noise.mean(0), 0, atol=5 * 5 / np.sqrt(500))
    lag = (noise * np.roll(noise, 1, 1)).mean() / noise.var()
    np.testing.assert_allclose(lag, 0.357, atol=0.01)


def test_vmap_over_conditions_sizes_and_corners_is_a_loop(getkey):
    keys = jax.random.split(getkey(), 3)
    many = jax.vmap(cdmam.conditions)(keys)
    diameters, thicknesses, corners = jnp.array([0.1, 0.25, 0.5]), jnp.array([2.0, 0.5, 0.1]), jnp.array([3, 0, 2])
    images = jax.vmap(lambda *row: cell(*row, size=32))(keys, many, diameters, thicknesses, corners)
    for row in range(3):
        condition = Condition(*(column[row] for column in many))
        alone = cell(keys[row], condition, diameters[row], thicknesses[row], corners[row], size=32)
        np.testing.assert_allclose(images[row], alone, rtol=1e-5)


def test_detectability_is_that_of_the_best_linear_observer(monkeypatch):
    """``sqrt(s^T K^-1 s)`` with K written out."""
    size = 20
    monkeypatch.setattr(cdmam_observer, "GRID", size)
    condition = Condition(blur=0.9, noise=8.0, scatter=0.25, energy=18.0, background=450.0)
    covariance = 64 * np.fft.irfft2(np.asarray(cdmam.noise_transfer(size)) ** 2, (size, size))
    rows, columns = np.divmod(np.arange(size**2), size)
    K = covariance[(rows[:, None] - rows) % size, (columns[:, None] - columns) % size]
    contrast = 1 - np.exp(-float(cdmam.gold(18.0)) * 0.3)
    signal = ndimage.gaussian_filter(slow_disc(0.25, (10, 10), size), 0.9, mode="wrap", truncate=8)
    signal = 450 * 0.75 * contrast * signal.ravel()
    slow = np.sqrt(signal @ np.linalg.solve(K, signal))
    np.testing.assert_allclose(detectability(condition, 0.25, 0.3), slow, rtol=0.01)
    at_threshold = threshold(condition, 0.25)
    np.testing.assert_allclose(detectability(condition, 0.25, at_threshold), 1.235, rtol=1e-5)


def test_thresholds_of_the_default_condition():
    thresholds = [float(threshold(NOMINAL, diameter)) for diameter in (2.0, 1.0, 0.5, 0.25, 0.1)]
    np.testing.assert_allclose(thresholds, [0.0079, 0.0159, 0.033, 0.071, 0.257], rtol=0.025)
    assert threshold(NOMINAL._replace(noise=1e5), 0.1) == np.inf


def test_the_wanted_detectability_is_62_5_percent_of_four_and_so_are_the_answers(getkey):
    hits = integrate.quad(lambda z: stats.norm.pdf(z - cdmam_observer.DPRIME) * stats.norm.cdf(z) ** 3, -9, 9)[0]
    np.testing.assert_allclose(hits, 0.625, atol=1e-4)
    thickness = threshold(NOMINAL, 0.25)
    corners = jnp.arange(4000) % 4
    make = jax.jit(jax.vmap(lambda key, corner: cell(key, NOMINAL, 0.25, thickness, corner, size=32)))
    images = make(jax.random.split(getkey(), 4000), corners)
    right = float((template_scores(images, NOMINAL, 0.25).argmax(1) == corners).mean())
    assert abs(right - 0.625) < 3.5 * np.sqrt(0.625 * 0.375 / 4000)


@pytest.mark.slow
def test_the_observer_tells_the_threshold_of_a_condition_from_one_image(getkey):
    keys = jax.random.split(getkey(), 128)
    many = jax.vmap(cdmam.conditions)(keys)
    corners = jnp.arange(128) % 4
    images = jax.jit(jax.vmap(lambda *row: cell(*row[:2], 0.25, 1.0, row[2], size=64)))(keys, many, corners)
    told = np.log10(jax.jit(estimate_threshold)(images, 0.25, 1.0, corners))
    true = np.log10(jax.jit(jax.vmap(lambda condition: threshold(condition, 0.25)))(many))
    assert np.corrcoef(told, true)[0, 1] > 0.95
    assert np.sqrt(np.mean((told - true) ** 2)) < 0.05  # 12 %; the thresholds themselves vary by a factor of eight
    assert true.std() > 0.12


def test_random_conditions_fill_their_ranges(getkey):
    many = jax.vmap(cdmam.conditions)(jax.random.split(getkey(), 2000))
    exposure = (10.6 / many.noise) ** 2
    for name, (low, high) in cdmam.RANGES.items():
        values = np.asarray(exposure if name == "exposure" else getattr(many, name))
        assert low <= values.min() < low + 0.02 * (high - low)
        assert high - 0.02 * (high - low) < values.max() <= high * (1 + 1e-6)
    np.testing.assert_allclose(np.log(exposure).mean(), 0, atol=0.05)
    columns = np.stack(many)
    assert np.abs(np.corrcoef(columns) - np.eye(len(columns))).max() < 0.1


def test_the_data_set_for_regression():
    data, fewer = (alfi.data.load("cdmam", n=n, size=32, seed=3) for n in (90, 10))
    assert data.x.shape == (90, 32, 32, 1)
    assert (data.x.dtype, data.y.dtype) == (np.float32, np.float32)
    assert data.classes == ("log10 threshold / um",)
    assert (data.split == "test").sum() == 18
    np.testing.assert_array_equal(data.x[:10], fewer.x)
    np.testing.assert_array_equal(data.ids[:10], fewer.ids)
    assert 0.4 < np.median(data.x) < 0.55
    assert 0.02 < 10 ** data.y.min() < 10 ** data.y.max() < 0.4
    assert np.unique(data.y).size == 90


def test_the_data_set_of_four_alternatives():
    data = alfi.data.load("cdmam", task="corner", n=200, size=32, thickness=2.0, test_fraction=0.5)
    assert data.classes == ("upper left", "upper right", "lower left", "lower right")
    assert data.y.dtype == np.int32
    assert np.bincount(data.y, minlength=4).min() > 25
    scores = template_scores(jnp.asarray(1000 * data.x[..., 0]), NOMINAL, 0.25)
    np.testing.assert_array_equal(scores.argmax(1), data.y)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"task": "size"}, "task: got size, expected threshold or corner"),
        ({"n": 0}, "n: got 0, expected 1 or more"),
        ({"diameter": 2.0}, r"diameter: got 2.0, expected 0.06 to 1\.0"),
        ({"diameter": 0.0}, "diameter: got 0.0"),
        ({"thickness": -1.0}, "thickness: got -1.0, expected above 0"),
        ({"test_fraction": 1.0}, "test_fraction: got 1.0"),
        ({"seed": -1}, "seed: got -1"),
        ({"size": 8}, "size: got 8, expected 16 or more"),
    ],
)
def test_options_out_of_range_are_named(options, message):
    with pytest.raises(ValueError, match=f"cdmam: {message}"):
        alfi.data.load("cdmam", **options)


@pytest.mark.data
def test_statistics_of_the_virtual_cells_of_ptb(getkey):
    path = data_root() / "cdmam" / "sim_cells_20x146x146_f32.npy"
    if not path.exists():
        pytest.skip(f"no {path}")
    theirs = np.load(path)
    ours = np.asarray(
        jax.vmap(lambda key: cell(key, NOMINAL, 1.6, 2.0, 0, jnp.array([-1.1, -0.2])))(jax.random.split(getkey(), 20))
    )
    background = np.ones((146, 146), bool)
    for row, column in ((25.3, 26.0), (71.4, 72.3)):
        background &= np.hypot(np.arange(146)[:, None] - row, np.arange(146) - column) > 20
    figures = []
    for images in (theirs, ours):
        noise = (images - images.mean(0)) * np.sqrt(20 / 19)
        lag = np.mean([(noise * np.roll(noise, 1, axis))[:, background].mean() for axis in (1, 2)])
        variance = noise[:, background].var()
        disc = images[:, 66:77, 67:78]
        in_corner = images[:, 26, 26].mean()
        figures.append([images[:, background].mean(), np.sqrt(variance), lag / variance, disc.mean(), in_corner])
    np.testing.assert_allclose(figures[1][0], figures[0][0], atol=1)  # 487
    np.testing.assert_allclose(figures[1][1], figures[0][1], rtol=0.01)  # 10.6
    np.testing.assert_allclose(figures[1][2], figures[0][2], atol=0.01)  # .36
    np.testing.assert_allclose(figures[1][3], figures[0][3], atol=1.5)  # 338, of the disc in the middle
    np.testing.assert_allclose(figures[1][4], figures[0][4], atol=4 * 10.6 * np.sqrt(2 / 20))  # and in the corner
    # The same pixels are dark: edges lie where theirs do.
    dark = [images.mean(0) < 412 for images in (theirs, ours)]
    assert (dark[0] != dark[1]).sum() < 0.06 * dark[0].sum()
