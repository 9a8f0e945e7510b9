"""A continuous design with everything the methods look at: state, value, slope and the bound from there."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from alfi.design.simplex import vertex
from alfi.typing import Criterion, State


class Problem(NamedTuple):
    """Maximise ``value(weights + z)`` over ``0 <= z <= cap`` on the available rows, ``sum z = budget``."""

    criterion: Criterion
    data: Any
    weights: Float[Array, " n"]
    available: Bool[Array, " n"]
    population: Float[Array, " n"]
    budget: Float[Array, ""]
    cap: Float[Array, ""]


class Iterate(NamedTuple):
    """A design with its value and derivative."""

    z: Float[Array, " n"]
    state: State
    value: Float[Array, ""]
    slope: Float[Array, " n"]


def problem(
    criterion: Criterion, data: Any, weights: Any, available: Any, population: Any, budget: Any, cap: Any
) -> Problem:
    """Defaults filled in, everything in the widest precision there is: float64 where x64 is enabled, else float32."""
    n = jax.tree.leaves(data)[0].shape[0]
    data = jax.tree.map(lambda x: x.astype(float) if jnp.issubdtype(x.dtype, jnp.floating) else x, data)
    if available is None:
        available = jnp.ones(n, bool) if weights is None else jnp.asarray(weights) == 0
    for name, value in (("budget", budget), ("cap", cap)):
        if isinstance(value, int | float) and not value > 0:
            raise ValueError(f"{name} must be positive; got {value}.")
    weights = jnp.zeros(n) if weights is None else jnp.asarray(weights, float)
    population = jnp.ones(n) if population is None else jnp.asarray(population, float)
    for name, vector in (("weights", weights), ("available", available), ("population", population)):
        if jnp.shape(vector) != (n,):
            raise ValueError(f"{name} must have length {n}, one entry for each example; got {jnp.shape(vector)}.")
    available = jnp.asarray(available, bool)
    return Problem(criterion, data, weights, available, population, jnp.asarray(budget, float), jnp.asarray(cap, float))


def evaluate(problem: Problem, z: Float[Array, " n"]) -> Iterate:
    """State, value and slope of a design, all computed afresh."""
    criterion, data, total = problem.criterion, problem.data, problem.weights + z
    state = criterion.init(data, total, problem.population)
    if criterion.sensitivity is None:
        slope = jax.grad(lambda w: criterion.value(criterion.init(data, w, problem.population)))(total)
    else:
        slope = criterion.sensitivity(data, state)
    return Iterate(z, state, criterion.value(state), slope)


def room(problem: Problem, at: Iterate) -> Float[Array, ""]:
    """How much the tangent at a design promises over its value: ``max_z' slope . (z' - z)``; nan if a slope is nan."""
    best = vertex(at.slope, problem.available, problem.budget, problem.cap)
    used = problem.available | (at.z > 0)
    return jnp.sum(jnp.where(used, at.slope * (best - at.z), 0))


def mass(at: Iterate) -> Float[Array, ""]:
    """``|z . slope|``: p for D without prior, ``|value|`` for A, c, V and E; the unit of relative gaps."""
    return jnp.abs(jnp.sum(jnp.where(at.z > 0, at.z * at.slope, 0)))


def unit(problem: Problem, at: Iterate) -> Float[Array, ""]:
    """The unit of relative gaps of a criterion with kinks: its value where that has a scale, else the mass."""
    return jnp.abs(at.value) if problem.criterion.known.degree else mass(at)


def rounding(at: Iterate) -> Float[Array, ""]:
    """By how much two values of nearly the same design may differ for no reason."""
    return 16 * jnp.finfo(at.z.dtype).eps * (jnp.abs(at.value) + mass(at))
