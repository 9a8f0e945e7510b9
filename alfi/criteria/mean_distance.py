"""Mean distance to the chosen points: MedAL's criterion."""

from typing import Any

import jax.numpy as jnp
from jax.tree_util import Partial
from jaxtyping import Array, Float

from alfi.criteria.distances import Distance, Points, euclidean, fold, only_adding, size
from alfi.typing import Criterion, State


def mean_distance(distance: Distance = euclidean) -> Criterion:
    r"""``gain_i = sum_j w_j d(A_i, A_j) / sum_j w_j``, the mean distance to what is chosen.

    It prefers points at the border of the pool, where ``min_distance`` prefers gaps. Infinite while nothing is chosen.

    Parameters
    ----------
    distance
        ``||A_i - A_j||`` (not squared) by default; ``city_block``, ``chebyshev``, ``cosine``, ``russell_rao``,
        ``kulsinski`` of ``alfi.criteria.distances``, or your own ``(data, centres) -> [n, m]``.

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
    between = Partial(distance)
    return Criterion(
        init=Partial(_init, between), gain=Partial(_gain), update=Partial(_update, between), value=Partial(_value)
    )


def _init(between: Partial, data: Points, weights: Array, population: Array) -> State:
    del population
    n, dtype = size(data)

    def step(total: Array, distances: Array, weights: Array, rows: Array) -> Array:
        return total + jnp.matmul(distances, weights, precision="highest")

    return State(jnp.sum(weights), fold(step, jnp.zeros(n, dtype), data, weights, between))


def _gain(data: Points, state: State, weight: Any = 1.0) -> Float[Array, " n"]:
    some = state.shared > 0
    mean = jnp.where(some, state.local / jnp.where(some, state.shared, 1), jnp.inf)
    return only_adding(mean, weight)


def _update(between: Partial, data: Points, state: State, index: Array, point: Points, weight: Any = 1.0) -> State:
    weight = jnp.asarray(weight, state.local.dtype)
    distances = between(data, point)[:, 0]
    distances = distances.at[index].set(0, mode="drop")  # exactly, whatever rounding says
    return State(state.shared + weight, state.local + weight * distances)


def _value(state: State) -> Float[Array, ""]:
    return jnp.full((), jnp.nan, state.local.dtype)
