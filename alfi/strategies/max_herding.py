"""MaxHerding: the examples that best represent the pool under a kernel; ProbCover without a hard radius."""

from typing import Any

import jax.numpy as jnp

from alfi import criteria
from alfi.fisher.embedding import embedding as features
from alfi.selection.greedy import greedy
from alfi.strategies.compose import compose
from alfi.typing import FactorFn, Fitted, Likelihood, Model, Pool, Strategy


def max_herding(
    model: Model, likelihood: Likelihood, *, embedding: FactorFn | None = None, bandwidth: Any = None
) -> Strategy:
    """Greedy maximisation of ``mean_t max_j k(t, j)``, how well the pool t is represented by what is labelled.

    Tasks: any. Needs: no label; an embedding that separates classes (a pretrained or self-supervised network).

    Parameters
    ----------
    embedding
        FactorFn giving DenseFactors [n, 1, d]. Default: the last layer's features.
    bandwidth
        b of the kernel ``exp(-d^2 / (2 b^2))``, in the unit of the embedding. Default: half the root mean square
        distance of two examples of the pool, from which a typical pair has similarity ``exp(-2)``.

    Cost: ``n^2 d`` a pick: pools of up to some 10,000.

    Source: Bae, Noh & Sutherland 2024, arXiv 2407.12212.
    """
    del likelihood

    def criterion(factors, fitted: Fitted, pool: Pool):
        if bandwidth is not None:
            return criteria.facility_location(bandwidth=bandwidth)
        array = factors.array.reshape(factors.n, -1)
        weights = (pool.population / jnp.sum(pool.population)).astype(array.dtype)[:, None]
        clean = jnp.where(weights > 0, array, 0)
        centred = clean - jnp.sum(weights * clean, axis=0, keepdims=True)
        variance = jnp.sum(weights * centred**2)  # the mean squared distance of two examples is twice this
        half = jnp.sqrt(variance / 2)
        return criteria.facility_location(bandwidth=jnp.where(half > 0, half, 1))

    return compose(features(model) if embedding is None else embedding, criterion, greedy())
