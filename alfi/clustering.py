"""k-means as a compiled program: k-means++ seeding, Lloyd's steps, and a number of clusters that may be traced."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from alfi.typing import PRNGKey


class Clusters(NamedTuple):
    """Centres [limit, d], of which the first ``count`` are used, and the cluster of each row."""

    centres: Float[Array, "limit d"]
    members: Int[Array, " n"]


def k_means(
    key: PRNGKey,
    points: Float[Array, "n d"],
    limit: int,
    *,
    count: Any = None,
    weights: Float[Array, " n"] | None = None,
    iterations: int = 50,
) -> Clusters:
    r"""Minimise ``sum_i w_i min_k |x_i - c_k|^2``, to a local minimum.

    Parameters
    ----------
    limit
        The most clusters there may be: it fixes shapes, ``count`` does not.
    count
        Number of clusters, at most ``limit``; default ``limit``. May be traced.
    weights
        Of the rows, not negative; default 1. Rows of weight 0 (padding) are given a cluster, and decide on none.
    iterations
        Lloyd's steps at most; it stops when no row changes its cluster.

    Returns
    -------
    Clusters. A cluster that loses all its rows keeps its centre.

    Raises
    ------
    ValueError
        If ``limit`` or ``iterations`` is below 1, or there are more clusters than rows.

    Cost: ``count n d`` for the seeds, and ``limit n d`` a step; memory ``limit n``.

    Source: Lloyd 1982, doi 10.1109/TIT.1982.1056489; Arthur & Vassilvitskii 2007 (k-means++).

    Examples
    --------
    >>> points = jnp.array([[0.0], [0.2], [5.0], [5.2]])
    >>> sorted(f"{centre:.1f}" for centre in k_means(jax.random.key(0), points, 2).centres[:, 0])
    ['0.1', '5.1']
    """
    n = points.shape[0]
    if not 1 <= limit <= n or iterations < 1:
        raise ValueError(f"k_means needs 1 <= limit <= {n} rows and iterations >= 1; got {limit=}, {iterations=}.")
    weights = jnp.ones(n, points.dtype) if weights is None else weights.astype(points.dtype)
    used = jnp.arange(limit) < (limit if count is None else count)
    real = (weights > 0)[:, None]
    clean = jnp.where(real, points, 0)
    # Around their mean, so that distances from inner products lose no digits to a common offset.
    mean = jnp.matmul(weights, clean, precision="highest") / jnp.sum(weights)
    points = jnp.where(real, points - mean[None], 0)
    centres = _seed(key, points, weights, used)

    def step(carry):
        centres, members, number, _ = carry
        one_hot = jax.nn.one_hot(members, limit, dtype=points.dtype) * weights[:, None]
        mass = jnp.sum(one_hot, axis=0)[:, None]
        sums = jnp.matmul(one_hot.T, points, precision="highest")
        centres = jnp.where(mass > 0, sums / jnp.where(mass > 0, mass, 1), centres)
        new = _nearest(points, centres, used)
        return centres, new, number + 1, jnp.any(new != members)

    start = centres, _nearest(points, centres, used), jnp.zeros((), jnp.int32), jnp.ones((), bool)
    centres, members, *_ = jax.lax.while_loop(lambda carry: carry[3] & (carry[2] < iterations), step, start)
    return Clusters(centres + mean[None], members)


def _nearest(points: Float[Array, "n d"], centres: Float[Array, "k d"], used: Bool[Array, " k"]) -> Int[Array, " n"]:
    """The nearest centre; ties: the first."""
    squared = jnp.sum(centres**2, axis=1)[None] - 2 * jnp.matmul(points, centres.T, precision="highest")
    return jnp.argmin(jnp.where(used[None], squared, jnp.inf), axis=1)


def _seed(key: PRNGKey, points: Float[Array, "n d"], weights: Float[Array, " n"], used: Bool[Array, " k"]) -> Array:
    """k-means++: each seed with probability proportional to its squared distance to the nearest one before."""
    norms = jnp.sum(points**2, axis=1)

    def draw(carry):
        number, nearest, centres = carry
        chance = weights * jnp.where(jnp.any(weights * nearest > 0), nearest, 1)  # all at a seed: any row
        logits = jnp.where(chance > 0, jnp.log(jnp.where(chance > 0, chance, 1)), -jnp.inf)
        index = jax.random.categorical(jax.random.fold_in(key, number), logits)
        squared = norms + norms[index] - 2 * jnp.matmul(points, points[index], precision="highest")
        squared = jnp.maximum(squared, 0).at[index].set(0)
        return number + 1, jnp.minimum(nearest, squared), centres.at[number].set(points[index])

    limit = used.shape[0]
    # Infinite distances at the start would make the first draw impossible in logarithms: 1 each is the same, uniform.
    first = jax.random.categorical(jax.random.fold_in(key, limit), jnp.log(weights))
    squared = norms + norms[first] - 2 * jnp.matmul(points, points[first], precision="highest")
    nearest = jnp.maximum(squared, 0).at[first].set(0)
    centres = jnp.zeros((limit, points.shape[1]), points.dtype).at[0].set(points[first])
    carry = jnp.ones((), jnp.int32), nearest, centres
    return jax.lax.while_loop(lambda carry: carry[0] < jnp.sum(used), draw, carry)[2]
