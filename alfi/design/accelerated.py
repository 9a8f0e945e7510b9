"""Accelerated mirror ascent: many cheap steps for smoothed criteria, with an average of tangents as the bound."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from alfi.design.iterate import Problem, evaluate, room, rounding
from alfi.design.simplex import rescale, vertex

# By which the curvature shrinks after a step that rose as promised; after one that did not, it doubles.
EASE = 0.9


class Climb(NamedTuple):
    """Two designs whose mixtures are tried, and what was met on the way."""

    z: Float[Array, " n"]
    mirror: Float[Array, " n"]  # where the average of all slopes leads
    share: Float[Array, ""]  # of ``mirror`` in the next mixture, from 1 down to 0
    curvature: Float[Array, ""]
    intercept: Float[Array, ""]  # of the average of tangents
    slope: Float[Array, " n"]
    reached: Float[Array, ""]  # smoothed value of z
    best: Float[Array, " n"]  # the design of the largest exact value
    value: Float[Array, ""]
    bound: Float[Array, ""]


def accelerated(
    problem: Problem,
    exact: Problem,
    start: tuple[Float[Array, " n"], Float[Array, ""], Float[Array, ""]],
    iterations: int,
    inner: Float[Array, ""],
    enough: Float[Array, ""],
) -> tuple[Float[Array, " n"], Float[Array, ""], Float[Array, ""]]:
    """Design, exact value and bound, from such a triple, by climbing ``problem``, which is nowhere below ``exact``.

    Ends where the gap is at most ``inner`` for the one, or ``enough`` for the other. A step costs two evaluations and
    three sorts of the pool, and the gap falls with the square of their number. An average of tangents is above the
    criterion as each of them is, and far less ragged.

    Source: Tseng 2008, On accelerated proximal gradient methods for convex-concave optimization; Nesterov 2007,
    doi 10.1007/s10107-006-0001-8 (the average as the dual).
    """

    def body(carry: tuple[Array, Climb, Array]) -> tuple[Array, Climb, Array]:
        count, climb, _ = carry
        y = (1 - climb.share) * climb.z + climb.share * climb.mirror
        at = evaluate(problem, y)
        slope = jnp.where(problem.available, at.slope, 0)
        rise = jnp.where(problem.available, slope - jnp.max(jnp.where(problem.available, slope, -jnp.inf)), -jnp.inf)
        moved = climb.mirror * jnp.exp(rise / (climb.share * climb.curvature))
        mirror = rescale(moved, problem.budget, problem.cap)
        z = (1 - climb.share) * climb.z + climb.share * mirror
        reached = evaluate(problem, z).value
        promised = at.value + jnp.sum(slope * (z - y))
        allowed = climb.share**2 * climb.curvature * _divergence(mirror, climb.mirror)
        good = reached >= promised - allowed - rounding(at)
        average = (1 - climb.share) * climb.slope + climb.share * slope
        intercept = (1 - climb.share) * climb.intercept + climb.share * (at.value - jnp.sum(slope * y))
        top = intercept + jnp.sum(average * vertex(average, problem.available, problem.budget, problem.cap))
        value = evaluate(exact, z).value
        new = Climb(
            z=z,
            mirror=mirror,
            share=climb.share,
            curvature=climb.curvature,
            intercept=intercept,
            slope=average,
            reached=reached,
            best=jnp.where(value > climb.value, z, climb.best),
            value=jnp.fmax(climb.value, value),
            bound=jnp.fmin(climb.bound, jnp.fmin(top, at.value + room(problem, at))),
        )
        climb = jax.tree.map(lambda a, b: jnp.where(good, a, b), new, climb)
        climb = _next_share(climb, good)
        return count + 1, climb, finished(climb)

    def finished(climb: Climb) -> Bool[Array, ""]:
        close = (climb.bound - climb.reached <= inner) | (climb.bound - climb.value <= enough)
        return close | jnp.isnan(climb.reached)

    z, value, bound = start
    at = evaluate(problem, z)
    one, zero = jnp.ones_like(at.value), jnp.zeros_like(at.value)
    curvature = jnp.max(jnp.where(problem.available, jnp.abs(at.slope), 0)) / problem.budget
    bound = jnp.fmin(bound, at.value + room(problem, at))
    climb = Climb(z, z, one, curvature, zero, jnp.zeros_like(z), at.value, z, value, bound)
    first = jnp.zeros((), int), climb, finished(climb)
    _, climb, _ = jax.lax.while_loop(lambda carry: ~carry[2] & (carry[0] < iterations), body, first)
    return climb.best, climb.value, climb.bound


def _next_share(climb: Climb, good: Bool[Array, ""]) -> Climb:
    """Share and curvature: ``share'^2 curvature' = (1 - share') share^2 curvature`` after a step, equal if repeated."""
    curvature = jnp.where(good, EASE, 2.0) * climb.curvature
    same = climb.share**2 * climb.curvature / curvature
    forward = (jnp.sqrt(same * same + 4 * same) - same) / 2
    again = jnp.where(climb.share < 1, jnp.sqrt(same), 1)
    return climb._replace(curvature=curvature, share=jnp.where(good, forward, again))


def _divergence(new: Float[Array, " n"], old: Float[Array, " n"]) -> Float[Array, ""]:
    """Relative entropy of two designs of the same mass."""
    return jnp.sum(jnp.where((new > 0) & (old > 0), new * jnp.log(new / old), 0) - new + old)
