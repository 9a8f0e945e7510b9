"""MedAL against NumPy: the most uncertain, and of those the farthest on average."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.distance import cdist

import alfi
from alfi import likelihoods, strategies
from alfi.criteria import distances

N, BATCH, LABELLED = 60, 6, [0, 1, 2, 7]
MODEL, LIKELIHOOD = alfi.models.mlp(4, hidden=(9, 5)), likelihoods.categorical()


@functools.cache
def problem():
    x = jax.random.normal(jax.random.key(0), (N, 3))
    pool = alfi.pool(x, jnp.zeros(N, int), labelled=jnp.isin(jnp.arange(N), jnp.array(LABELLED)))
    fitted = alfi.Fitted(MODEL.init(jax.random.key(1), x))
    logits = np.asarray(MODEL.apply(fitted.variables, x), float)
    p = np.exp(logits - logits.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    taps = {name: np.asarray(tap, float) for name, tap in MODEL.taps(fitted.variables, x).items()}
    return pool, fitted, -(p * np.log(p)).sum(1), taps


def pick(strategy):
    pool, fitted, _, _ = problem()
    return jax.jit(strategy.select, static_argnums=3)(jax.random.key(2), fitted, pool, BATCH).indices.tolist()


def reference(oversample, layer, metric, reduce, update):
    _, _, entropy, taps = problem()
    free = np.setdiff1d(np.arange(N), LABELLED)
    few = free[np.argsort(-entropy[free], kind="stable")][: math.ceil(oversample * BATCH)]
    chosen, picks = list(LABELLED), []
    for _ in range(BATCH):
        distance = reduce(cdist(taps[layer], taps[layer][chosen if update else LABELLED], metric), axis=1)
        best = max((i for i in sorted(few) if i not in picks), key=lambda i: distance[i])
        chosen.append(best)
        picks.append(int(best))
    return picks


@pytest.mark.parametrize(
    ("oversample", "layer", "metric", "reduce", "update"),
    [
        (2.5, "hidden_2", "euclidean", "mean", True),
        (2.5, "hidden_2", "euclidean", "min", True),
        (2.5, "hidden_2", "euclidean", "mean", False),
        (4.0, "hidden_1", "cityblock", "mean", True),
    ],
)
def test_equals_numpy(oversample, layer, metric, reduce, update):
    options = {"oversample": oversample, "layer": layer, "reduce": reduce, "update": update}
    distance = distances.city_block if metric == "cityblock" else distances.euclidean
    strategy = strategies.medal(MODEL, LIKELIHOOD, distance=distance, **options)
    assert pick(strategy) == reference(oversample, layer, metric, {"mean": np.mean, "min": np.min}[reduce], update)


def test_as_many_candidates_as_picks_is_entropy():
    assert set(pick(strategies.medal(MODEL, LIKELIHOOD, oversample=1))) == set(
        pick(strategies.entropy(MODEL, LIKELIHOOD))
    )


def test_the_whole_pool_as_candidates_is_pure_distance():
    nearest = strategies.medal(MODEL, LIKELIHOOD, oversample=N, reduce="min")
    assert pick(nearest) == pick(strategies.core_set(MODEL, LIKELIHOOD))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"reduce": "median"}, "reduce"),
        ({"oversample": 0.5}, "oversample"),
        ({"oversample": float("nan")}, "oversample"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        strategies.medal(MODEL, LIKELIHOOD, **options)


def test_a_layer_that_is_not_there():
    pool, fitted, _, _ = problem()
    with pytest.raises(ValueError, match=r"no layer 'mixed5'; its taps are hidden_1, hidden_2"):
        strategies.medal(MODEL, LIKELIHOOD, layer="mixed5").select(jax.random.key(0), fitted, pool, 2)
    bare = MODEL._replace(taps=None)
    with pytest.raises(ValueError, match="has no taps"):
        strategies.medal(bare, LIKELIHOOD, layer="mixed5")
