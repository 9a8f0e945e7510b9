"""The strategies of optimal design against brute force in NumPy, from the definition of the Fisher information."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

import alfi
from alfi import criteria, fisher, likelihoods, strategies, testing

N, C, K, LABELLED = 22, 3, 4, (0, 3, 9)
MODEL, LIKELIHOOD = testing.network(C), likelihoods.categorical()


@functools.cache
def problem(seed=0, labelled=LABELLED, outputs=C):
    model = testing.network(outputs)
    pool = alfi.pool(testing.normal(jax.random.key(seed), (N, 5)), labelled=list(labelled))
    shapes = jax.eval_shape(model.init, jax.random.key(0), pool.x)
    variables = jax.tree.map(lambda leaf: testing.normal(jax.random.key(seed + 1), leaf.shape), shapes)
    return alfi.Fitted(variables), pool


def run(strategy, fitted, pool, size=K):
    return jax.jit(lambda fitted, pool: strategy.select(jax.random.key(0), fitted, pool, size))(fitted, pool)


def predictions(seed=0):
    fitted, pool = problem(seed)
    f = np.asarray(MODEL.apply(fitted.variables, pool.x))
    features = np.asarray(MODEL.features(fitted.variables, pool.x))
    return np.exp(f) / np.exp(f).sum(axis=1, keepdims=True), np.c_[features, np.ones(N)]


def authors_bait(p, x, labelled, available, k, prior):
    """The authors' algorithm step by step: c columns an example, running means, inverses from scratch."""
    n, c = p.shape
    roots = np.sqrt(p)[:, None, :] * (np.eye(c)[None] - p[:, :, None])  # column y is sqrt(p_y) (e_y - p)
    v = np.einsum("nky,nd->nkdy", roots, x).reshape(n, -1, c)
    each = v @ v.transpose(0, 2, 1)
    f, known, l = each.mean(axis=0), each[labelled].mean(axis=0), len(labelled)
    m = prior * np.eye(len(f)) + known * l / (l + k)
    each = each * k / (l + k)
    value = testing.minus_variance(f)
    chosen, free = [], np.array(available)
    for _ in range(2 * k):
        chosen.append(int(np.argmax(np.where(free, value(m + each), -np.inf))))
        m, free[chosen[-1]] = m + each[chosen[-1]], False
    for _ in range(k):
        out = int(np.argmax(value(m - each[chosen])))
        m = m - each[chosen.pop(out)]
    return chosen


@pytest.mark.parametrize("seed", [2, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (0, 4, 6, 8, 10, 12))])
def test_bait_with_reference_weights_is_the_authors_algorithm(seed):
    fitted, pool = problem(seed)
    expected = authors_bait(*predictions(seed), list(LABELLED), pool.available, K, 1.0)
    batch = run(strategies.bait(MODEL, LIKELIHOOD, weighting="reference"), fitted, pool)
    assert sorted(batch.indices.tolist()) == sorted(expected)
    if seed == 2:
        ordinary = run(strategies.bait(MODEL, LIKELIHOOD), fitted, pool)
        assert set(ordinary.indices.tolist()) != set(expected)  # so the weights matter here


def test_bait_refuses_other_weights():
    with pytest.raises(ValueError, match="'sum' or 'reference'; got 'mean'"):
        strategies.bait(MODEL, LIKELIHOOD, weighting="mean")


def softmax_fisher():
    """``A_i`` [n, c, q d] with ``A_i^T A_i`` that of the last layer, in contrasts from a QR factorisation."""
    p, x = predictions()
    roots = np.sqrt(p)[:, :, None] * (np.eye(C)[None] - p[:, None, :])  # row y
    basis = np.linalg.qr(np.c_[np.ones(C), np.eye(C)[:, 1:]])[0][:, 1:]
    return np.einsum("nyk,nd->nykd", roots @ basis, x).reshape(N, C, -1)


