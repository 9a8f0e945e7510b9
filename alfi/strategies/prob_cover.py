"""ProbCover: balls around the labelled examples that cover as much of the pool as possible; for small budgets."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from alfi import criteria
from alfi.clustering import k_means
from alfi.criteria.distances import squared_distances
from alfi.embeddings.as_factors import points_of
from alfi.fisher.embedding import embedding as features
from alfi.selection.greedy import greedy
from alfi.strategies.compose import compose
from alfi.typing import FactorFn, Factors, Fitted, Likelihood, Model, Pool, PRNGKey, Selection, Strategy

# Rows whose distances to the whole pool are held at once.
CHUNK = 256


def prob_cover(
    model: Model,
    likelihood: Likelihood,
    *,
    embedding: FactorFn | None = None,
    radius: Any = None,
    clusters: int | None = None,
    purity: float = 0.95,
) -> Strategy:
    """The examples whose balls of one radius cover most of the pool that is not covered yet; ties at random.

    Tasks: any. Needs: no label; an embedding that separates classes (a pretrained or self-supervised network).

    Parameters
    ----------
    embedding
        FactorFn giving points, DenseFactors [n, 1, d]. Default: the last layer's features.
    radius
        In the unit of the embedding. Default: the largest at which a share ``purity`` of balls holds one pseudo-label
        only, as in the paper; pseudo-labels are k-means clusters.
    clusters
        Number of pseudo-labels; default the model's outputs, at least 2.

    When all is covered, gains are below one example's share, and picks are random.

    Cost: ``n^2 d`` a pick: pools of up to some 10,000.

    Source: Yehuda, Dekel, Hacohen & Weinshall 2022, arXiv 2205.11320.
    """
    del likelihood

    def number(fitted: Fitted, pool: Pool) -> int:
        return max(2, jax.eval_shape(model.apply, fitted.variables, pool.x[:1]).shape[-1])

    factor_fn = features(model) if embedding is None else embedding
    return by_coverage(factor_fn, radius=radius, clusters=number if clusters is None else clusters, purity=purity)


def by_coverage(
    factor_fn: FactorFn, *, clusters: int | Callable[[Fitted, Pool], int], radius: Any = None, purity: float = 0.95
) -> Strategy:
    """ProbCover of any points: it needs no model.

    Raises
    ------
    ValueError
        If the purity is not in (0, 1], or there are to be no clusters.
    """
    if not 0 < purity <= 1 or (isinstance(clusters, int) and clusters < 1):
        raise ValueError(f"prob_cover needs 0 < purity <= 1 and clusters >= 1; got {purity} and {clusters}.")

    def read(key: PRNGKey, fitted: Fitted, pool: Pool, /) -> tuple[Factors, Array, Array]:
        key_factors, key_means, key_ties = jax.random.split(key, 3)
        factors = factor_fn(key_factors, fitted, pool)
        n, dtype = factors.n, factors.squared_norms().dtype
        if radius is None:
            number = clusters(fitted, pool) if callable(clusters) else clusters
            members = k_means(key_means, points_of(factors), min(number, n), weights=pool.population).members
            ball = pure_radius(factors, members, pool.population.astype(dtype), purity)
            # One pseudo-label alone is pure at any radius, and a duplicate of another label at none.
            ball = jnp.clip(ball, jnp.sqrt(jnp.finfo(dtype).tiny), jnp.sqrt(jnp.finfo(dtype).max) / 2)
        else:
            ball = jnp.asarray(radius, dtype)
        return factors, jax.random.uniform(key_ties, (n,), dtype), ball

    def select(key: PRNGKey, fitted: Fitted, pool: Pool, batch_size: int) -> Selection:
        key_read, key_select = jax.random.split(key)
        factors, ties, ball = read(key_read, fitted, pool)
        # Ties are broken by less than the smallest difference between two coverages.
        share = jnp.min(jnp.where(pool.population > 0, pool.population, jnp.inf)) / jnp.sum(pool.population)
        criterion = criteria.combine(
            criteria.coverage(radius=ball), criteria.score(), weights=jnp.stack([1.0, share / 2])
        )
        return compose(lambda *_: (factors, ties), criterion, greedy()).select(key_select, fitted, pool, batch_size)

    return Strategy(fit=lambda key, fitted, pool: fitted, select=select)


def pure_radius(
    factors: Factors, members: Int[Array, " n"], population: Float[Array, " n"], purity: float
) -> Float[Array, ""]:
    """The largest radius at which a share ``purity`` of the population has only its own label in its (open) ball.

    A ball is pure up to the distance of the nearest row of another label: the radius is a quantile of those.
    """
    real = population > 0

    def one(row: Array) -> Array:
        squared = squared_distances(factors, factors.take(row[None]))[:, 0]
        return jnp.min(jnp.where(real & (members != members[row]), squared, jnp.inf))

    reach = jnp.sqrt(jax.lax.map(one, jnp.arange(factors.n), batch_size=CHUNK))
    order = jnp.argsort(-jnp.where(real, reach, -jnp.inf))
    share = jnp.cumsum(jnp.where(real, population, 0)[order]) / jnp.sum(population)
    enough = jnp.argmax(share >= purity * (1 - 10 * jnp.finfo(share.dtype).eps))  # rounding of the sums
    return reach[order][enough] * (1 - 4 * jnp.finfo(reach.dtype).eps)  # its square must not be larger by rounding
