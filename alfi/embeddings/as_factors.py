"""An embedding of inputs as the factors of a strategy."""

from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array, Float

from alfi.fisher.factors import DenseFactors
from alfi.typing import FactorFn, Factors, Fitted, Inputs, Pool, PRNGKey

# (key, x[n, ...], population[n]) -> [n, d]; rows of population 0 decide nothing
Embedding = Callable[[PRNGKey, Inputs, Float[Array, " n"]], Float[Array, "n d"]]


def as_factors(embedding: Embedding, *, z_scored: bool = False) -> FactorFn:
    """What strategies of distance take as ``embedding=``: the points as DenseFactors [n, 1, d].

    Parameters
    ----------
    z_scored
        Bring every coordinate to mean 0 and standard deviation 1 over the population; constant ones become 0.

    Examples
    --------
    >>> import alfi, jax
    >>> factor_fn = as_factors(alfi.embeddings.inputs(), z_scored=True)
    >>> pool = alfi.pool(jnp.array([[1.0, 5.0], [3.0, 5.0]]))
    >>> factor_fn(jax.random.key(0), alfi.Fitted(None), pool).array.tolist()
    [[[-1.0, 0.0]], [[1.0, 0.0]]]
    """

    def factor_fn(key: PRNGKey, fitted: Fitted, pool: Pool, /) -> DenseFactors:
        del fitted
        points = embedding(key, pool.x, pool.population)
        return DenseFactors((z_score(points, pool.population) if z_scored else points)[:, None])

    return factor_fn


def z_score(points: Float[Array, "n d"], weights: Float[Array, " n"]) -> Float[Array, "n d"]:
    """Each coordinate less its mean over the weighted rows, over its standard deviation; a constant one becomes 0."""
    weights = weights.astype(points.dtype)[:, None]
    total = jnp.maximum(jnp.sum(weights), jnp.finfo(points.dtype).tiny)
    clean = jnp.where(weights > 0, points, 0)
    mean = jnp.sum(weights * clean, axis=0, keepdims=True) / total
    spread = jnp.sqrt(jnp.sum(weights * (clean - mean) ** 2, axis=0, keepdims=True) / total)
    # A constant coordinate has a spread of rounding errors.
    varies = spread > 10 * jnp.finfo(points.dtype).eps * jnp.abs(mean)
    return jnp.where(varies, (points - mean) / jnp.where(varies, spread, 1), 0)


def points_of(factors: Factors) -> Float[Array, "n d"]:
    """The rows of DenseFactors as points.

    Raises
    ------
    ValueError
        If the factors are of another kind: a mean of them would have to be written out.
    """
    if not isinstance(factors, DenseFactors):
        raise ValueError(
            f"clusters need points, DenseFactors [n, 1, d]; got {type(factors).__name__}: take fisher.embedding(model) "
            "or embeddings.as_factors(...)."
        )
    return factors.array.reshape(factors.n, -1)
