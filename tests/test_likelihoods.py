"""Every likelihood against its definition: expectations over labels, by autodiff. A new likelihood is one row."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from alfi import likelihoods, testing

COVARIANCE = [[2.0, 0.5, -0.3], [0.5, 1.0, 0.2], [-0.3, 0.2, 0.4]]
CUTPOINTS = [-1.0, 0.2, 0.5, 3.0]
# name: (likelihood, labels with their probabilities, number of outputs)
LIKELIHOODS = {
    "categorical 2": (likelihoods.categorical(), testing.every_class, 2),
    "categorical 5": (likelihoods.categorical(), testing.every_class, 5),
    "categorical, full root": (likelihoods.categorical(likelihoods.full_root), testing.every_class, 4),
    "bernoulli": (likelihoods.bernoulli(), testing.every_answer, 1),
    "multi_label": (likelihoods.multi_label(), testing.every_set_of_labels, 3),
    "gaussian": (likelihoods.gaussian(0.3), testing.normal_points(0.3), 3),
    "gaussian, covariance": (likelihoods.gaussian(covariance=COVARIANCE), testing.correlated_points(COVARIANCE), 3),
    "heteroscedastic_gaussian": (likelihoods.heteroscedastic_gaussian(), testing.heteroscedastic_points, 4),
    "poisson": (likelihoods.poisson(), testing.counts(2000), 1),
    "ordinal": (likelihoods.ordinal(CUTPOINTS), testing.every_grade(CUTPOINTS), 1),
    "segmentation": (likelihoods.segmentation(likelihoods.bernoulli(), effective_sites=3), testing.every_answer, 1),
}
cases = pytest.mark.parametrize("case", LIKELIHOODS.values(), ids=LIKELIHOODS)


@cases
def test_factor_is_the_root_of_the_covariance_of_the_score(case, getkey, close):
    likelihood, labels, c = case
    f = 2 * jax.random.normal(getkey(), (20, c))
    root = np.asarray(jax.jit(jax.vmap(likelihood.fisher_factor))(f))
    expected = testing.network_fisher(lambda f, x: f + x, likelihood, labels, jnp.zeros((1, c)), f)
    close(root @ root.transpose(0, 2, 1), expected)


@cases
def test_contrasts_are_orthonormal_and_see_all_that_the_factor_sees(case, getkey, close):
    likelihood, _, c = case
    if likelihood.contrasts is None:
        pytest.skip("sees every direction")
    basis = np.asarray(likelihood.contrasts(c))
    root = np.asarray(jax.jit(likelihood.fisher_factor)(jax.random.normal(getkey(), (c,))))
    close(basis.T @ basis, np.eye(basis.shape[1]))
    close(basis @ (basis.T @ root), root)


@cases
def test_samples_have_the_score_of_the_model(case, getkey):
    """The mean score of samples is 0 and its covariance the Fisher information, within five standard errors."""
    likelihood, _, c = case
    f, m = jax.random.normal(getkey(), (c,)), 20_000

    def draw(key):
        return jax.grad(likelihood.log_prob)(f, likelihood.sample(key, f))

    scores = np.asarray(jax.jit(jax.vmap(draw))(jax.random.split(getkey(), m)))
    root = np.asarray(jax.jit(likelihood.fisher_factor)(f))
    products = np.einsum("ya,yb->yab", scores, scores)
    for draws, mean in ((scores, np.zeros(c)), (products, root @ root.T)):
        np.testing.assert_array_less(np.abs(draws.mean(axis=0) - mean), 5 * draws.std(axis=0) / np.sqrt(m) + 1e-12)


@cases
def test_entropy_is_the_mean_surprise(case, getkey, close):
    likelihood, labels, c = case
    f = jax.random.normal(getkey(), (c,))
    y, probabilities = labels(f)
    log_prob = jax.jit(jax.vmap(likelihood.log_prob, (None, 0)))(f, y)
    close(jax.jit(likelihood.entropy)(f), -np.asarray(probabilities) @ log_prob)


@pytest.mark.parametrize(
    "f", [[80.0, -80.0, 0.0], [-80.0, -80.0, 80.0], [80.0, 80.0, -80.0], [0.0, 0.0, 0.0], [30.0, 0.0, 1.0]]
)
def test_categorical_root_of_extreme_logits_is_accurate_in_float32(f):
    """Relative to float64 in every entry of B B^T whose size float32 can hold: nothing cancels."""
    f = np.asarray(f)
    p = np.exp(f - f.max()) / np.exp(f - f.max()).sum()
    single = np.asarray(jax.jit(likelihoods.categorical().fisher_factor)(jnp.asarray(f, jnp.float32)))
    assert single.dtype == np.float32
    assert np.all(np.isfinite(single))
    complement = np.array([p[np.arange(3) != k].sum() for k in range(3)])  # 1 - p without cancellation
    expected = np.where(np.eye(3, dtype=bool), p * complement, -np.outer(p, p))
    np.testing.assert_allclose(single.astype(float) @ single.T.astype(float), expected, rtol=1e-4, atol=1e-37)


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), float("inf"), [1.0, 0.0]])
def test_gaussian_refuses_a_scale_that_is_not_positive(scale):
    with pytest.raises(ValueError, match=r"positive, finite scale .*; got "):
        likelihoods.gaussian(scale)


def test_gaussian_scale_can_differ_between_outputs(close):
    root = likelihoods.gaussian([0.5, 2.0]).fisher_factor(jnp.zeros(2))
    close(root, np.diag([2.0, 0.5]))
