"""Distances between examples, and what the criteria of distances share: folding them over the chosen points."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from alfi.fisher.factors import DenseFactors
from alfi.typing import Factors

# What the criteria of distances read: factors, or a tuple of them.
Points = Factors | tuple

# (data of n, centres of m) -> [n, m]
Distance = Callable[[Points, Points], Float[Array, "n m"]]

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


def euclidean(data: Points, centres: Points) -> Float[Array, "n m"]:
    """``||A_i - A_j||``; of a tuple of factors, the product of their distances."""
    return jnp.sqrt(squared_distances(data, centres))


def city_block(data: Points, centres: Points) -> Float[Array, "n m"]:
    """``sum_k |a_k - b_k|``."""
    return _by_centre(lambda x, y: jnp.sum(jnp.abs(x - y), axis=1), data, centres)


def chebyshev(data: Points, centres: Points) -> Float[Array, "n m"]:
    """``max_k |a_k - b_k|``."""
    return _by_centre(lambda x, y: jnp.max(jnp.abs(x - y), axis=1), data, centres)


def cosine(data: Points, centres: Points) -> Float[Array, "n m"]:
    """``1 - <a, b> / (|a| |b|)``; 1 from a vector of zeros, which has no direction."""
    lengths = jnp.sqrt(data.squared_norms()[:, None] * centres.squared_norms()[None])
    return 1 - jnp.where(lengths > 0, data.inner(centres) / jnp.where(lengths > 0, lengths, 1), 0)


def russell_rao(data: Points, centres: Points) -> Float[Array, "n m"]:
    """``1 - c / p``, c the number of the p features that are positive in both. Features count as on where ``> 0``."""
    both, _, p = _agreements(data, centres)
    return 1 - both / p


def kulsinski(data: Points, centres: Points) -> Float[Array, "n m"]:
    """``(u - c + p) / (u + p)``, u the number of features positive in one of the two, c in both.

    As SciPy had it until 1.11, where it was taken out for want of a source (Kulczynski's own coefficient is another);
    it is here because MedAL compares it.
    """
    both, one, p = _agreements(data, centres)
    return (one - both + p) / (one + p)


def fold(
    step: Callable[[Any, Array, Array, Array], Any],
    start: Any,
    data: Points,
    weights: Float[Array, " n"],
    distance: Distance = squared_distances,
) -> Any:
    """Fold ``step(carry, distances[n, m], weights[m], indices[m])`` over the rows of nonzero weight.

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
        distances = jnp.where(real[None], distance(data, rows_of(data, rows)), 0)
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


def _rows(data: Points) -> Float[Array, "n p"]:
    if not isinstance(data, DenseFactors):
        raise ValueError(f"this distance compares vectors, DenseFactors as fisher.embedding gives; got {type(data)}.")
    return data.array.reshape(data.n, -1)


def _by_centre(between: Callable[[Array, Array], Array], data: Points, centres: Points) -> Float[Array, "n m"]:
    """One centre after another: differences of all pairs at once would be ``n m p`` numbers."""
    x = _rows(data)
    return jax.lax.map(lambda centre: between(x, centre[None]), _rows(centres)).T


def _agreements(data: Points, centres: Points) -> tuple[Float[Array, "n m"], Float[Array, "n m"], int]:
    x, y = _rows(data), _rows(centres)
    on, centres_on = (x > 0).astype(x.dtype), (y > 0).astype(y.dtype)
    both = jnp.matmul(on, centres_on.T, precision="highest")
    return both, on.sum(1)[:, None] + centres_on.sum(1)[None] - 2 * both, x.shape[1]
