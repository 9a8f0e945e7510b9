"""Greedy D- and V-design in float32 against brute force in NumPy float64, on problems of the size that users have.

The brute force knows nothing of incremental state: before every pick it inverts the information of what was picked.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import alfi
from alfi import criteria, fisher, likelihoods, models, selection, testing, training

CRITERIA = {"d_optimal": criteria.d_optimal, "v_optimal": criteria.v_optimal}
LIKELIHOOD = likelihoods.categorical()
N, WIDTH, CLASSES = 2000, 64, 5
slow = pytest.mark.slow


def brute_force(name, array, labelled, prior_precision, batch_size):
    """The picks; every gain of every step from the inverse of the information before it."""
    n, r, p = array.shape
    rows, free = array.reshape(n * r, p), ~labelled
    target = rows.T @ rows / n
    m = prior_precision * np.eye(p) + np.einsum("nrp,nrq->pq", array[labelled], array[labelled])
    picks = []
    for _ in range(batch_size):
        spread = (rows @ np.linalg.inv(m)).reshape(n, r, p)
        after = np.eye(r) + spread @ array.transpose(0, 2, 1)
        if name == "d_optimal":
            gains = np.linalg.slogdet(after)[1]
        else:
            there = (spread.reshape(n * r, p) @ target).reshape(n, r, p) @ spread.transpose(0, 2, 1)
            gains = np.trace(np.linalg.solve(after, there), axis1=1, axis2=2)
        picks.append(int(np.argmax(np.where(free, gains, -np.inf))))
        free[picks[-1]] = False
        m = m + array[picks[-1]].T @ array[picks[-1]]
    return picks


def value(name, array, chosen, prior_precision):
    m = total_information(array[chosen], prior_precision)
    if name == "d_optimal":
        return np.linalg.slogdet(m)[1]
    return -np.trace(np.linalg.solve(m, total_information(array, 0.0) / len(array)))


def total_information(array, prior_precision):
    rows = array.reshape(-1, array.shape[2])
    return prior_precision * np.eye(rows.shape[1]) + rows.T @ rows


@functools.partial(jax.jit, static_argnames="batch_size")
def greedy(criterion, data, weights, batch_size):
    population = jnp.ones_like(weights)
    return selection.greedy()(
        jax.random.key(0), criterion, data, weights, weights == 0, batch_size, population=population
    )


def in_float32(name, data, labelled, prior_precision, batch_size):
    weights = jnp.asarray(labelled, np.float32)
    batch = greedy(CRITERIA[name](prior_precision=prior_precision), data, weights, batch_size)
    assert batch.gains.dtype == np.float32
    return batch.indices.tolist()


@jax.jit
def factors(logits, features):
    """A last layer of float32 numbers, in contrasts; the features have their bias."""
    roots = jax.vmap(lambda f: (LIKELIHOOD.contrasts(CLASSES).T @ LIKELIHOOD.fisher_factor(f)).T)(logits)
    return fisher.LastLayerFactors(roots[:, None].astype(np.float32), features[:, None].astype(np.float32))


def ordinary(seed):
    rng = np.random.default_rng(seed)
    features = np.c_[rng.standard_normal((N, WIDTH - 1)), np.ones(N)]
    return factors(features @ rng.standard_normal((WIDTH, CLASSES)) * 2 / np.sqrt(WIDTH), features)


def hard(seed):
    """Correlated ReLU features with scales 1/k: an ill-conditioned information."""
    rng = np.random.default_rng(seed)
    common = rng.standard_normal((N, 16)) @ rng.standard_normal((16, WIDTH)) / 4
    units = np.maximum(common + 0.3 * rng.standard_normal((N, WIDTH)), 0) / np.arange(1, WIDTH + 1)
    features = np.c_[units, np.ones(N)]
    scale = 2 / np.sqrt((features**2).sum(axis=1).mean())
    return factors(features @ rng.standard_normal((WIDTH + 1, CLASSES)) * scale, features)


@functools.cache
def saturated(seed):
    """The last layer of a network that has fitted a hundred digits, and of all digits."""
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(seed).permutation(len(x))
    x, y = jnp.asarray(x[order] / 16, np.float32), jnp.asarray(y[order])
    model = models.mlp(10, hidden=(64, 32))
    train = jax.jit(training.until_fitted(model, LIKELIHOOD))
    trained = train(jax.random.key(seed), model.init(jax.random.key(seed + 100), x), x, y, jnp.arange(100), 100)
    assert trained.accuracy == 1
    data = fisher.last_layer(model, LIKELIHOOD)(jax.random.key(0), alfi.Fitted(trained.variables), alfi.pool(x))
    return jax.tree.map(lambda leaf: leaf.astype(np.float32), data)


def lost(name, array, labelled, prior_precision, picks, best):
    """The share of the batch's gain that picks miss."""
    before = value(name, array, labelled, prior_precision)
    held = np.flatnonzero(labelled)
    gain, most = (value(name, array, [*held, *batch], prior_precision) - before for batch in (picks, best))
    return 1 - gain / most


def cases(seeds, tried):
    return pytest.mark.parametrize(
        ("name", "seed"),
        [
            pytest.param(name, seed, marks=() if seed == 0 and name in tried else slow)
            for name in CRITERIA
            for seed in range(seeds)
        ],
    )


@pytest.mark.slow
@cases(20, CRITERIA)
def test_the_same_fifty_of_two_thousand(name, seed):
    data, labelled = ordinary(seed), np.arange(N) < 20
    expected = brute_force(name, testing.write_out(data), labelled, 1.0, 50)
    assert in_float32(name, data, labelled, 1.0, 50) == expected


@cases(5, ())
@pytest.mark.parametrize("labels", [0, 20])
def test_the_same_hundred_where_features_are_correlated(name, seed, labels):
    data, labelled = hard(seed), np.arange(N) < labels
    expected = brute_force(name, testing.write_out(data), labelled, 1e-2, 100)
    assert in_float32(name, data, labelled, 1e-2, 100) == expected


@cases(5, ())
@pytest.mark.parametrize("labels", [0, 20])
def test_a_hundred_as_good_under_a_weak_prior(name, seed, labels):
    data, labelled = hard(seed), np.arange(N) < labels
    array = testing.write_out(data)
    expected = brute_force(name, array, labelled, 1e-4, 100)
    picks = in_float32(name, data, labelled, 1e-4, 100)
    assert abs(lost(name, array, labelled, 1e-4, picks, expected)) < 1e-4


@cases(3, ())
@pytest.mark.parametrize("prior_precision", [1.0, 1e-2, 1e-4])
def test_as_good_where_a_network_has_fitted_its_labels(name, seed, prior_precision):
    data = saturated(seed)
    labelled = np.arange(data.n) < 100
    array = testing.write_out(data)
    expected = brute_force(name, array, labelled, prior_precision, 30)
    picks = in_float32(name, data, labelled, prior_precision, 30)
    assert abs(lost(name, array, labelled, prior_precision, picks, expected)) < 1e-4
