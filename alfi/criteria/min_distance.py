"""Distance to the nearest chosen point: greedy, it is core-set (k-center); sampled, k-means++ seeding and BADGE."""

from typing import Any

import jax.numpy as jnp
from jax.tree_util import Partial
from jaxtyping import Array, Float

from alfi.criteria.distances import Distance, Points, fold, only_adding, size, squared_distances
from alfi.typing import Criterion, State


def min_distance(distance: Distance = squared_distances) -> Criterion:
    r"""``gain_i = min_j ||A_i - A_j||^2`` over the chosen j, the squared Frobenius distance, or another distance.

    It is infinite while nothing is chosen. Distances come from inner products, ``|a|^2 + |b|^2 - 2 <a, b>`` clipped
    at 0, so gradient embeddings of a last layer (BADGE) are compared without forming them: ``O(n (c + d))`` a centre.

    Parameters
    ----------
    distance
        ``squared_distances`` by default; ``euclidean``, ``city_block``, ``chebyshev``, ``cosine``, ``russell_rao``,
        ``kulsinski`` of ``alfi.criteria.distances``, or your own ``(data, centres) -> [n, m]``.

    Returns
    -------
    Criterion on Factors. For a tuple of Factors, the distance is the product of theirs: with inputs and outputs (labels
    where they are known, predictions elsewhere) greedy selection is iGS. ``value`` is nan: a distance is not a function
    of a design. A point cannot be taken out again: with a negative weight ``gain`` is nan. State: distances [n].

    Source: Sener & Savarese 2018, arXiv 1708.00489; Arthur & Vassilvitskii 2007 (k-means++); Ash et al. 2020, arXiv
    1906.03671; iGS: Wu, Lin & Huang 2019, doi 10.1016/j.ins.2018.09.060.

    Examples
    --------
    >>> import alfi
    >>> factors = alfi.fisher.DenseFactors(jnp.array([[[0.0]], [[1.0]], [[3.0]], [[7.0]]]))
    >>> weights = jnp.array([1.0, 0.0, 0.0, 0.0])
    >>> batch = alfi.select(min_distance(), factors, 2, weights=weights)
    >>> batch.indices.tolist(), batch.gains.tolist()
    ([3, 2], [49.0, 9.0])
    """
    between = Partial(distance)
    return Criterion(
        init=Partial(_init, between), gain=Partial(_gain), update=Partial(_update, between), value=Partial(_value)
    )


def _init(between: Partial, data: Points, weights: Array, population: Array) -> State:
    del population
    n, dtype = size(data)

    def step(nearest: Array, distances: Array, weights: Array, rows: Array) -> Array:
        return jnp.minimum(nearest, jnp.min(jnp.where(weights[None] > 0, distances, jnp.inf), axis=1))

    return State((), fold(step, jnp.full(n, jnp.inf, dtype), data, weights, between))


def _gain(data: Points, state: State, weight: Any = 1.0) -> Float[Array, " n"]:
    return only_adding(state.local, weight)


def _update(between: Partial, data: Points, state: State, index: Array, point: Points, weight: Any = 1.0) -> State:
    nearest = jnp.minimum(state.local, between(data, point)[:, 0])
    nearest = nearest.at[index].set(0, mode="drop")  # exactly, whatever rounding says
    return State((), jnp.where(jnp.asarray(weight) > 0, nearest, state.local))


def _value(state: State) -> Float[Array, ""]:
    return jnp.full((), jnp.nan, state.local.dtype)
