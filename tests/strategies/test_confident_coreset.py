"""Confident Coreset against NumPy (Algorithm 1) and against what it becomes at the ends of its parameters."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.stats import rankdata

import alfi
from alfi import criteria, likelihoods, selection, strategies

N, BATCH, LABELLED = 60, 7, [0, 1, 2, 7]
MODEL, LIKELIHOOD = alfi.models.mlp(4, hidden=(9, 5)), likelihoods.categorical()


@functools.cache
def problem():
    x = jax.random.normal(jax.random.key(0), (N, 3))
    pool = alfi.pool(x, jnp.zeros(N, int), labelled=jnp.isin(jnp.arange(N), jnp.array(LABELLED)))
    fitted = alfi.Fitted(MODEL.init(jax.random.key(1), x))
    scores = jax.random.uniform(jax.random.key(3), (N,))
    return pool, fitted, scores, np.asarray(MODEL.features(fitted.variables, x), float)


def losses(key, fitted, pool):
    return problem()[2]


def pick(groups=None, batch_size=BATCH, **options):
    pool, fitted, _, _ = problem()
    options = {"uncertainty": losses, **options}
    strategy = strategies.confident_coreset(MODEL, LIKELIHOOD, **options)
    pool = pool._replace(groups=groups)
    return jax.jit(strategy.select, static_argnums=3)(jax.random.key(2), fitted, pool, batch_size).indices.tolist()


def reference(fuse, batch_size=BATCH, start=LABELLED, update=True):
    _, _, scores, features = problem()
    distances, chosen = cdist(features, features), list(start)
    picks = []
    for _ in range(batch_size):
        free = np.setdiff1d(np.arange(N), chosen if update else start)
        nearest = distances[:, chosen if update else start].min(axis=1)
        fused = fuse(nearest[free], np.asarray(scores, float)[free])
        order = [i for i in np.argsort(-fused, kind="stable") if free[i] not in picks]
        picks.append(int(free[order[0]]))
        chosen.append(picks[-1])
    return picks


def scale(values):
    low, high = values.min(), values.max()
    return (values - low) / (high - low) if high > low else np.ones_like(values)


@pytest.mark.parametrize("alpha", [0.0, 0.25, 0.5, 1.0])
def test_the_product_equals_numpy(alpha):
    assert pick(alpha=alpha) == reference(lambda d, g: scale(d) ** alpha * scale(g) ** (1 - alpha))


def test_the_sum_equals_numpy():
    assert pick(fusion="sum") == reference(lambda d, g: scale(d) + scale(g))


def test_ranks_equal_numpy():
    assert pick(fusion="rank") == reference(lambda d, g: rankdata(d) + rankdata(g), update=False)


def test_sequential_equals_numpy():
    by_score = reference(lambda d, g: g, BATCH // 2)
    assert pick(fusion="sequential") == by_score + reference(lambda d, g: d, BATCH - BATCH // 2, LABELLED + by_score)


def test_alpha_one_is_k_center_and_alpha_zero_is_the_top_of_the_scores():
    pool, fitted, scores, _ = problem()
    core_set = strategies.core_set(MODEL, LIKELIHOOD).select(jax.random.key(0), fitted, pool, BATCH)
    assert pick(alpha=1.0) == core_set.indices.tolist()
    top = alfi.select(criteria.score(), scores, BATCH, rule=selection.top_k(), weights=pool.labelled)
    assert pick(alpha=0.0) == top.indices.tolist()


def test_a_constant_score_is_k_center():
    constant = pick(uncertainty=lambda key, fitted, pool: jnp.full(N, 0.3), alpha=0.25)
    assert constant == pick(alpha=1.0)


@pytest.mark.parametrize("fusion", ["product", "rank", "sequential"])
@pytest.mark.slow
def test_one_pick_of_a_group(fusion):
    groups = jnp.arange(N) // 6
    picks = np.asarray(pick(groups=groups, fusion=fusion))
    assert len(set(picks // 6)) == BATCH


def test_a_batch_of_one():
    assert pick(batch_size=1, fusion="sequential") == pick(batch_size=1, alpha=1.0)


@pytest.mark.parametrize(
    ("options", "message"), [({"alpha": 1.5}, "alpha"), ({"fusion": "mean"}, "product, sum, rank")]
)
def test_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        pick(**options)
