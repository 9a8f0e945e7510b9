"""Facility location: how well the chosen points represent the population under a kernel (MaxHerding)."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial
from jaxtyping import Array, Float

from alfi.criteria.distances import Points, fold, only_adding, size, squared_distances
from alfi.criteria.posterior import hyperparameter
from alfi.typing import Criterion, State

# Numbers held at once by ``gain``: this many, in chunks of candidates with their similarity to the population.
MEMORY = 2**24


class Shared(NamedTuple):
    """The population, and the similarity of each of its rows to the chosen point most similar to it."""

    targets: Points
    population: Float[Array, " n"]  # sums to 1
    best: Float[Array, " n"]


def facility_location(*, bandwidth: Any) -> Criterion:
    r"""``value = mean_t max_j k(t, j)`` over the population t and the chosen j.

    The kernel is ``k(t, j) = exp(-||A_t - A_j||^2 / (2 b^2))``.

    Parameters
    ----------
    bandwidth
        b, positive, in the unit of the factors: at that distance a chosen point represents another by 61 %.

    Returns
    -------
    Criterion on Factors, or on a tuple of them (products of distances). Monotone and submodular: greedy reaches 1 - 1/e
    of the best. With this kernel it is MaxHerding. A point cannot be taken out again: for a negative weight ``gain`` is
    nan. Cost of a pick: the similarity of every candidate to every target, ``n^2 p``: pools of up to some 10,000.

    Raises
    ------
    ValueError
        If the bandwidth is not positive and finite.

    Source: Nemhauser, Wolsey & Fisher 1978, doi 10.1007/BF01588971; MaxHerding: Bae, Noh & Sutherland 2024, arXiv
    2407.12212.

    Examples
    --------
    >>> import alfi
    >>> factors = alfi.fisher.DenseFactors(jnp.array([[[0.0]], [[0.1]], [[0.2]], [[5.0]]]))
    >>> alfi.select(facility_location(bandwidth=1.0), factors, 2).indices.tolist()
    [1, 3]
    """
    return represent(Partial(gaussian_kernel, positive("facility_location", "bandwidth", bandwidth)))


def represent(kernel: Partial) -> Criterion:
    """``value = mean_t max_j kernel(||A_t - A_j||^2)`` for a kernel that is not negative."""
    return Criterion(
        init=Partial(_init, kernel), gain=Partial(_gain, kernel), update=Partial(_update, kernel), value=Partial(_value)
    )


def gaussian_kernel(bandwidth: Array, squared: Array) -> Array:
    """``exp(-d^2 / (2 b^2))``."""
    return jnp.exp(-squared / (2 * bandwidth.astype(squared.dtype) ** 2))


def positive(owner: str, name: str, value: Any) -> Array:
    """A hyper-parameter that must be a positive number."""
    if not isinstance(value, jax.core.Tracer) and not (np.ndim(value) == 0 and np.isfinite(value) and value > 0):
        raise ValueError(f"{owner} needs a positive, finite {name}; got {value}.")
    return hyperparameter(value)


def _init(kernel: Partial, data: Points, weights: Array, population: Array) -> State:
    n, dtype = size(data)

    def step(best: Array, distances: Array, weights: Array, rows: Array) -> Array:
        return jnp.maximum(best, jnp.max(jnp.where(weights[None] > 0, kernel(distances), 0), axis=1))

    best = fold(step, jnp.zeros(n, dtype), data, weights)
    return State(Shared(data, population / jnp.sum(population), best), ())


def _gain(kernel: Partial, data: Points, state: State, weight: Any = 1.0) -> Float[Array, " n"]:
    targets, population, best = state.shared

    def one(row: Any) -> Float[Array, ""]:
        similarity = kernel(squared_distances(targets, jax.tree.map(lambda x: x[None], row))[:, 0])
        return jnp.sum(population * jnp.maximum(similarity - best, 0))

    chunk = max(1, min(size(data)[0], MEMORY // best.shape[0]))
    return only_adding(jax.lax.map(one, data, batch_size=chunk) * (jnp.asarray(weight) != 0), weight)


def _update(kernel: Partial, data: Points, state: State, index: Array, point: Points, weight: Any = 1.0) -> State:
    del data, index
    targets, population, best = state.shared
    new = jnp.maximum(best, kernel(squared_distances(targets, point)[:, 0]))
    return State(Shared(targets, population, jnp.where(jnp.asarray(weight) > 0, new, best)), ())


def _value(state: State) -> Float[Array, ""]:
    return jnp.sum(state.shared.population * state.shared.best)
