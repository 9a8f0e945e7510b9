"""Mean distance to the chosen points: MedAL's criterion."""

from typing import Any

import jax.numpy as jnp
from jax.tree_util import Partial
from jaxtyping import Array, Float

from alfi.criteria.distances import Points, fold, only_adding, size, squared_distances
from alfi.typing import Criterion, State


def mean_distance() -> Criterion:
    r"""``gain_i = sum_j w_j ||A_i - A_j|| / sum_j w_j``, the mean Euclidean (not squared) distance to what is chosen.

    It prefers points at the border of the pool, where ``min_distance`` prefers gaps. Infinite while nothing is chosen.

    Returns
    -------
    Criterion on Factors, or on a tuple of them (products of distances). ``value`` is nan; ``gain`` is nan for a
    negative weight, though ``update`` can take a point out. State: sums of distances [n]; a pick costs one distance for
    each row.

    Source: Smailagic et al. 2018, MedAL, doi 10.1109/ICMLA.2018.00078.

    Examples
    --------
    >>> import alfi
    >>> factors = alfi.fisher.DenseFactors(jnp.array([[[0.0]], [[4.0]], [[-3.0]], [[2.0]]]))
    >>> alfi.score(mean_distance(), factors, weights=jnp.array([1.0, 1.0, 0.0, 0.0])).tolist()
    [2.0, 2.0, 5.0, 2.0]
    """
    return Criterion(init=Partial(_init), gain=Partial(_gain), update=Partial(_update), value=Partial(_value))


def _init(data: Points, weights: Array, population: Array) -> State:
    del population
    n, dtype = size(data)

    def step(total: Array, distances: Array, weights: Array, rows: Array) -> Array:
        return total + jnp.matmul(jnp.sqrt(distances), weights, precision="highest")

    return State(jnp.sum(weights), fold(step, jnp.zeros(n, dtype), data, weights))


def _gain(data: Points, state: State, weight: Any = 1.0) -> Float[Array, " n"]:
    some = state.shared > 0
    mean = jnp.where(some, state.local / jnp.where(some, state.shared, 1), jnp.inf)
    return only_adding(mean, weight)


def _update(data: Points, state: State, index: Array, point: Points, weight: Any = 1.0) -> State:
    weight = jnp.asarray(weight, state.local.dtype)
    distances = jnp.sqrt(squared_distances(data, point)[:, 0])
    distances = distances.at[index].set(0, mode="drop")  # exactly, whatever rounding says
    return State(state.shared + weight, state.local + weight * distances)


def _value(state: State) -> Float[Array, ""]:
    return jnp.full((), jnp.nan, state.local.dtype)
