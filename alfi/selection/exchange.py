"""Fedorov's exchange: swap points of a batch for better ones of the pool, as long as that helps."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from alfi.selection.sequential import pickable, point, sequential, take
from alfi.typing import Criterion, SelectFn, Selection, State


@functools.cache  # one object, so that a compiled function taking it as a static argument is compiled once
def exchange(starts: int = 1, *, sweeps: int = 10) -> SelectFn:
    """Do the best of all swaps of a picked point for another one, again and again, until none improves the criterion.

    The first start is the greedy batch, so the result is never worse; the others are random. The best end wins. Needs
    a criterion that can take points out. ``Selection.gains`` are what the criterion would lose without the point.

    Parameters
    ----------
    starts
        Number of starts.
    sweeps
        At most ``sweeps * batch_size`` swaps from each start.

    Raises
    ------
    ValueError
        If ``starts < 1`` or ``sweeps < 0``.

    Cost: ``batch_size`` evaluations of update and gain a swap. From a greedy start a few swaps are usual.

    Source: Fedorov 1972, Theory of Optimal Experiments; Madan et al. 2019 (local search), arXiv 1910.06255.

    Examples
    --------
    >>> import alfi
    >>> factors = alfi.fisher.DenseFactors(jnp.array([[[1.0, 1.0]], [[1.3, 0.0]], [[0.0, 1.3]]]))
    >>> [sorted(alfi.select(alfi.criteria.v_optimal(prior_precision=0.1), factors, 2, rule=rule).indices.tolist())
    ...  for rule in (alfi.selection.greedy(), exchange())]
    [[0, 1], [1, 2]]
    """
    if starts < 1 or sweeps < 0:
        raise ValueError(f"exchange needs starts >= 1 and sweeps >= 0; got {starts} and {sweeps}.")

    def select(key, criterion, data, weights, available, batch_size, *, population, groups=None, costs=None):
        def one(start: tuple[Array, Array]) -> tuple[Selection, Array]:
            number, key = start

            def pick(key, gains):
                anyone = jax.random.categorical(key, jnp.where(jnp.isneginf(gains), -jnp.inf, 0))
                return jnp.where(number == 0, jnp.argmax(gains), anyone)

            options = {"population": population, "groups": groups, "costs": costs}
            picked, state = sequential(pick, key, criterion, data, weights, available, batch_size, **options)
            swaps = sweeps * batch_size
            indices, state = improve(criterion, data, state, picked.indices, available, swaps, groups, costs)
            return Selection(indices, losses(criterion, data, state, indices, costs)), criterion.value(state)

        ends, values = jax.lax.map(one, (jnp.arange(starts), jax.random.split(key, starts)))
        best = jnp.argmax(jnp.where(jnp.isnan(values), -jnp.inf, values))
        return jax.tree.map(lambda x: x[best], ends)

    return select


def improve(
    criterion: Criterion,
    data: Any,
    state: State,
    indices: Int[Array, " k"],
    available: Bool[Array, " n"],
    swaps: int,
    groups: Int[Array, " n"] | None = None,
    costs: Float[Array, " n"] | None = None,
) -> tuple[Int[Array, " k"], State]:
    """At most so many best swaps from the batch ``indices`` with its ``state``. Failed picks (index n) stay."""
    n = available.shape[0]

    def gains_of(state):
        gains = criterion.gain(data, state)
        return gains if costs is None else gains / costs

    def moved(state, index, sign):
        found = index < n
        index = jnp.minimum(index, n - 1)
        weight = jnp.where(found, sign, 0.0).astype(jnp.result_type(*jax.tree.leaves(state)))
        return criterion.update(data, state, index, point(data, index, found), weight)

    def body(carry):
        count, state, indices, _ = carry
        free = available & ~jnp.zeros(n, bool).at[indices].set(True, mode="drop")
        movable = jnp.isfinite(losses(criterion, data, state, indices, costs))
        owner = jnp.arange(n) if groups is None else groups
        taken = jnp.isin(owner, jnp.where(indices < n, owner[jnp.minimum(indices, n - 1)], owner.min() - 1))

        def best_swap(index):
            gains, row = gains_of(moved(state, index, -1.0)), jnp.minimum(index, n - 1)
            masked, kept = pickable(gains, free & (~taken | (owner == owner[row]))), gains[row]
            best = jnp.argmax(masked)
            # A swap must gain more than rounding, or two points might change places for ever.
            rounding = jnp.sqrt(jnp.finfo(gains.dtype).eps) * jnp.maximum(jnp.abs(masked[best]), jnp.abs(kept))
            better = masked[best] - kept
            return best, jnp.where(better > rounding, better, -jnp.inf)

        others, better = jax.lax.map(best_swap, indices)
        better = jnp.where(movable, better, -jnp.inf)
        slot = jnp.argmax(better)
        again = better[slot] > 0
        old, new = jnp.where(again, indices[slot], n), jnp.where(again, others[slot], n)
        state = moved(moved(state, old, -1.0), new, 1.0)
        if criterion.refresh is not None:
            state = criterion.refresh(data, state)
        return count + 1, state, indices.at[slot].set(jnp.where(again, new, indices[slot])), again

    start = jnp.zeros((), int), state, indices, jnp.ones((), bool)
    _, state, indices, _ = jax.lax.while_loop(lambda carry: carry[3] & (carry[0] < swaps), body, start)
    return indices, state


def losses(
    criterion: Criterion,
    data: Any,
    state: State,
    indices: Int[Array, " k"],
    costs: Float[Array, " n"] | None = None,
) -> Float[Array, " k"]:
    """What the criterion would lose without each point of a batch; -inf for failed picks (index n)."""
    n = jax.tree.leaves(data)[0].shape[0]
    rows = jnp.minimum(indices, n - 1)
    local = jax.tree.map(lambda leaf: jnp.take(leaf, rows, axis=-1), state.local)
    lost = -criterion.gain(take(data, rows), State(state.shared, local), -1.0)
    return jnp.where(indices < n, lost if costs is None else lost / jnp.take(costs, rows), -jnp.inf)
