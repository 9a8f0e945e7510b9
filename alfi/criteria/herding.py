"""Kernel herding: points whose mean in a kernel's feature space approaches the mean of the population."""

from typing import Any

import jax.numpy as jnp
from jax.tree_util import Partial
from jaxtyping import Array, Float

from alfi.criteria.distances import Points, fold, only_adding, size, squared_distances
from alfi.criteria.facility_location import gaussian_kernel, positive
from alfi.typing import Criterion, State


def herding(*, bandwidth: Any) -> Criterion:
    r"""``gain_i = mean_t k(i, t) - sum_j w_j k(i, j) / (1 + sum_j w_j)``, t in the population, j chosen.

    Typical of the population and unlike what is chosen: greedy descent of the maximum mean discrepancy between the two,
    with ``k = exp(-||A_i - A_j||^2 / (2 b^2))``.

    Parameters
    ----------
    bandwidth
        b, positive, in the unit of the factors.

    Returns
    -------
    Criterion on Factors, or on a tuple of them (products of distances). ``value`` is nan; ``gain`` is nan for a
    negative weight, though ``update`` can take a point out. State: two numbers [n]. Cost: ``n^2 p``
    once, then ``n p`` a pick.

    Raises
    ------
    ValueError
        If the bandwidth is not positive and finite.

    Source: Chen, Welling & Smola 2010, arXiv 1203.3472.

    Examples
    --------
    >>> import alfi
    >>> factors = alfi.fisher.DenseFactors(jnp.array([[[0.0]], [[0.1]], [[0.2]], [[5.0]]]))
    >>> alfi.select(herding(bandwidth=1.0), factors, 2).indices.tolist()
    [1, 3]
    """
    kernel = Partial(gaussian_kernel, positive("herding", "bandwidth", bandwidth))
    return Criterion(
        init=Partial(_init, kernel), gain=Partial(_gain), update=Partial(_update, kernel), value=Partial(_value)
    )


def _init(kernel: Partial, data: Points, weights: Array, population: Array) -> State:
    n, dtype = size(data)

    def step(total: Array, distances: Array, weights: Array, rows: Array) -> Array:
        return total + jnp.matmul(kernel(distances), weights, precision="highest")

    zero = jnp.zeros(n, dtype)
    typical = fold(step, zero, data, population / jnp.sum(population))
    return State(jnp.sum(weights), (typical, fold(step, zero, data, weights)))


def _gain(data: Points, state: State, weight: Any = 1.0) -> Float[Array, " n"]:
    typical, chosen = state.local
    return only_adding(typical - chosen / (1 + state.shared), weight)


def _update(kernel: Partial, data: Points, state: State, index: Array, point: Points, weight: Any = 1.0) -> State:
    del index
    typical, chosen = state.local
    weight = jnp.asarray(weight, chosen.dtype)
    similarity = kernel(squared_distances(data, point)[:, 0])
    return State(state.shared + weight, (typical, chosen + weight * similarity))


def _value(state: State) -> Float[Array, ""]:
    return jnp.full((), jnp.nan, state.local[0].dtype)
