"""Distance to the nearest chosen point: greedy, it is core-set (k-center); sampled, k-means++ seeding and BADGE."""

from typing import Any

import jax
import jax.numpy as jnp
from jax.tree_util import Partial
from jaxtyping import Array, Float

from alfi.typing import Criterion, Factors, State

# Centres whose distances to the whole pool are held at once by ``init``.
CENTRES = 64


def min_distance() -> Criterion:
    r"""``gain_i = min_j ||A_i - A_j||^2`` over the chosen j, the squared Frobenius distance.

    It is infinite while nothing is chosen. Distances come from inner products, ``|a|^2 + |b|^2 - 2 <a, b>`` clipped
    at 0, so gradient embeddings of a last layer (BADGE) are compared without forming them: ``O(n (c + d))`` a centre.

    Returns
    -------
    Criterion on Factors. ``value`` is nan: a distance is not a function of a design. A point cannot be taken out again:
    with a negative weight ``gain`` is nan. State: squared distances [n].

    Source: Sener & Savarese 2018, arXiv 1708.00489; Arthur & Vassilvitskii 2007 (k-means++); Ash et al. 2020, arXiv
    1906.03671.

    Examples
    --------
    >>> import alfi
    >>> factors = alfi.fisher.DenseFactors(jnp.array([[[0.0]], [[1.0]], [[3.0]], [[7.0]]]))
    >>> weights = jnp.array([1.0, 0.0, 0.0, 0.0])
    >>> batch = alfi.select(min_distance(), factors, 2, weights=weights)
    >>> batch.indices.tolist(), batch.gains.tolist()
    ([3, 2], [49.0, 9.0])
    """
    return Criterion(init=Partial(_init), gain=Partial(_gain), update=Partial(_update), value=Partial(_value))


def _init(data: Factors, weights: Array, population: Array) -> State:
    """Chunks of chosen points, as many as there are: the cost is that of the chosen, not of the pool squared."""
    del population
    chosen = weights > 0
    chunk = min(CENTRES, data.n)
    norms = data.squared_norms()
    order = jnp.pad(jnp.argsort(~chosen, stable=True), (0, -data.n % chunk))
    count = jnp.sum(chosen)

    def body(carry: tuple[Array, Array]) -> tuple[Array, Array]:
        step, nearest = carry
        centres = data.take(jax.lax.dynamic_slice_in_dim(order, step * chunk, chunk))
        distances = _distances(data, norms, centres)
        real = step * chunk + jnp.arange(chunk) < count
        closest = jnp.min(jnp.where(real[None], distances, jnp.inf), axis=1)
        return step + 1, jnp.minimum(nearest, closest)

    start = (jnp.zeros((), count.dtype), jnp.full(data.n, jnp.inf, norms.dtype))
    return State((), jax.lax.while_loop(lambda carry: carry[0] * chunk < count, body, start)[1])


def _distances(data: Factors, norms: Array, centres: Factors) -> Float[Array, "n m"]:
    squared = norms[:, None] + centres.squared_norms()[None] - 2 * data.inner(centres)
    return jnp.maximum(squared, 0)


def _gain(data: Factors, state: State, weight: Any = 1.0) -> Float[Array, " n"]:
    return jnp.where(jnp.asarray(weight) < 0, jnp.nan, state.local)


def _update(data: Factors, state: State, index: Array, point: Factors, weight: Any = 1.0) -> State:
    nearest = jnp.minimum(state.local, _distances(data, data.squared_norms(), point)[:, 0])
    nearest = nearest.at[index].set(0, mode="drop")  # exactly, whatever rounding says
    return State((), jnp.where(jnp.asarray(weight) > 0, nearest, state.local))


def _value(state: State) -> Float[Array, ""]:
    return jnp.full((), jnp.nan, state.local.dtype)
