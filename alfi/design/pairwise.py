"""Pairwise Frank-Wolfe: weight moves from the worst point of the design to the best of the pool, exactly far enough."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from alfi.design.iterate import Iterate, Problem, rounding
from alfi.selection.sequential import take
from alfi.typing import State

# Candidates that one scoring of the pool hands to the pairwise steps: so many, or this share of the pool.
CANDIDATES, SHARE = 64, 16
# Evaluations of the slope in a line search.
TRIALS = 10


def pairwise(problem: Problem, at: Iterate, alive: Bool[Array, " n"], step: Array) -> Float[Array, " n"]:
    """Pairwise steps among the points of largest slope that are not full and those of smallest that are not empty.

    A step looks for the zero of the slope along ``z + x (e_j - e_i)`` in the state of two points, so it costs no pass
    over the pool; it ends where i is empty, j is full or the slope is zero.
    """
    del step
    criterion, cap, n = problem.criterion, jnp.minimum(problem.cap, problem.budget), at.z.shape[0]
    slack = rounding(at)
    rank = jnp.zeros(n, int)
    for first in (jnp.where(alive & (at.z < cap), -at.slope, jnp.inf), jnp.where(at.z > 0, at.slope, jnp.inf)):
        rank = rank.at[jnp.argsort(first, stable=True)].min(jnp.arange(n) - n)  # the best of both ranks, from -n
    size = min(n, max(CANDIDATES, n // SHARE))
    rows = jnp.argsort(rank, stable=True)[:size]
    data, usable = take(problem.data, rows), alive[rows]
    state = State(at.state.shared, jax.tree.map(lambda leaf: jnp.take(leaf, rows, axis=-1), at.state.local))

    def body(carry):
        count, z, state, _ = carry
        slope = criterion.sensitivity(data, state)
        up, down = jnp.where(usable & (z < cap), slope, -jnp.inf), jnp.where(z > 0, slope, jnp.inf)
        j, i = jnp.argmax(up), jnp.argmin(down)
        both = jnp.stack([i, j])
        pair = take(data, both)
        pair_state = State(state.shared, jax.tree.map(lambda leaf: jnp.take(leaf, both, axis=-1), state.local))

        def moved(x):
            """Slope at a step x; nan if it says to go further although the value is lower: a singular design."""
            point = [take(pair, jnp.asarray([m])) for m in range(2)]
            after = criterion.update(pair, pair_state, jnp.asarray(1), point[1], x)
            after = criterion.update(pair, after, jnp.asarray(0), point[0], -x)
            slopes = criterion.sensitivity(pair, after)
            difference, worse = slopes[1] - slopes[0], ~(criterion.value(after) >= criterion.value(state) - slack)
            return jnp.where((difference > 0) & worse, jnp.nan, difference)

        longest = jnp.minimum(z[i], cap - z[j])
        better = up[j] - down[i]
        go = better > 0
        x = jnp.where(go, line_search(moved, better, longest), 0)
        full, empty = x >= cap - z[j], x >= z[i]
        z = z.at[j].set(jnp.where(go & full, cap, z[j] + x))
        z = z.at[i].set(jnp.where(go & empty, 0, z[i] - x))
        state = criterion.update(data, state, j, take(data, j[None]), x)
        state = criterion.update(data, state, i, take(data, i[None]), -x)
        return count + 1, z, state, go & (x > 0)

    start = jnp.zeros((), int), at.z[rows], state, jnp.ones((), bool)
    _, z, _, _ = jax.lax.while_loop(lambda carry: carry[3] & (carry[0] < size), body, start)
    return at.z.at[rows].set(z)


def line_search(slope, start: Float[Array, ""], longest: Float[Array, ""]) -> Float[Array, ""]:
    """The zero of a decreasing ``slope`` in [0, longest], positive (``start``) at 0; ``longest`` if it stays positive.

    Secant steps inside a bracket, the first trial at its end; a slope that is not a number is beyond the zero.
    """

    def trial(count, carry):
        x, low, high, last, last_slope, best, best_slope = carry
        here = slope(x)
        arrived = (count == 0) & (here >= 0)
        low, high = jnp.where(here > 0, x, low), jnp.where(here > 0, high, x)
        closer = arrived | (jnp.abs(here) < jnp.abs(best_slope))
        best, best_slope = jnp.where(closer, x, best), jnp.where(arrived, 0, jnp.where(closer, here, best_slope))
        secant = x - here * (x - last) / (here - last_slope)
        inside = (secant > low) & (secant < high) & (count > 0)
        middle = jnp.where(count == 0, longest / 1024, (low + high) / 2)
        # Past the first trial, from which a secant would be too long.
        last, last_slope = jnp.where(count == 0, 0, x), jnp.where(count == 0, start, here)
        return jnp.where(inside, secant, middle), low, high, last, last_slope, best, best_slope

    zero = jnp.zeros_like(longest)
    return jax.lax.fori_loop(0, TRIALS, trial, (longest, zero, longest, zero, start, zero, start))[5]
