"""Clusters in turn: a rule that takes from one cluster after the other, those least known and largest first."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.tree_util import Partial
from jaxtyping import Array, Bool, Float, Int

from alfi.selection.sequential import pickable
from alfi.typing import Criterion, SelectFn, State


class Shared(NamedTuple):
    """The criterion's own, and of each cluster (at most n) its turn."""

    inner: Any
    rank: Int[Array, " n"]
    small: Bool[Array, " n"]
    picks: Int[Array, " n"]  # in this batch


class Local(NamedTuple):
    """The criterion's own, and what may still be picked."""

    inner: Any
    left: Bool[Array, " n"]


@functools.cache  # one object, so that a compiled function taking it as a static argument is compiled once
def in_turn(rule: SelectFn, smallest: int = 0) -> SelectFn:
    """Let ``rule`` choose within one cluster after the other, round and round.

    Data are a pair ``(clusters[n], what the criterion reads)``, clusters being integers in 0 ... n - 1. The first is
    the cluster with the fewest in the design, the largest (in population) among those. Clusters with nothing left to
    pick are passed over. Typicality as the score makes TypiClust, random numbers make a stratified draw.

    Parameters
    ----------
    rule
        One that picks point by point: ``greedy()``, ``sample()``.
    smallest
        Clusters of this size or less come only when there is no other.

    Raises
    ------
    ValueError
        If data are no pair with integer clusters.

    Source: round robin as in TypiClust, Hacohen, Dekel & Weinshall 2022, arXiv 2202.02794.

    Cost: that of the rule, and three sums over clusters a pick.

    Examples
    --------
    >>> import alfi
    >>> data = jnp.array([0, 0, 0, 1, 1]), jnp.array([0.1, 0.9, 0.8, 0.3, 0.2])
    >>> alfi.selection.in_turn(alfi.selection.greedy())(
    ...     jax.random.key(0), alfi.criteria.score(), data, jnp.zeros(5), jnp.ones(5, bool), 3, population=jnp.ones(5)
    ... ).indices.tolist()
    [1, 3, 2]
    """

    def select(key, criterion, data, weights, available, batch_size, *, population, groups=None, costs=None):
        if type(data) is not tuple or len(data) != 2 or not jnp.issubdtype(data[0].dtype, jnp.integer):
            raise ValueError("in_turn needs its data as a pair: integer clusters [n], and what the criterion reads.")
        clusters, n = data[0], weights.shape[0]
        size = jax.ops.segment_sum(population, clusters, num_segments=n)
        known = jax.ops.segment_sum(weights, clusters, num_segments=n)
        rank = jnp.zeros(n, int).at[jnp.lexsort((-size, known))].set(jnp.arange(n))
        owner = jnp.arange(n) if groups is None else groups
        turns = criterion._replace(
            init=Partial(_init, criterion, available, rank, size <= smallest),
            gain=Partial(_gain, criterion),
            update=Partial(_update, criterion, owner),
            value=Partial(_value, criterion),
            sensitivity=None,
            refresh=None if criterion.refresh is None else Partial(_refresh, criterion),
        )
        return rule(key, turns, data, weights, available, batch_size, population=population, groups=groups, costs=costs)

    return select


def _own(state: State) -> State:
    return State(state.shared.inner, state.local.inner)


def _join(own: State, state: State) -> State:
    return State(state.shared._replace(inner=own.shared), state.local._replace(inner=own.local))


def _init(
    criterion: Criterion, available: Array, rank: Array, small: Array, data: tuple, weights: Array, population: Array
) -> State:
    own = criterion.init(data[1], weights, population)
    return State(Shared(own.shared, rank, small, jnp.zeros_like(rank)), Local(own.local, available))


def _gain(criterion: Criterion, data: tuple, state: State, weight: Any = 1.0) -> Float[Array, " n"]:
    (clusters, inner), shared = data, state.shared
    gains = pickable(criterion.gain(inner, _own(state), weight), state.local.left)
    present = jax.ops.segment_max(gains, clusters, num_segments=shared.rank.shape[0]) > -jnp.inf
    turn = present & ~shared.small
    turn = jnp.where(jnp.any(turn), turn, present)
    picks = jnp.where(turn, shared.picks, jnp.iinfo(shared.picks.dtype).max)
    rank = jnp.where(picks == jnp.min(picks), shared.rank, shared.rank.shape[0])
    return jnp.where(clusters == jnp.argmin(rank), gains, -jnp.inf)


def _update(
    criterion: Criterion, owner: Array, data: tuple, state: State, index: Array, point: tuple, weight: Any = 1.0
) -> State:
    own = criterion.update(data[1], _own(state), index, point[1], weight)
    moved = jnp.asarray(weight) != 0
    picks = state.shared.picks.at[point[0][0]].add(moved.astype(int))
    left = state.local.left & ~(moved & (owner == owner[index]))
    return State(Shared(own.shared, state.shared.rank, state.shared.small, picks), Local(own.local, left))


def _value(criterion: Criterion, state: State) -> Float[Array, ""]:
    return criterion.value(_own(state))


def _refresh(criterion: Criterion, data: tuple, state: State) -> State:
    return _join(criterion.refresh(data[1], _own(state)), state)
