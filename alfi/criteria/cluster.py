"""Largest cluster, maximum distance (LCMD): the farthest point of the worst represented cluster."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.tree_util import Partial
from jaxtyping import Array, Float, Int

from alfi.criteria.distances import Points, fold, only_adding, size, squared_distances
from alfi.typing import Criterion, State


class Local(NamedTuple):
    """Of every point, the squared distance to its nearest centre, that centre, and the weight in a cluster's size."""

    nearest: Float[Array, " n"]
    centre: Int[Array, " n"]
    population: Float[Array, " n"]


def cluster() -> Criterion:
    r"""``gain_i = min_j ||A_i - A_j||^2`` in the largest cluster, 0 outside.

    Every point belongs to the cluster of its nearest chosen point; the size of a cluster is the sum of the squared
    distances of its members, weighted by ``population``. So dense regions are served before far outliers, which
    ``min_distance`` runs after. Infinite while nothing is chosen.

    Returns
    -------
    Criterion on Factors, or on a tuple of them (products of distances). ``value`` is nan, as is ``gain`` for a negative
    weight: a point cannot be taken out again. State: distances and centres [n]; a pick costs one distance for each row.
    Ties between clusters: the centre of the lowest index.

    Source: Holzmueller et al. 2023, arXiv 2203.09410.

    Examples
    --------
    >>> import alfi
    >>> factors = alfi.fisher.DenseFactors(jnp.array([[[0.0]], [[9.0]], [[3.0]], [[-3.0]], [[-3.1]], [[13.0]]]))
    >>> weights = jnp.array([1.0, 1.0, 0.0, 0.0, 0.0, 0.0])
    >>> alfi.select(cluster(), factors, 1, weights=weights).indices.tolist()
    [4]
    """
    return Criterion(init=Partial(_init), gain=Partial(_gain), update=Partial(_update), value=Partial(_value))


def _init(data: Points, weights: Array, population: Array) -> State:
    n, dtype = size(data)

    def step(carry: tuple[Array, Array], distances: Array, weights: Array, rows: Array) -> tuple[Array, Array]:
        nearest, centre = carry
        distances = jnp.where(weights[None] > 0, distances, jnp.inf)
        best = jnp.argmin(distances, axis=1)
        closest = jnp.take_along_axis(distances, best[:, None], axis=1)[:, 0]
        return jnp.minimum(nearest, closest), jnp.where(closest < nearest, rows[best], centre)

    start = jnp.full(n, jnp.inf, dtype), jnp.zeros(n, int)
    nearest, centre = fold(step, start, data, weights)
    return State((), Local(nearest, centre, population))


def _gain(data: Points, state: State, weight: Any = 1.0) -> Float[Array, " n"]:
    nearest, centre, population = state.local
    n, _ = size(data)
    sizes = jax.ops.segment_sum(jnp.where(population > 0, population * nearest, 0), centre, num_segments=n)
    return only_adding(jnp.where(centre == jnp.argmax(sizes), nearest, 0), weight)


def _update(data: Points, state: State, index: Array, point: Points, weight: Any = 1.0) -> State:
    nearest, centre, population = state.local
    distances = squared_distances(data, point)[:, 0].at[index].set(0, mode="drop")
    closer = (distances < nearest) & (jnp.asarray(weight) > 0)
    return State((), Local(jnp.where(closer, distances, nearest), jnp.where(closer, index, centre), population))


def _value(state: State) -> Float[Array, ""]:
    return jnp.full((), jnp.nan, state.local.nearest.dtype)
