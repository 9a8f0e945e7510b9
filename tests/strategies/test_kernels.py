"""LCMD and MaxDet on the base kernels, against NumPy on the kernel matrix."""

import functools

import jax
import numpy as np
import pytest

import alfi
from alfi import fisher, likelihoods, strategies, testing

N, K, LABELLED = 30, 6, (0, 3, 9)
MODEL, LIKELIHOOD = testing.network(2), likelihoods.gaussian(0.5)
KEY = jax.random.key(0)


@functools.cache
def problem(labelled=LABELLED):
    pool = alfi.pool(testing.normal(jax.random.key(1), (N, 5)), labelled=list(labelled))
    shapes = jax.eval_shape(MODEL.init, KEY, pool.x)
    variables = jax.tree.map(lambda leaf: testing.normal(jax.random.key(2), leaf.shape), shapes)
    return alfi.Fitted(variables), pool


def run(strategy, pool=None):
    fitted, usual = problem()
    return jax.jit(lambda pool: strategy.select(KEY, fitted, pool, K))(usual if pool is None else pool)


def gram(kernel):
    """The kernel matrix, [n, n], from features and Jacobians by autodiff."""
    fitted, pool = problem()
    features = np.asarray(MODEL.features(fitted.variables, pool.x))
    if kernel == "features":
        return features @ features.T
    if kernel == "last_layer":
        return 2 * (features @ features.T + 1) / 0.25  # two outputs
    jacobian = jax.jacobian(lambda params: MODEL.apply(fitted.variables._replace(params=params), pool.x))
    rows = np.concatenate(
        [np.asarray(x).reshape(N, 2, -1) for x in jax.tree.leaves(jacobian(fitted.variables.params))], 2
    )
    return np.einsum("ncp,mcp->nm", rows, rows) / 0.25


@pytest.mark.parametrize("kernel", ["features", "last_layer"])
def test_kernels_are_inner_products(kernel, close):
    factors = fisher.kernel(MODEL, LIKELIHOOD, kernel)(KEY, *problem())
    close(factors.inner(factors), gram(kernel))


def test_the_gradients_kernel_is_that_of_all_parameters_up_to_its_sketch():
    factors = jax.jit(fisher.kernel(MODEL, LIKELIHOOD, "gradient", sketch=4000))(KEY, *problem())
    exact = gram("gradient")
    scale = np.sqrt(np.outer(np.diag(exact), np.diag(exact)))
    assert np.max(np.abs(factors.inner(factors) - exact) / scale) < 5 * np.sqrt(2 / 4000)


def test_a_kernel_after_the_labelled_set_is_the_posterior_one(close):
    factors = fisher.kernel(MODEL, LIKELIHOOD, "features", prior_precision=0.5)(KEY, *problem())
    fitted, pool = problem()
    x = np.asarray(MODEL.features(fitted.variables, pool.x))
    known = x[list(LABELLED)]
    close(factors.inner(factors), x @ np.linalg.inv(0.5 * np.eye(4) + known.T @ known) @ x.T)


def largest_cluster_maximum_distance(k, chosen, available):
    distance, free = np.diag(k)[:, None] + np.diag(k)[None] - 2 * k, np.array(available)
    chosen = list(chosen)
    for _ in range(K):
        owner = np.array(chosen)[distance[:, chosen].argmin(axis=1)]
        nearest = distance[:, chosen].min(axis=1)
        sizes = {j: nearest[owner == j].sum() for j in chosen}
        worst = max(sizes, key=sizes.get)
        chosen.append(int(np.argmax(np.where(free & (owner == worst), nearest, -np.inf))))
        free[chosen[-1]] = False
    return chosen[-K:]


@pytest.mark.parametrize("kernel", ["features", "last_layer"])
def test_lcmd_is_the_published_algorithm_on_the_kernel_matrix(kernel):
    expected = largest_cluster_maximum_distance(gram(kernel), LABELLED, problem()[1].available)
    assert run(strategies.lcmd(MODEL, LIKELIHOOD, kernel=kernel)).indices.tolist() == expected


def test_lcmd_by_default_is_that_of_the_gradients():
    """A sketch so large that it changes no pick."""
    expected = largest_cluster_maximum_distance(gram("gradient"), LABELLED, problem()[1].available)
    batch = run(strategies.lcmd(MODEL, LIKELIHOOD, sketch=20000, chunk_size=2))
    assert batch.indices.tolist()[:3] == expected[:3]


def pivoted_cholesky(k, labelled, available, noise):
    """Always the largest conditional variance."""
    c, free, picks = k + noise * np.eye(N), np.array(available), []
    for i in labelled:
        c = c - np.outer(c[:, i], c[i]) / c[i, i]
    for _ in range(K):
        picks.append(int(np.argmax(np.where(free, np.diag(c), -np.inf))))
        c, free[picks[-1]] = c - np.outer(c[:, picks[-1]], c[picks[-1]]) / c[picks[-1], picks[-1]], False
    return picks


def test_max_det_is_the_pivoted_cholesky_factorisation():
    expected = pivoted_cholesky(gram("features"), LABELLED, problem()[1].available, 0.1)
    batch = run(strategies.max_det(MODEL, LIKELIHOOD, kernel="features", prior_precision=0.1))
    assert batch.indices.tolist() == expected


def test_max_det_of_the_last_layer_is_d_optimal():
    options = {"prior_precision": 0.7}
    one = run(strategies.max_det(MODEL, LIKELIHOOD, kernel="last_layer", **options))
    other = run(strategies.d_optimal(MODEL, LIKELIHOOD, **options))
    np.testing.assert_array_equal(one.indices, other.indices)
    np.testing.assert_allclose(one.gains, other.gains, rtol=1e-9)


def test_errors_say_what_to_do():
    with pytest.raises(ValueError, match="gradient, last_layer, features; got 'ntk'"):
        strategies.lcmd(MODEL, LIKELIHOOD, kernel="ntk")
    with pytest.raises(ValueError, match="size of its sketch"):
        strategies.lcmd(MODEL, LIKELIHOOD, sketch=None)
    with pytest.raises(ValueError, match=r"got 'evidence'.*d_optimal"):
        strategies.max_det(MODEL, LIKELIHOOD, prior_precision="evidence")
