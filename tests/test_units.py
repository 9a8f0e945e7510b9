"""Whole groups, budgets and exclusions in the loop."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import alfi
from alfi import likelihoods, loop, strategies, testing

N, BATCH = 40, 3
GROUPS = np.random.default_rng(0).integers(0, 12, N)
COSTS = np.random.default_rng(1).choice([1.0, 2.0, 5.0], N)
MODEL, LIKELIHOOD = alfi.models.mlp(3, hidden=(6,)), likelihoods.categorical()


def make(**options):
    x = testing.normal(jax.random.key(0), (N, 4))
    return alfi.pool(x, jnp.argmax(x[:, :3], axis=1), **options)


def picking(*batches):
    """A strategy that gives these batches, one in each round."""
    rounds = iter(batches)

    def select(key, fitted, pool, batch_size):
        return alfi.Selection(jnp.asarray(next(rounds)), jnp.ones(batch_size))

    return alfi.Strategy(fit=lambda key, fitted, pool: fitted, select=select)


def begin(pool, rows=(0,), capacity=N):
    return loop.start(MODEL, pool, jnp.asarray(rows), capacity=capacity)


def known(state):
    assert np.all(np.asarray(state.labelled[state.count :]) == N)
    return state.labelled[: state.count].tolist()


def test_all_members_of_a_picked_group_are_labelled():
    first = [int(np.flatnonzero(g == GROUPS)[-1]) for g in (5, 2, 7)]
    closed = int(np.flatnonzero(GROUPS == 2)[0])
    pool = make(groups=GROUPS, excluded=[closed])
    query = loop.make_query(picking(first, [N, first[0], N]), BATCH, unit="group")
    state, selection = query(jax.random.key(0), begin(pool), pool)
    expected = [i for g in (5, 2, 7) for i in range(N) if GROUPS[i] == g and i not in (0, closed)]
    assert known(state) == [0, *expected]
    assert selection.indices.tolist() == first
    state, _ = query(jax.random.key(0), state, pool)  # all of that group is known
    assert known(state) == [0, *expected]


@pytest.mark.slow
def test_strategies_label_one_group_for_each_pick():
    pool = make(groups=GROUPS)
    query = jax.jit(loop.make_query(strategies.v_optimal(MODEL, LIKELIHOOD), BATCH, unit="group"))
    start = begin(pool, np.flatnonzero(GROUPS[0] == GROUPS))
    state, selection = query(jax.random.key(0), start, pool)
    chosen = {int(GROUPS[0]), *GROUPS[np.asarray(selection.indices)].tolist()}
    assert len(chosen) == BATCH + 1
    assert sorted(known(state)) == np.flatnonzero(np.isin(GROUPS, list(chosen))).tolist()


def test_a_group_that_does_not_fit_is_left_out_whole():
    sizes = np.bincount(GROUPS)
    large, small = int(np.argmax(sizes)), int(np.flatnonzero(sizes == sizes[sizes > 0].min())[0])
    picks = [int(np.flatnonzero(g == GROUPS)[0]) for g in (large, small)] + [N]
    pool = make(groups=GROUPS)
    query = loop.make_query(picking(picks), BATCH, unit="group")
    outside = int(np.flatnonzero((large != GROUPS) & (small != GROUPS))[0])
    state, selection = query(jax.random.key(0), begin(pool, [outside], int(sizes[large])), pool)
    assert known(state) == [outside, *np.flatnonzero(small == GROUPS)]
    assert selection.indices.tolist() == [N, picks[1], N]
    assert np.isneginf(np.asarray(selection.gains)[[0, 2]]).all()


@pytest.mark.parametrize("unit", ["example", "group"])
def test_the_budget_is_never_exceeded_and_spent_until_nothing_is_affordable(unit):
    pool = make(groups=GROUPS if unit == "group" else None, costs=COSTS)
    budget = 30.0
    query = jax.jit(loop.make_query(strategies.random(MODEL, LIKELIHOOD), BATCH, unit=unit, budget=budget))
    state, spent = begin(pool), []
    for number in range(12):
        state, _ = query(jax.random.key(number), state, pool)
        spent.append(COSTS[known(state)].sum())
    assert np.all(np.asarray(spent) <= budget)
    left = np.setdiff1d(np.arange(N), known(state))
    if unit == "example":
        assert budget - spent[-1] < COSTS[left].min()
    else:
        bills = [COSTS[np.intersect1d(left, np.flatnonzero(g == GROUPS))].sum() for g in np.unique(GROUPS[left])]
        assert spent[-1] > budget - np.max(bills)
        assert all(set(np.flatnonzero(g == GROUPS)) <= set(known(state)) for g in set(GROUPS[known(state)[1:]]))


def test_gain_per_cost_decides():
    """Of examples that are the same but for the cost, the cheapest."""
    x, costs = jnp.ones((N, 4)), np.where(np.arange(N) == 23, 0.5, 1.0)
    query = loop.make_query(strategies.d_optimal(MODEL, LIKELIHOOD, prior_precision=1.0), 1, budget=5.0)
    pool = alfi.pool(x, costs=costs)
    assert jax.jit(query)(jax.random.key(0), begin(pool), pool)[1].indices.tolist() == [23]


@pytest.mark.slow
def test_what_inspection_flags_is_never_asked():
    x = testing.normal(jax.random.key(0), (N, 4))
    variables = jax.jit(MODEL.init)(jax.random.key(1), x[:1])
    forms = np.asarray(jax.jit(lambda x: alfi.fisher.fisher_form(MODEL.apply, LIKELIHOOD, variables, x))(x))
    flagged = forms >= np.sort(forms)[-3]
    strategy = strategies.d_optimal(MODEL, LIKELIHOOD, prior_precision=1.0)
    pick = jax.jit(lambda pool: strategy.select(jax.random.key(0), alfi.Fitted(variables), pool, N - 3).indices)
    assert set(pick(alfi.pool(x)).tolist()) & set(np.flatnonzero(flagged))
    assert sorted(pick(alfi.pool(x, excluded=flagged)).tolist()) == np.flatnonzero(~flagged).tolist()
    np.testing.assert_array_equal(alfi.pool(x, excluded=np.flatnonzero(flagged)).available, ~flagged)
    seen = loop.masked(alfi.pool(x, excluded=flagged), begin(alfi.pool(x)))  # nor in a later round
    assert not np.asarray(seen.available)[flagged].any()
    assert np.all(np.asarray(seen.population) == 1)


def test_what_is_missing_is_said():
    pool = make()
    with pytest.raises(ValueError, match="needs `groups`"):
        loop.make_query(strategies.random(MODEL, LIKELIHOOD), BATCH, unit="group")(jax.random.key(0), begin(pool), pool)
    with pytest.raises(ValueError, match="needs the pool's `costs`"):
        loop.make_query(strategies.random(MODEL, LIKELIHOOD), BATCH, budget=1.0)(jax.random.key(0), begin(pool), pool)
    with pytest.raises(ValueError, match="excluded indices must be in 0"):
        make(excluded=[N])
