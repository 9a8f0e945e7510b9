"""TypiClust: typical examples, one from each of many clusters; for small budgets."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from alfi.clustering import k_means
from alfi.criteria.distances import squared_distances
from alfi.criteria.score import score
from alfi.embeddings.as_factors import points_of
from alfi.fisher.embedding import embedding as features
from alfi.fisher.factors import DenseFactors
from alfi.selection.greedy import greedy
from alfi.selection.in_turn import in_turn
from alfi.strategies.compose import compose
from alfi.typing import FactorFn, Fitted, Likelihood, Model, Pool, PRNGKey, Selection, Strategy

# Rows whose distances to the whole pool are held at once.
CHUNK = 256


def typiclust(
    model: Model,
    likelihood: Likelihood,
    *,
    embedding: FactorFn | None = None,
    clusters: int = 500,
    neighbours: int = 20,
    smallest: int = 5,
) -> Strategy:
    """The most typical example of one k-means cluster after the other, those with the fewest labels and largest first.

    Tasks: any. Needs: no label; an embedding that separates classes (a pretrained or self-supervised network).

    Parameters
    ----------
    embedding
        FactorFn giving points, DenseFactors [n, 1, d]. Default: the last layer's features.
    clusters
        There are as many as labels after the batch, at most this many.
    neighbours
        Typicality is 1 / mean distance to so many nearest neighbours in the cluster, half of it at most.
    smallest
        Clusters of this size or less are left to the end.

    Density is that of the whole cluster and computed once; the authors' code leaves out labelled examples and picks.

    Cost: k-means, and ``n^2 d``: pools of up to some 10,000.

    Source: Hacohen, Dekel & Weinshall 2022, arXiv 2202.02794.
    """
    del likelihood
    factor_fn = features(model) if embedding is None else embedding
    return by_typicality(factor_fn, clusters=clusters, neighbours=neighbours, smallest=smallest)


def by_typicality(factor_fn: FactorFn, *, clusters: int = 500, neighbours: int = 20, smallest: int = 5) -> Strategy:
    """TypiClust of any points: it needs no model.

    Raises
    ------
    ValueError
        If there are to be no clusters, or no neighbours.
    """
    if clusters < 1 or neighbours < 1:
        raise ValueError(f"typiclust needs clusters >= 1 and neighbours >= 1; got {clusters} and {neighbours}.")
    rule = in_turn(greedy(), smallest)

    def select(key: PRNGKey, fitted: Fitted, pool: Pool, batch_size: int) -> Selection:
        def read(key: PRNGKey, fitted: Fitted, pool: Pool, /) -> tuple[Array, Array]:
            key_factors, key_means = jax.random.split(key)
            points = points_of(factor_fn(key_factors, fitted, pool))
            limit = min(clusters, points.shape[0])
            count = jnp.minimum(jnp.sum(pool.labelled) + batch_size, limit)
            members = k_means(key_means, points, limit, count=count, weights=pool.population).members
            return members, typicality(points, members, pool.population, neighbours)

        return compose(read, score(), rule).select(key, fitted, pool, batch_size)

    return Strategy(fit=lambda key, fitted, pool: fitted, select=select)


def typicality(
    points: Float[Array, "n d"], members: Int[Array, " n"], population: Float[Array, " n"], neighbours: int
) -> Float[Array, " n"]:
    """1 / mean distance to the nearest neighbours in the own cluster: so many, or half of it if that is less."""
    n = points.shape[0]
    factors, real = DenseFactors(points[:, None]), population > 0
    size = jax.ops.segment_sum(real.astype(int), members, num_segments=n)[members]

    def one(row: Array) -> Array:
        squared = squared_distances(factors, factors.take(row[None]))[:, 0]
        others = (members == members[row]) & real & (jnp.arange(n) != row)
        closest = -jax.lax.top_k(jnp.where(others, -squared, -jnp.inf), min(neighbours, n))[0]
        number = jnp.clip(size[row] // 2, 1, neighbours)
        counted = (jnp.arange(closest.shape[0]) < number) & jnp.isfinite(closest)
        mean = jnp.sum(jnp.where(counted, jnp.sqrt(jnp.where(counted, closest, 0)), 0)) / number
        return jnp.where(counted[0], 1 / mean, 0)  # alone in its cluster: typical of nothing

    return jax.lax.map(one, jnp.arange(n), batch_size=CHUNK)
