"""ProbCover: balls around the labelled examples that cover as much of the pool as possible; for small budgets."""

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
from alfi.typing import FactorFn, Factors, Fitted, Likelihood, Model, Pool, PRNGKey, Strategy

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
    if not 0 < purity <= 1 or (clusters is not None and clusters < 1):
        raise ValueError(f"prob_cover needs 0 < purity <= 1 and clusters >= 1; got {purity} and {clusters}.")
    factor_fn = features(model) if embedding is None else embedding

    def read(key: PRNGKey, fitted: Fitted, pool: Pool, /) -> tuple[Factors, Array, Array]:
        key_factors, key_means, key_ties = jax.random.split(key, 3)
        factors = factor_fn(key_factors, fitted, pool)
        n, dtype = factors.n, factors.squared_norms().dtype
        if radius is None:
            number = max(2, _outputs(model, fitted, pool)) if clusters is None else clusters
            members = k_means(key_means, points_of(factors), min(number, n), weights=pool.population).members
            ball = pure_radius(factors, members, pool.population.astype(dtype), purity)
        else:
            ball = jnp.asarray(radius, dtype)
        return factors, jax.random.uniform(key_ties, (n,), dtype), ball

    def strategy(key: PRNGKey, fitted: Fitted, pool: Pool, batch_size: int):
        key_read, key_select = jax.random.split(key)
        factors, ties, ball = read(key_read, fitted, pool)
        # Ties are broken by less than the smallest difference between two coverages.
        share = jnp.min(jnp.where(pool.population > 0, pool.population, jnp.inf)) / jnp.sum(pool.population)
        criterion = criteria.combine(
            criteria.coverage(radius=ball), criteria.score(), weights=jnp.stack([1.0, share / 2])
        )
        return compose(lambda *_: (factors, ties), criterion, greedy()).select(key_select, fitted, pool, batch_size)

    return Strategy(fit=lambda key, fitted, pool: fitted, select=strategy)


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
    return reach[order][enough]


def _outputs(model: Model, fitted: Fitted, pool: Pool) -> int:
    return jax.eval_shape(model.apply, fitted.variables, pool.x[:1]).shape[-1]
