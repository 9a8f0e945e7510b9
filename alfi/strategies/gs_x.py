"""GSx: passive greedy sampling in the inputs, for regression."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from alfi import criteria
from alfi.criteria.distances import fold
from alfi.embeddings.as_factors import as_factors, points_of, z_score
from alfi.embeddings.inputs import inputs
from alfi.fisher.factors import DenseFactors
from alfi.selection.greedy import greedy
from alfi.strategies.compose import compose
from alfi.typing import Criterion, FactorFn, Factors, Fitted, Likelihood, Model, Pool, PRNGKey, Strategy


def gs_x(model: Model, likelihood: Likelihood, *, embedding: FactorFn | None = None) -> Strategy:
    """The example farthest from all labelled and picked ones in its z-scored inputs; the most central one first.

    Tasks: any; made for regression. Needs: no label.

    Parameters
    ----------
    embedding
        FactorFn giving points, DenseFactors [n, 1, d]; default the inputs. They are z-scored here.

    Source: Yu & Kim 2010, Passive sampling for regression, ICDM; Wu, Lin & Huang 2019, doi 10.1016/j.ins.2018.09.060.
    """
    del model, likelihood
    read_points = z_scored(embedding)

    def read(key: PRNGKey, fitted: Fitted, pool: Pool, /) -> tuple[Array, Factors]:
        points = read_points(key, fitted, pool)
        return centrality(points, pool), points

    return compose(read, after_first(), greedy())


def z_scored(embedding: FactorFn | None) -> FactorFn:
    """Points with every coordinate at mean 0 and standard deviation 1 over the population; default the inputs."""
    if embedding is None:
        return as_factors(inputs(), z_scored=True)

    def read(key: PRNGKey, fitted: Fitted, pool: Pool, /) -> DenseFactors:
        return DenseFactors(z_score(points_of(embedding(key, fitted, pool)), pool.population)[:, None])

    return read


def centrality(points: DenseFactors, pool: Pool) -> Float[Array, " n"]:
    """Minus the sum of distances to the population; not computed (zero) where something is labelled already."""
    dtype = points.array.dtype
    weights = jnp.where(jnp.any(pool.labelled), 0, pool.population).astype(dtype)

    def step(total: Array, squared: Array, weights: Array, rows: Array) -> Array:
        return total - jnp.matmul(jnp.sqrt(squared), weights, precision="highest")

    return fold(step, jnp.zeros(points.n, dtype), points, weights)


def after_first() -> Criterion:
    """Scores for the first pick of all, when nothing is chosen yet; from then on, distance to the nearest."""
    return criteria.combine(criteria.score(), criteria.min_distance(), fuse=_after_first)


def _after_first(gains: Float[Array, "m n"], weights: Array, candidates: Bool[Array, " n"]) -> Float[Array, " n"]:
    del weights, candidates
    return jnp.where(jnp.all(jnp.isposinf(gains[1])), gains[0], gains[1])
