"""Continuous designs: the weights that maximise a criterion, with a bound that no design can exceed."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from alfi.design.accelerated import accelerated
from alfi.design.deletion import supporting
from alfi.design.iterate import Iterate, Problem, evaluate, mass, problem, room, rounding, unit
from alfi.design.pairwise import pairwise
from alfi.design.simplex import rescale
from alfi.typing import Criterion, Design

# Widths of the smoothing of a criterion with kinks, in units of its value over log p; one after another.
WIDTHS = (1e-1, 1e-2, 1e-3, 1e-4)
# Each is climbed to a gap of this part of its width.
INNER = 0.25
# Relative gap that is good enough by default, and where the criterion has kinks.
TOLERANCE, WITH_KINKS = 1e-6, 5e-4
# A step along a smoothed criterion is cheap, and this many count as one iteration of the other methods.
STEPS = 10

# Of the rise that the slope promises, a step must bring at least this part.
PART = 0.01


def multiplicative(problem: Problem, at: Iterate, alive: Bool[Array, " n"], step: Array) -> Float[Array, " n"]:
    """``z_i <- z_i slope_i^step``, rescaled. Ascends for D with step 1 and for A, V, c with step 1/2, cap or not."""
    slope = jnp.where(alive, jnp.maximum(at.slope, 0), 0)
    return rescale(at.z * (slope / jnp.max(slope)) ** step, problem.budget, problem.cap)


def mirror(problem: Problem, at: Iterate, alive: Bool[Array, " n"], step: Array) -> Float[Array, " n"]:
    """``z_i <- z_i exp(step slope_i / max |slope|)``, rescaled: entropic mirror ascent."""
    slope = jnp.where(alive, at.slope, 0)
    relative = (slope - jnp.max(jnp.where(alive, slope, -jnp.inf))) / jnp.max(jnp.abs(slope))
    return rescale(jnp.where(alive, at.z * jnp.exp(step * relative), 0), problem.budget, problem.cap)


# name: (the move, the longest step)
METHODS: dict[str, tuple[Callable, float]] = {
    "pairwise": (pairwise, 1.0),
    "multiplicative": (multiplicative, 1.0),
    "mirror": (mirror, 1e6),
}


def solve(
    criterion: Criterion,
    data: Any,
    *,
    weights: Any = None,
    available: Any = None,
    population: Any = None,
    budget: float | Array,
    cap: float | Array = 1.0,
    method: str = "pairwise",
    iterations: int = 500,
    tolerance: float | Array | None = None,
    concave: bool | None = None,
) -> Design:
    r"""Maximise ``value(weights + z)`` over ``0 <= z <= cap``, ``sum z = budget``, z on the available rows.

    ``cap = 1`` forbids repetition: the relaxation of choosing a batch of ``budget`` examples. ``cap = inf`` with
    ``budget = 1`` is the classical approximate design. The bound is the smallest tangent bound met on the way,

        ``bound = value(z) + max_z' slope(z) . (z' - z)``,

    above every design of that budget, every 0/1 batch included; for the linearised model at the current parameters.
    The problem is computed in float64 where x64 is enabled; otherwise in float32, and the bound holds to its rounding.

    Parameters
    ----------
    criterion, data, weights, population
        As for ``alfi.select``. ``prior_precision = 0`` is fine if all available rows together have full rank: the
        search starts at equal weights.
    available
        Mask [n]; default where the weights are 0.
    budget
        The sum of z.
    cap
        The largest z.
    method
        ``"pairwise"``: Frank-Wolfe with pairwise steps and exact line search, the most precise; needs the criterion's
        ``sensitivity``. ``"multiplicative"``: nothing but evaluations, for monotone criteria. ``"mirror"``: entropic
        mirror ascent with a step that adapts, for any differentiable criterion. A criterion with kinks (E, G, the
        worst case of ``over``) is climbed along smoothed forms by accelerated mirror ascent, whatever the method.
    iterations
        Scorings of the pool at most; with kinks ten times as many steps, for each width of the smoothing.
    tolerance
        Stop at ``bound - value <= tolerance * z . slope``, default 1e-6: for D, A, c, V without prior this is the gap
        of the equivalence theorem. With kinks default 5e-4, in units of ``|value|`` if it is
        homogeneous; about 1e-4 can be reached.
    concave
        Whether the criterion is concave; default what it says itself. Otherwise the bound is nan.

    Returns
    -------
    Design(weights z, value, bound). All nan where the budget does not fit or the start is singular.

    Raises
    ------
    ValueError
        For an unknown method, a budget or cap that is not positive, lengths that differ, or pairwise steps without a
        sensitivity.

    Cost: an iteration is ``init`` and ``sensitivity`` of the whole pool, for a last layer ``n (c d)^2 + (c d)^3``;
    pairwise adds ``n / 16`` steps of about twenty moves ``r p^2``: for p up to a few hundred.

    Source: Pukelsheim 2006, doi 10.1137/1.9780898719109; Lacoste-Julien & Jaggi 2015, arXiv 1511.05932 (pairwise
    steps); Silvey, Titterington & Torsney 1978, doi 10.1080/03610927808827719 (multiplicative); Harman & Pronzato 2007,
    doi 10.1016/j.spl.2006.05.014 (deletion).

    Examples
    --------
    The D-optimal design of a straight line over [-1, 1] is one half at each end:

    >>> import alfi
    >>> line = alfi.fisher.DenseFactors(jnp.array([[[1.0, -1.0]], [[1.0, 0.0]], [[1.0, 1.0]]]))
    >>> found = solve(alfi.criteria.d_optimal(prior_precision=0.0), line, budget=1.0, cap=float("inf"))
    >>> found.weights.round(3).tolist()
    [0.5, 0.0, 0.5]
    """
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}; got {method!r}.")
    if method == "pairwise" and criterion.sensitivity is None and criterion.smoothed is None:
        raise ValueError('pairwise steps need a criterion with a sensitivity: use method="mirror".')
    concave = criterion.known.concave if concave is None else concave
    task = problem(criterion, data, weights, available, population, budget, cap)
    count = jnp.sum(task.available)
    z = jnp.where(task.available, task.budget / jnp.maximum(count, 1), 0)
    if criterion.smoothed is None:
        z, value, bound = _ascend(task, z, method, iterations, TOLERANCE if tolerance is None else tolerance)
    else:
        z, value, bound = _sharpen(task, z, STEPS * iterations, WITH_KINKS if tolerance is None else tolerance)
    fits = task.cap * count >= task.budget * (1 - 1e-6)
    nan = jnp.full((), jnp.nan, value.dtype)
    return Design(z, jnp.where(fits, value, nan), jnp.where(fits, bound, nan) if concave else nan)


def _sharpen(
    task: Problem, z: Array, iterations: int, tolerance: float | Array
) -> tuple[Float[Array, " n"], Float[Array, ""], Float[Array, ""]]:
    """Design, value and best bound of a criterion with kinks, by smoothed forms that come nearer and nearer to it."""

    def climb(found: tuple[Array, Array, Array], width: Array) -> tuple[tuple[Array, Array, Array], None]:
        size = unit(task, evaluate(task, found[0]))
        smooth = task._replace(criterion=task.criterion.smoothed(width * size / terms))
        return accelerated(smooth, task, found, iterations, INNER * width * size, tolerance * size), None

    terms = jnp.log(max(2, getattr(task.data, "p", 2)))
    value = evaluate(task, z).value
    start = z, value, jnp.full_like(value, jnp.inf)
    return jax.lax.scan(climb, start, jnp.asarray(WIDTHS, value.dtype))[0]


def _ascend(
    task: Problem, z: Array, method: str, iterations: int, tolerance: float | Array
) -> tuple[Float[Array, " n"], Float[Array, ""], Float[Array, ""]]:
    """Design, value and best bound: moves are kept if they raise the value, else the step is halved."""
    move, longest = METHODS[method]

    def look(at: Iterate, alive: Array, bound: Array) -> tuple[Array, Array, Array]:
        gap = room(task, at)
        if task.criterion.known.logdet:
            alive = alive & supporting(task, at, gap)
        bound = jnp.fmin(bound, at.value + gap)
        return alive, bound, tolerance * mass(at)

    def body(carry):
        count, at, alive, bound, step, _ = carry
        z = rescale(jnp.where(alive, move(task, at, alive, step), 0), task.budget, task.cap)
        new = evaluate(task, z)
        slack = rounding(at)
        if (
            method == "pairwise"
        ):  # many steps may drift along a valley: further in the same direction, if that is better
            leap = jnp.where(alive, jnp.maximum(z + step * (z - at.z), 0), 0)
            far = evaluate(task, rescale(leap, task.budget, task.cap))
            further = far.value > new.value + slack
            new = jax.tree.map(lambda a, b: jnp.where(further, a, b), far, new)
            better = new.value >= at.value - slack
            step, stuck = jnp.where(further, 2 * step, jnp.maximum(step / 2, 1)), ~better | jnp.all(new.z == at.z)
        else:
            promised = jnp.sum(jnp.where(alive, at.slope * (z - at.z), 0))
            better = new.value >= at.value + PART * promised - slack
            step = jnp.where(better, jnp.minimum(1.3 * step, longest), step / 2)
            stuck = step < 1e-9
        alive, bound, enough = look(new, alive, bound)
        at = jax.tree.map(lambda a, b: jnp.where(better, a, b), new, at)
        return count + 1, at, alive, bound, step, (bound - at.value <= enough) | stuck | jnp.isnan(at.value)

    at = evaluate(task, z)
    alive, bound, enough = look(at, task.available, jnp.asarray(jnp.nan, float))
    done = (bound - at.value <= enough) | jnp.isnan(at.value)
    start = jnp.zeros((), int), at, alive, bound, jnp.ones_like(at.value), done
    _, at, _, bound, _, _ = jax.lax.while_loop(lambda carry: ~carry[5] & (carry[0] < iterations), body, start)
    return at.z, at.value, bound
