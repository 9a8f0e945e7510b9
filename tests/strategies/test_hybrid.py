"""One strategy early, another one late, in one program; and ensembles, which are trained in ``fit``."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import alfi
from alfi import likelihoods, strategies, testing
from alfi.typing import Strategy

N, K = 20, 3
MODEL, LIKELIHOOD = testing.network(3), likelihoods.categorical()
KEY = jax.random.key(0)


@functools.cache
def problem():
    pool = alfi.pool(testing.normal(jax.random.key(1), (N, 5)), labelled=[0, 3])
    shapes = jax.eval_shape(MODEL.init, KEY, pool.x)
    return alfi.Fitted(jax.tree.map(lambda leaf: testing.normal(jax.random.key(2), leaf.shape), shapes)), pool


def with_labels(pool, count):
    labelled = jnp.arange(N) < count
    return pool._replace(labelled=labelled, available=~labelled)


def test_hybrid_changes_at_its_count_of_labels_without_compiling_again():
    fitted, pool = problem()
    strategy = strategies.hybrid(MODEL, LIKELIHOOD, labels=5)
    compiled = jax.jit(lambda pool: strategy.select(KEY, strategy.fit(KEY, fitted, pool), pool, K))
    for count, stage in (
        (2, strategies.core_set),
        (4, strategies.core_set),
        (5, strategies.margin),
        (9, strategies.margin),
    ):
        seen = with_labels(pool, count)
        batch, expected = compiled(seen), stage(MODEL, LIKELIHOOD).select(KEY, fitted, seen, K)
        np.testing.assert_array_equal(batch.indices, expected.indices)
        np.testing.assert_allclose(batch.gains, expected.gains)
    assert compiled._cache_size() == 1


def taught(name, offset):
    """A strategy whose ``fit`` learns something of a shape of its own, and which picks by it."""

    def fit(key, fitted, pool):
        return fitted._replace(extra={name: jnp.arange(offset, offset + N)})

    def select(key, fitted, pool, batch_size):
        return alfi.Selection(fitted.extra[name][:batch_size], jnp.zeros(batch_size, jnp.float32))

    return lambda model, likelihood: Strategy(fit, select)


def test_each_stage_of_a_hybrid_finds_what_it_learnt():
    fitted, pool = problem()
    strategy = strategies.hybrid(MODEL, LIKELIHOOD, early=taught("a", 1), late=taught("b", 7), labels=3)
    compiled = jax.jit(lambda pool: strategy.select(KEY, strategy.fit(KEY, fitted, pool), pool, K))
    assert compiled(with_labels(pool, 2)).indices.tolist() == [1, 2, 3]
    assert compiled(with_labels(pool, 3)).indices.tolist() == [7, 8, 9]


@pytest.mark.slow
def test_a_hybrid_of_hybrids_under_vmap():
    fitted, pool = problem()
    later = functools.partial(strategies.hybrid, early=taught("b", 4), late=taught("c", 7), labels=6)
    strategy = strategies.hybrid(MODEL, LIKELIHOOD, early=taught("a", 1), late=later, labels=3)
    pools = jax.tree.map(lambda *leaves: jnp.stack(leaves), *(with_labels(pool, count) for count in (2, 4, 8)))
    select = jax.vmap(lambda pool: strategy.select(KEY, strategy.fit(KEY, fitted, pool), pool, K).indices)
    assert select(pools)[:, 0].tolist() == [1, 4, 7]


def test_a_negative_count_is_refused():
    with pytest.raises(ValueError, match="labels >= 0; got -1"):
        strategies.hybrid(MODEL, LIKELIHOOD, labels=-1)


@pytest.mark.slow
@pytest.mark.parametrize("capacity", [6, pytest.param(None, marks=pytest.mark.slow)])
def test_members_are_trained_on_the_labelled_set_from_starts_of_their_own(capacity):
    """By hand: as many trainings, with the rows of the labelled set."""
    fitted, pool = problem()
    pool = pool._replace(y=jnp.arange(N) % 3)
    train = alfi.training.fixed_steps(
        MODEL._replace(train=lambda key, v, x: (MODEL.apply(v, x), ())), LIKELIHOOD, steps=4
    )
    strategy = strategies.deep_ensemble(MODEL, LIKELIHOOD, train=train, members=3, capacity=capacity)
    members = jax.jit(strategy.fit)(KEY, fitted, pool).members
    assert jax.tree.leaves(members)[0].shape[0] == 3
    hidden = pool._replace(y=jnp.where(pool.labelled, pool.y, 7), x=pool.x.at[1].set(jnp.nan))
    again = jax.jit(strategy.fit)(KEY, fitted, hidden).members
    jax.tree.map(np.testing.assert_array_equal, members, again)  # neither other labels nor other inputs are read
    key_init, key_train = jax.random.split(jax.random.split(jax.random.split(KEY)[0], 3)[1])
    one = jax.jit(train)(
        key_train, MODEL.init(key_init, pool.x[:1]), pool.x, pool.y, jnp.array([0, 3], jnp.int32), 2
    ).variables
    jax.tree.map(lambda all, own: np.testing.assert_allclose(all[1], own, rtol=1e-6), members, one)


@pytest.mark.slow
def test_a_deep_ensemble_runs_in_the_loop():
    model = alfi.models.mlp(2, hidden=(4,))
    x = testing.normal(KEY, (12, 2), np.float32)
    pool = alfi.pool(x, (x[:, 0] > 0).astype(int))
    train = alfi.training.fixed_steps(model, LIKELIHOOD, optax.adam(1e-2), steps=3)
    strategy = strategies.deep_ensemble(model, LIKELIHOOD, strategy=strategies.mean_std, train=train, members=2)
    query = alfi.loop.make_query(strategy, 2)
    learn = alfi.loop.make_learn(model, train, lambda variables: ())
    state = alfi.loop.start(model, pool, jnp.arange(2), capacity=4)
    state, _, selections = jax.jit(lambda key: alfi.loop.run(key, state, pool, learn=learn, query=query, rounds=1))(KEY)
    assert int(state.count) == 4
    assert np.all(np.asarray(selections.gains) >= 0)


def test_numbers_that_are_not_positive_are_refused():
    with pytest.raises(ValueError, match="got 0 and None"):
        strategies.deep_ensemble(MODEL, LIKELIHOOD, members=0)
