"""Rules against brute force: greedy and forward-backward step by step, sampling against enumerated probabilities."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from alfi import criteria, selection, testing

# name: (criterion, target -> objective in NumPy)
CRITERIA = {
    "d_optimal": (criteria.d_optimal, lambda target: testing.log_det),
    "v_optimal": (criteria.v_optimal, testing.minus_variance),
}
criterion = pytest.mark.parametrize("name", CRITERIA)
PROBLEMS, N, BATCH = 20, 30, 6
WEIGHTS = (np.arange(N) < 3) * 1.0
AVAILABLE = np.arange(N) > 4


@functools.cache
def problems():
    """Last layers of twenty seeds, with a leading axis."""
    each = [testing.last_layer(jax.random.key(seed), N, 2, 3, 2) for seed in range(PROBLEMS)]
    return each, jax.tree.map(lambda *x: jnp.stack(x), *each)


@functools.partial(jax.jit, static_argnames="rule")
def solve(rule, criterion, data, **options):
    def one(data):
        return rule(
            jax.random.key(0), criterion, data, jnp.asarray(WEIGHTS), jnp.asarray(AVAILABLE), BATCH,
            population=jnp.ones(N), **options,
        )  # fmt: skip

    return jax.vmap(one)(data)


def starting_point(name, data):
    array = testing.write_out(data)
    objective = CRITERIA[name][1](testing.information(array, np.ones(N) / N))
    return objective, testing.information(array, WEIGHTS, 0.5), array, AVAILABLE, BATCH


@criterion
@pytest.mark.parametrize(
    "options",
    [{}, {"groups": np.arange(N) // 3, "costs": 1 + np.cos(np.arange(N)) ** 2}],
    ids=["plain", "groups and costs"],
)
def test_greedy_is_the_best_of_all_in_every_step(name, options):
    each, together = problems()
    options = {key: jnp.asarray(value) for key, value in options.items()}
    batch = solve(selection.greedy(), CRITERIA[name][0](prior_precision=0.5), together, **options)
    for data, indices, gains in zip(each, batch.indices, batch.gains, strict=True):
        picks, expected = testing.greedy(*starting_point(name, data), **options)
        assert indices.tolist() == picks
        np.testing.assert_allclose(gains, expected, rtol=1e-8)


@criterion
def test_forward_backward_is_bait_with_one_weight_for_every_point(name):
    each, together = problems()
    batch = solve(selection.forward_backward(), CRITERIA[name][0](prior_precision=0.5), together)
    pruned = 0
    for data, indices in zip(each, batch.indices, strict=True):
        expected = testing.forward_backward(*starting_point(name, data))
        assert indices.tolist() == expected
        pruned += expected != testing.greedy(*starting_point(name, data))[0]
    assert pruned  # or the backward pass was not tested


@criterion
def test_gains_of_forward_backward_are_what_is_lost_without_the_point(name):
    each, together = problems()
    batch = solve(selection.forward_backward(), CRITERIA[name][0](prior_precision=0.5), together)
    value, start, array, *_ = starting_point(name, each[0])
    chosen = np.asarray(batch.indices[0])
    full = start + testing.fisher(array)[chosen].sum(axis=0)
    np.testing.assert_allclose(batch.gains[0], value(full) - value(full - testing.fisher(array)[chosen]), rtol=1e-8)


def test_greedy_distances_are_k_center():
    each, together = problems()
    batch = solve(selection.greedy(), criteria.min_distance(), together)
    for data, indices in zip(each, batch.indices, strict=True):
        expected = testing.k_center(testing.write_out(data), np.flatnonzero(WEIGHTS), AVAILABLE, BATCH)
        assert indices.tolist() == expected


def test_top_k_is_a_sort():
    scores = testing.normal(jax.random.key(1), (PROBLEMS, N))
    batch = solve(selection.top_k(), criteria.score(), scores)
    order = np.argsort(np.where(AVAILABLE, -np.asarray(scores), np.inf), axis=1)
    np.testing.assert_array_equal(batch.indices, order[:, :BATCH])


@pytest.mark.parametrize("start", [[], [2]], ids=["empty", "labelled"])
def test_samples_have_the_probabilities_of_k_means_plus_plus(start):
    """Ordered pairs of draws from a pool of seven, one of them never available: a chi-square test."""
    n, draws = 7, 20_000
    data = testing.last_layer(jax.random.key(0), n, 1, 3, 2)
    weights, available = np.isin(np.arange(n), start) * 1.0, ~np.isin(np.arange(n), [*start, 4])

    @jax.jit
    @jax.vmap
    def draw(key):
        return selection.sample()(
            key, criteria.min_distance(), data, jnp.asarray(weights), jnp.asarray(available), 2, population=jnp.ones(n)
        ).indices

    pairs = np.asarray(draw(jax.random.split(jax.random.key(1), draws)))
    counts = np.zeros((n, n))
    np.add.at(counts, tuple(pairs.T), 1)
    expected = draws * testing.d2_probabilities(testing.write_out(data), start, available)
    assert np.all(counts[expected == 0] == 0)
    possible = expected > 0
    assert stats.chisquare(counts[possible], expected[possible]).pvalue > 1e-4


@pytest.mark.parametrize("power", [0.0, 2.0])
def test_power_of_a_sampled_gain(power):
    gains = jnp.array([1.0, 3.0, 2.0, 4.0])
    keys = jax.random.split(jax.random.key(3), 20_000)
    available = jnp.array([True, True, True, False])

    def draw(key):
        return selection.sample(power)(
            key, criteria.score(), gains, jnp.zeros(4), available, 1, population=jnp.ones(4)
        ).indices[0]

    counts = np.bincount(jax.jit(jax.vmap(draw))(keys), minlength=5)
    expected = np.array([1.0, 3.0, 2.0]) ** power
    assert counts[3:].sum() == 0
    assert stats.chisquare(counts[:3], len(keys) * expected / expected.sum()).pvalue > 1e-4


def test_sample_prefers_any_positive_gain_and_is_uniform_when_there_is_none():
    keys = jax.random.split(jax.random.key(3), 4_000)

    @jax.jit
    def draw(gains):
        def one(key):
            return selection.sample()(
                key, criteria.score(), gains, jnp.zeros(4), jnp.ones(4, bool), 2, population=jnp.ones(4)
            ).indices

        return jax.vmap(one)(keys)

    picks = np.asarray(draw(jnp.array([-1.0, 1e-30, 0.0, -5.0])))
    assert np.all(picks[:, 0] == 1)
    assert stats.chisquare(np.bincount(picks[:, 1], minlength=4)[[0, 2, 3]]).pvalue > 1e-4