@pytest.mark.parametrize(
    ("name", "options", "value"),
    [
        ("a_optimal", {}, lambda m: -np.trace(np.linalg.inv(m), axis1=-2, axis2=-1)),
        ("phi_p", {"exponent": 3.0}, lambda m: -(np.mean(np.linalg.eigvalsh(m) ** -3.0, axis=-1) ** (1 / 3))),
    ],
)
def test_designs_are_greedy_in_their_function_of_the_information(name, options, value):
    array = softmax_fisher()
    start = testing.information(array, np.isin(np.arange(N), LABELLED), 0.3)
    picks, gains = testing.greedy(value, start, array, problem()[1].available, K)
    batch = run(getattr(strategies, name)(MODEL, LIKELIHOOD, prior_precision=0.3, **options), *problem())
    assert batch.indices.tolist() == picks
    np.testing.assert_allclose(batch.gains, gains, rtol=1e-7)


@pytest.mark.slow
@pytest.mark.parametrize("labelled", [(), pytest.param((0,), marks=pytest.mark.slow), LABELLED, tuple(range(8))])
def test_e_optimal_raises_the_smallest_eigenvalue_that_can_be_raised(labelled):
    """By comparing all eigenvalues, from the smallest on."""
    array, pool = softmax_fisher(), problem(labelled=labelled)[1]
    m = testing.information(array, np.isin(np.arange(N), labelled), 0.3)
    free, picks, each = np.array(pool.available), [], testing.fisher(array)
    for _ in range(K):
        changes = np.linalg.eigvalsh(m + each) - np.linalg.eigvalsh(m)
        first = np.argmax((changes[free] > 1e-9).any(axis=0))
        picks.append(int(np.argmax(np.where(free, changes[:, first], -np.inf))))
        m, free[picks[-1]] = m + each[picks[-1]], False
    batch = run(strategies.e_optimal(MODEL, LIKELIHOOD, prior_precision=0.3), problem()[0], pool)
    assert batch.indices.tolist() == picks
    assert np.all(np.asarray(batch.gains) > 0)
    if len(labelled) == 8:  # every direction has been seen: E-optimality itself
        factors = fisher.last_layer(MODEL, LIKELIHOOD)(jax.random.key(0), *problem())
        criterion, weights = criteria.e_optimal(prior_precision=0.3), pool.labelled.astype(float)
        assert alfi.select(criterion, factors, K, weights=weights).indices.tolist() == picks


@pytest.mark.slow
def test_more_parameters_than_the_sketch_are_projected():
    factor_fn = fisher.last_layer(MODEL, LIKELIHOOD)  # 10 parameters
    assert isinstance(fisher.sketch_above(factor_fn, 10)(jax.random.key(0), *problem()), fisher.LastLayerFactors)
    assert fisher.sketch_above(factor_fn, 9)(jax.random.key(0), *problem()).p == 9
    draws = [
        strategies.e_optimal(MODEL, LIKELIHOOD, sketch=2, prior_precision=1.0).select(key, *problem(), K).indices
        for key in jax.random.split(jax.random.key(0), 3)
    ]
    assert len({tuple(draw.tolist()) for draw in draws}) > 1


def expected_lengths(model, fitted, x, part):
    """From the gradient of every label's log-probability, by autodiff."""

    def length(row, y):
        def log_prob(params):
            return LIKELIHOOD.log_prob(model.apply(fitted.variables._replace(params=params), row[None])[0], y)

        return jnp.linalg.norm(ravel_pytree(part(jax.grad(log_prob)(fitted.variables.params)))[0])

    each = jax.vmap(lambda row: jax.vmap(lambda y: length(row, y))(jnp.arange(C)))(x)
    return np.sum(jax.nn.softmax(model.apply(fitted.variables, x)) * each, axis=1)


