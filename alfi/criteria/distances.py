"""What the criteria of distances share: distances from inner products, and folding over the chosen points."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from alfi.typing import Factors

# What the criteria of distances read: factors, or a tuple of them.
Points = Factors | tuple

# Centres whose distances to the whole pool are held at once.
CENTRES = 64


def squared_distances(data: Points, centres: Points) -> Float[Array, "n m"]:
    """``||A_i - A_j||^2 = |a|^2 + |b|^2 - 2 <a, b>``, clipped at 0; the factors of a last layer are never formed.

    Of a tuple of factors (inputs and outputs, say): the product of their squared distances.
    """
    if type(data) is tuple:
        each = [squared_distances(*pair) for pair in zip(data, centres, strict=True)]
        return jnp.prod(jnp.stack(each), axis=0)
    squared = data.squared_norms()[:, None] + centres.squared_norms()[None] - 2 * data.inner(centres)
    return jnp.maximum(squared, 0)


def fold(step: Callable[[Any, Array, Array, Array], Any], start: Any, data: Points, weights: Float[Array, " n"]) -> Any:
    """Fold ``step(carry, squared_distances[n, m], weights[m], indices[m])`` over the rows of nonzero weight.

    In chunks of m, as many as there are: the cost is that of the chosen, not of the pool squared. The last chunk is
    filled up with rows of weight 0.
    """
    n = weights.shape[0]
    chunk = min(CENTRES, n)
    order = jnp.pad(jnp.argsort(weights == 0, stable=True), (0, -n % chunk))
    count = jnp.count_nonzero(weights)

    def body(carry: tuple[Array, Any]) -> tuple[Array, Any]:
        number, inner = carry
        rows = jax.lax.dynamic_slice_in_dim(order, number * chunk, chunk)
        real = number * chunk + jnp.arange(chunk) < count
        distances = jnp.where(real[None], squared_distances(data, rows_of(data, rows)), 0)
        return number + 1, step(inner, distances, jnp.where(real, weights[rows], 0), rows)

    zero = jnp.zeros((), count.dtype)
    return jax.lax.while_loop(lambda carry: carry[0] * chunk < count, body, (zero, start))[1]


def rows_of(data: Points, rows: Array) -> Points:
    """``data.take(rows)``, of each of a tuple."""
    return tuple(part.take(rows) for part in data) if type(data) is tuple else data.take(rows)


def size(data: Points) -> tuple[int, Any]:
    """Number of rows and dtype."""
    leaves = jax.tree.leaves(data)
    return leaves[0].shape[0], jnp.result_type(*leaves)


def only_adding(gains: Array, weight: Any) -> Float[Array, " n"]:
    """nan for a negative weight: what is lost without a point is not known from distances to the nearest."""
    return jnp.where(jnp.asarray(weight) < 0, jnp.nan, gains)
