"""BAIT against the authors' algorithm, written from its description in NumPy float64, every score by its definition."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import alfi
from alfi import likelihoods, strategies, testing

N, CLASSES, BATCH, PROBLEMS = 40, 4, 5, 20
MODEL, LIKELIHOOD = testing.network(CLASSES, hidden=5), likelihoods.categorical()
DTYPES = [np.float32, pytest.param(np.float64, marks=pytest.mark.slow)]


def official(outputs, features, labelled, batch_size, reference, prior_precision):
    """Forward to twice the batch and back, on ``V_i = [sqrt(p_y) (e_y - p)] (x) features_i`` with all c outputs."""
    n, c = outputs.shape
    p = np.exp(outputs - outputs.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    roots = np.sqrt(p)[:, :, None] * (np.eye(c) - p[:, None, :])  # [n, y, c]
    v = np.einsum("nyc,nd->nycd", roots, np.c_[features, np.ones(n)]).reshape(n, c, -1)
    each, count = np.einsum("nyp,nyq->npq", v, v), labelled.sum()
    target, known = each.mean(axis=0), each[labelled].mean(axis=0)
    if reference:
        m = prior_precision * np.eye(v.shape[2]) + known * count / (count + batch_size)
        new = each * batch_size / (count + batch_size)
    else:
        m, new = prior_precision * np.eye(v.shape[2]) + known * count, each

    def variance(m):
        return np.trace(np.linalg.inv(m) @ target, axis1=-2, axis2=-1)

    picks = []
    for _ in range(2 * batch_size):
        left = variance(m + new)
        left[labelled] = np.inf
        left[picks] = np.inf
        picks.append(int(np.argmin(left)))
        m = m + new[picks[-1]]
    for _ in range(batch_size):
        out = int(np.argmin(variance(m - new[picks])))
        m = m - new[picks.pop(out)]
    return picks


@functools.partial(jax.jit, static_argnames="weighting")
def select(fitted, pool, prior_precision, weighting):
    strategy = strategies.bait(MODEL, LIKELIHOOD, prior_precision=lambda *_: prior_precision, weighting=weighting)
    return strategy.select(jax.random.key(0), fitted, pool, BATCH)


@functools.cache
def problems():
    """Twenty networks and pools of float32 numbers, with outputs of moderate size."""
    init = jax.jit(MODEL.init)
    found = []
    for seed in range(PROBLEMS):
        x = testing.normal(jax.random.key(seed), (N, 6), np.float32)
        variables = init(jax.random.key(100 + seed), x)
        labelled = np.isin(np.arange(N), np.random.default_rng(seed).choice(N, 7, replace=False))
        found.append((x, jax.tree.map(lambda leaf: leaf.astype(np.float32), variables), labelled))
    return found


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("weighting", ["sum", "reference"])
def test_picks_are_those_of_the_official_algorithm(weighting, dtype):
    different = 0
    for x, variables, labelled in problems():
        double = jax.tree.map(lambda leaf: np.asarray(leaf, float), (x, variables))
        outputs, features = MODEL.apply(double[1], double[0]), MODEL.features(double[1], double[0])
        arguments = np.asarray(outputs), np.asarray(features), labelled, BATCH
        expected = official(*arguments, weighting == "reference", 0.3)
        different += set(expected) != set(official(*arguments, weighting != "reference", 0.3))
        one, fitted = jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype), (x, alfi.Fitted(variables)))
        batch = select(fitted, alfi.pool(one, labelled=jnp.asarray(labelled)), dtype(0.3), weighting)
        assert batch.indices.tolist() == expected
    assert different  # or the two weightings were not told apart


def test_another_weighting_is_refused():
    with pytest.raises(ValueError, match="'sum' or 'reference'; got 'mean'"):
        strategies.bait(MODEL, LIKELIHOOD, weighting="mean")
