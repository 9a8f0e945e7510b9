"""Losses against NumPy, scipy and scikit-learn, over one site and over many."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special, stats

from alfi import likelihoods, losses

RNG = np.random.default_rng(0)


def problem(shape, c):
    return RNG.normal(size=(5, *shape, c)) * 2, RNG.integers(c, size=(5, *shape))


def log_softmax_at(outputs, y):
    return np.take_along_axis(special.log_softmax(outputs, axis=-1), y[..., None], axis=-1)[..., 0]


@pytest.mark.parametrize("shape", [(), (3,), (4, 6)])
def test_cross_entropy_is_that_of_numpy_averaged_over_sites(shape):
    outputs, y = problem(shape, 3)
    weights = np.array([0.5, 1.0, 3.0])
    each = -log_softmax_at(outputs, y).reshape(5, -1)
    got = jax.jit(losses.cross_entropy())(jnp.asarray(outputs), jnp.asarray(y))
    np.testing.assert_allclose(got, each.mean(axis=1), rtol=1e-12)
    got = jax.jit(losses.cross_entropy(weights))(jnp.asarray(outputs), jnp.asarray(y))
    np.testing.assert_allclose(got, (weights[y].reshape(5, -1) * each).mean(axis=1), rtol=1e-12)
    summed = losses.negative_log_likelihood(likelihoods.categorical())(jnp.asarray(outputs), jnp.asarray(y))
    np.testing.assert_allclose(summed, each.sum(axis=1), rtol=1e-12)


def test_class_weights_are_those_of_scikit_learn():
    from sklearn.utils.class_weight import compute_class_weight

    y = RNG.integers(4, size=(7, 5)) ** 2 % 5  # 0, 1 and 4 occur
    got = losses.class_weights(y, 5)
    present = np.unique(y)
    expected = compute_class_weight("balanced", classes=present, y=y.reshape(-1)) * len(present) / 5
    np.testing.assert_allclose(got[present], expected)
    assert got[2] == got[3] == got.max()
    every = losses.class_weights([0, 1, 1, 1, 2, 2], 3)
    assert np.average(every[[0, 1, 1, 1, 2, 2]]) == pytest.approx(1)


def dice_of(probability, mask, smoothing):
    return 1 - (2 * (probability * mask).sum() + smoothing) / (probability.sum() + mask.sum() + smoothing)


@pytest.mark.parametrize("smoothing", [1.0, 0.01])
def test_dice_is_that_of_each_image(smoothing):
    loss = jax.jit(losses.dice(smoothing=smoothing))
    outputs, y = problem((4, 6), 3)
    p = special.softmax(outputs, axis=-1)
    expected = [np.mean([dice_of(p[i, ..., j], y[i] == j, smoothing) for j in (1, 2)]) for i in range(5)]
    np.testing.assert_allclose(loss(jnp.asarray(outputs), jnp.asarray(y)), expected, rtol=1e-12)
    one, mask = outputs[..., :1], (y > 0).astype(int)
    expected = [dice_of(special.expit(one[i, ..., 0]), mask[i], smoothing) for i in range(5)]
    np.testing.assert_allclose(loss(jnp.asarray(one), jnp.asarray(mask)), expected, rtol=1e-12)
    np.testing.assert_allclose(loss(jnp.asarray(one), jnp.asarray(mask)[..., None]), expected, rtol=1e-12)
    two = jnp.concatenate([jnp.zeros_like(one), jnp.asarray(one)], axis=-1)  # the same in two outputs
    np.testing.assert_allclose(loss(two, jnp.asarray(mask)), expected, rtol=1e-12)


def test_dice_of_an_empty_mask_has_a_gradient_that_empties_the_prediction():
    mask = jnp.zeros((1, 4, 4), int)
    slope = jax.grad(lambda f: losses.dice()(f, mask)[0])(jnp.zeros((1, 4, 4, 1)))
    assert (slope > 0).all()


@pytest.mark.parametrize("shape", [(), (4,)])
def test_gaussian_nll_is_that_of_scipy(shape):
    mean, log_variance, y = RNG.normal(size=(3, 5, *shape, 2))
    outputs = jnp.asarray(np.concatenate([mean, log_variance], axis=-1))
    each = -stats.norm.logpdf(y, mean, np.exp(log_variance / 2)).sum(axis=-1).reshape(5, -1)
    np.testing.assert_allclose(losses.gaussian_nll()(outputs, jnp.asarray(y)), each.mean(axis=1), rtol=1e-12)
    same = losses.negative_log_likelihood(likelihoods.heteroscedastic_gaussian())(outputs, jnp.asarray(y))
    np.testing.assert_allclose(same, each.sum(axis=1), rtol=1e-12)


def test_beta_one_learns_means_as_least_squares_does():
    outputs, y = jnp.asarray(RNG.normal(size=(5, 2))), jnp.asarray(RNG.normal(size=5))
    slope = jax.grad(lambda f: losses.gaussian_nll(beta=1.0)(f, y).sum())(outputs)
    np.testing.assert_allclose(slope[:, 0], outputs[:, 0] - y, rtol=1e-12)


def test_losses_add_up_with_their_weights():
    outputs, y = (jnp.asarray(array) for array in problem((4, 4), 2))
    both = losses.add(losses.dice(), losses.cross_entropy(), weights=(1, 0.5))(outputs, y)
    np.testing.assert_allclose(both, losses.dice()(outputs, y) + losses.cross_entropy()(outputs, y) / 2)


BAD = {
    "no class weight below zero": lambda: losses.cross_entropy([1.0, -1.0]),
    "as many class weights as outputs": lambda: losses.cross_entropy([1.0, 1.0])(jnp.zeros((1, 3)), jnp.zeros(1, int)),
    "labels in range": lambda: losses.class_weights([0, 3], 2),
    "some smoothing": lambda: losses.dice(smoothing=0),
    "sites": lambda: losses.dice()(jnp.zeros((2, 2)), jnp.zeros(2, int)),
    "beta up to one": lambda: losses.gaussian_nll(beta=2.0),
    "as many log-variances as means": lambda: losses.gaussian_nll()(jnp.zeros((1, 3)), jnp.zeros(1)),
    "a weight for each loss": lambda: losses.add(losses.dice(), weights=(1, 2)),
}


@pytest.mark.parametrize("case", BAD)
def test_impossible_settings_are_refused(case):
    with pytest.raises(ValueError, match="got"):
        BAD[case]()
