"""Picks that are paid for, against plain loops."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import alfi
from alfi import criteria, selection, testing

N, BATCH, KEY = 20, 8, jax.random.key(0)
COSTS = np.random.default_rng(0).choice([0.5, 1.0, 2.0, 5.0], N)
FACTORS = testing.dense(jax.random.key(1), N, 1, 3)
ARRAY = np.asarray(FACTORS.array)[:, 0]


@functools.partial(jax.jit, static_argnames="rule")
def select(rule, criterion, data, costs=COSTS):
    nothing = jnp.zeros(N)
    return rule(KEY, criterion, data, nothing, nothing == 0, BATCH, population=nothing + 1, costs=jnp.asarray(costs))


def log_gains(batch):
    information = np.eye(3) + ARRAY[batch].T @ ARRAY[batch]
    return np.log1p(np.einsum("np,pq,nq->n", ARRAY, np.linalg.inv(information), ARRAY))


@pytest.mark.parametrize("budget", [0.4, 1.0, 3.5, 11.0, 1e3])
def test_greedy_takes_the_best_per_cost_that_it_can_still_pay(budget):
    batch, left = [], budget
    for _ in range(BATCH):
        gains = np.where(left >= COSTS, log_gains(batch) / COSTS, -np.inf)
        gains[batch] = -np.inf
        if np.isneginf(gains).all():
            break
        batch.append(int(np.argmax(gains)))
        left -= COSTS[batch[-1]]
    picked = select(selection.budgeted(selection.greedy(), budget), criteria.d_optimal(), FACTORS)
    assert picked.indices.tolist() == batch + [N] * (BATCH - len(batch))
    assert np.isneginf(np.asarray(picked.gains)[len(batch) :]).all()


RULES = {
    "greedy": selection.greedy(),
    "sample": selection.sample(),
    "top_k": selection.top_k(),
    "power": selection.power(),
    "forward_backward": pytest.param(selection.forward_backward(), marks=pytest.mark.slow),
    "exchange": pytest.param(selection.exchange(), marks=pytest.mark.slow),
}


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_no_rule_spends_more_than_there_is(rule):
    picked = np.asarray(select(selection.budgeted(rule, 6.0), criteria.d_optimal(), FACTORS).indices)
    found = picked[picked < N]
    assert len(set(found)) == len(found) > 0
    assert COSTS[found].sum() <= 6.0


def test_top_k_leaves_out_what_is_too_dear():
    scores = np.arange(N, 0.0, -1) * COSTS  # gain per cost: in the order of the index
    picked = select(selection.budgeted(selection.top_k(), 4.0), criteria.score(), jnp.asarray(scores))
    left, expected = 4.0, []
    for i in np.flatnonzero(COSTS <= 4)[:BATCH]:
        bought = COSTS[i] <= left
        left -= COSTS[i] * bought
        expected.append(int(i) if bought else N)
    assert picked.indices.tolist() == expected


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_ten_tenths_are_one(dtype):
    assert np.all(selection.affordable(jnp.full(10, 0.1, dtype), 1.00001))
    scores, costs = jnp.ones(N, dtype), np.full(N, 1 / BATCH, dtype)
    picked = select(selection.budgeted(selection.greedy(), 1.0), criteria.score(), scores, costs)
    assert np.all(picked.indices < N)


def test_items_too_dear_are_passed_over():
    assert selection.affordable(jnp.array([3, 4, 2, 9, 0]), 5).tolist() == [True, False, True, False, True]


@pytest.mark.parametrize("budget", [0.0, -1.0, float("inf"), float("nan")])
def test_a_budget_is_positive(budget):
    with pytest.raises(ValueError, match="positive, finite budget"):
        selection.budgeted(selection.greedy(), budget)


def test_a_budget_needs_costs():
    nothing = jnp.zeros(N)
    with pytest.raises(ValueError, match="needs costs"):
        selection.budgeted(selection.greedy(), 1.0)(
            KEY, criteria.score(), nothing, nothing, nothing == 0, 1, population=nothing + 1
        )


def test_the_front_door_gives_what_was_bought():
    inside = select(selection.budgeted(selection.greedy(), 3.5), criteria.d_optimal(), FACTORS)
    found = np.asarray(inside.indices) < N
    assert 0 < found.sum() < BATCH
    batch = alfi.select(criteria.d_optimal(), FACTORS, BATCH, costs=COSTS, budget=3.5)
    np.testing.assert_array_equal(batch.indices, inside.indices[found])
    with pytest.raises(ValueError, match="a budget needs costs"):
        alfi.select(criteria.d_optimal(), FACTORS, BATCH, budget=3.5)
    with pytest.raises(ValueError, match=r"pays for no label: the cheapest costs 0\.5"):
        alfi.select(criteria.d_optimal(), FACTORS, BATCH, costs=COSTS, budget=0.1)
