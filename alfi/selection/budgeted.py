"""A budget: picks are paid for, and what cannot be paid any more is not picked."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
from jax.tree_util import Partial
from jaxtyping import Array, Bool, Float, Shaped

from alfi.typing import Criterion, SelectFn, Selection, State


@functools.cache  # one object, so that a compiled function taking it as a static argument is compiled once
def budgeted(rule: SelectFn, budget: float) -> SelectFn:
    """Let ``rule`` choose by gain per cost only what the rest of the budget still pays; ``batch_size`` is the most.

    Selection stops when nothing affordable is left: the remaining picks are reported as exhausted (index n). Rules that
    pick point by point look for something cheaper where the best is too dear; of others (``top_k``) picks that are too
    dear are left out.

    Parameters
    ----------
    budget
        In the unit of ``costs``, positive.

    Raises
    ------
    ValueError
        If the budget is not positive, or (in use) there are no costs.

    Source: cost-benefit greedy; Leskovec et al. 2007, doi 10.1145/1281192.1281239.

    Cost: that of the rule.

    Examples
    --------
    >>> import alfi
    >>> rule = budgeted(alfi.selection.greedy(), 5.0)
    >>> scores, costs = jnp.array([4.0, 6.0, 1.0]), jnp.array([1.0, 6.0, 4.0])
    >>> every = jnp.ones(3)
    >>> rule(jax.random.key(0), alfi.criteria.score(), scores, 0 * every, every > 0, 3, population=every, costs=costs)
    Selection(indices=Array([0, 2, 3], dtype=int32), gains=Array([4.  , 0.25, -inf], dtype=float32))
    """
    if not 0 < budget < float("inf"):
        raise ValueError(f"budgeted needs a positive, finite budget; got {budget}.")

    def select(key, criterion, data, weights, available, batch_size, *, population, groups=None, costs=None):
        if costs is None:
            raise ValueError("budgeted needs costs: what each label costs, in the unit of the budget.")
        paid = criterion._replace(
            init=Partial(_init, criterion, costs, jnp.asarray(budget, costs.dtype)),
            gain=Partial(_gain, criterion),
            update=Partial(_update, criterion),
            value=Partial(_value, criterion),
            sensitivity=criterion.sensitivity and Partial(_sensitivity, criterion),
            refresh=criterion.refresh and Partial(_refresh, criterion),
            lookahead=None,
            advance=None,
        )
        picked = rule(
            key, paid, data, weights, available, batch_size, population=population, groups=groups, costs=costs
        )
        n = weights.shape[0]
        bill = jnp.where(picked.indices < n, costs[jnp.minimum(picked.indices, n - 1)], jnp.inf)
        kept = affordable(bill, with_rounding(jnp.asarray(budget, costs.dtype)))
        return Selection(jnp.where(kept, picked.indices, n), jnp.where(kept, picked.gains, -jnp.inf))

    return select


def affordable(bill: Shaped[Array, " k"], budget: Any) -> Bool[Array, " k"]:
    """Which items are bought, one after the other, passing over those that the rest of the budget does not pay."""

    def buy(left: Array, price: Array) -> tuple[Array, Array]:
        bought = price <= left
        return left - jnp.where(bought, price, 0), bought

    return jax.lax.scan(buy, jnp.asarray(budget, bill.dtype), bill)[1]


def with_rounding(budget: Any) -> Any:
    """A little more: ten items of 0.1 are paid by 1, whatever their sum is."""
    return budget * (1 + 1e-5)


def _own(state: State) -> State:
    return State(state.shared[0], state.local[0])


def _join(own: State, state: State, left: Array) -> State:
    return State((own.shared, left), (own.local, state.local[1]))


def _init(criterion: Criterion, costs: Array, budget: Array, data: Any, weights: Array, population: Array) -> State:
    own = criterion.init(data, weights, population)
    return State((own.shared, with_rounding(budget)), (own.local, costs))


def _gain(criterion: Criterion, data: Any, state: State, weight: Any = 1.0) -> Float[Array, " n"]:
    gains = criterion.gain(data, _own(state), weight)
    dear = (state.local[1] > state.shared[1]) & (jnp.asarray(weight) > 0)
    return jnp.where(dear, -jnp.inf, gains)


def _update(criterion: Criterion, data: Any, state: State, index: Array, point: Any, weight: Any = 1.0) -> State:
    own = criterion.update(data, _own(state), index, point, weight)
    costs = state.local[1]
    return _join(own, state, state.shared[1] - jnp.asarray(weight, costs.dtype) * costs[index])


def _value(criterion: Criterion, state: State) -> Float[Array, ""]:
    return criterion.value(_own(state))


def _sensitivity(criterion: Criterion, data: Any, state: State) -> Float[Array, " n"]:
    return criterion.sensitivity(data, _own(state))


def _refresh(criterion: Criterion, data: Any, state: State) -> State:
    return _join(criterion.refresh(data, _own(state)), state, state.shared[1])