def test_expected_gradient_length_is_that_of_the_labels_gradients():
    fitted, pool = problem()
    lengths = expected_lengths(MODEL, fitted, pool.x, lambda grads: grads["head"])
    batch = run(strategies.expected_gradient_length(MODEL, LIKELIHOOD), fitted, pool)
    order = np.argsort(np.where(pool.available, -lengths, np.inf))[:K]
    np.testing.assert_array_equal(batch.indices, order)
    np.testing.assert_allclose(batch.gains, lengths[order], rtol=1e-9)


def test_expected_gradient_length_of_the_whole_network_by_a_sketch():
    fitted, pool = problem()
    lengths = expected_lengths(MODEL, fitted, pool.x, lambda grads: grads)
    batch = run(strategies.expected_gradient_length(MODEL, LIKELIHOOD, sketch=4000), fitted, pool)
    np.testing.assert_allclose(batch.gains, lengths[np.asarray(batch.indices)], rtol=0.06)


def test_expected_gradient_length_of_real_labels_is_the_root_of_the_trace():
    fitted, pool = problem(outputs=1)
    model = testing.network(1)
    batch = run(strategies.expected_gradient_length(model, likelihoods.gaussian(0.5)), fitted, pool)
    features = np.c_[np.asarray(model.features(fitted.variables, pool.x)), np.ones(N)]
    lengths = np.linalg.norm(features, axis=1) / 0.5
    np.testing.assert_allclose(batch.gains, np.sort(lengths[np.asarray(pool.available)])[::-1][:K])


@pytest.mark.slow
@pytest.mark.parametrize("method", ["multiplicative", "mirror"])
def test_firal_is_nearly_as_good_as_the_best_swap(method):
    """Its objective, and no batch of the pool is better by more than its own search leaves."""
    fitted, pool = problem()
    array = softmax_fisher()
    start = testing.information(array, np.isin(np.arange(N), LABELLED), 0.3)
    each, value = testing.fisher(array), testing.minus_variance(testing.fisher(array).mean(axis=0))
    batch = run(strategies.firal(MODEL, LIKELIHOOD, prior_precision=0.3, method=method), fitted, pool)
    best, _ = testing.greedy(value, start, array, pool.available, K)
    rng, free = np.random.default_rng(0), np.flatnonzero(pool.available)
    random = np.mean([value(start + each[rng.choice(free, K, replace=False)].sum(axis=0)) for _ in range(200)])
    found, greedy = (value(start + each[np.asarray(rows)].sum(axis=0)) for rows in (batch.indices, best))
    assert found > greedy + 0.1 * (random - greedy)


def test_approximate_firal_is_between_random_and_the_best():
    fitted, pool = problem()
    array = softmax_fisher()
    start = testing.information(array, np.isin(np.arange(N), LABELLED), 0.3)
    each, value = testing.fisher(array), testing.minus_variance(testing.fisher(array).mean(axis=0))
    batch = run(strategies.approx_firal(MODEL, LIKELIHOOD, prior_precision=0.3, probes=40), fitted, pool)
    best, _ = testing.greedy(value, start, array, pool.available, K)
    rng, free = np.random.default_rng(0), np.flatnonzero(pool.available)
    random = np.mean([value(start + each[rng.choice(free, K, replace=False)].sum(axis=0)) for _ in range(200)])
    found, greedy = (value(start + each[np.asarray(rows)].sum(axis=0)) for rows in (batch.indices, best))
    assert found > greedy + 0.3 * (random - greedy)


def test_approximate_firal_refuses_what_it_cannot_do():
    with pytest.raises(ValueError, match="positive number or a function; got 'evidence'"):
        strategies.approx_firal(MODEL, LIKELIHOOD, prior_precision="evidence")
    with pytest.raises(ValueError, match="probes=0"):
        strategies.approx_firal(MODEL, LIKELIHOOD, probes=0)
    with pytest.raises(ValueError, match="categorical"):
        strategies.approx_firal(testing.network(1), likelihoods.gaussian())
