"""GSy: greedy sampling in the outputs, for regression."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array

from alfi import criteria
from alfi.fisher.factors import DenseFactors
from alfi.selection.greedy import greedy
from alfi.strategies.compose import compose
from alfi.strategies.gs_x import centrality, z_scored
from alfi.typing import Criterion, FactorFn, Factors, Fitted, Likelihood, Model, Pool, PRNGKey, Strategy


def gs_y(model: Model, likelihood: Likelihood, *, embedding: FactorFn | None = None, first: int = 1) -> Strategy:
    """The example whose predicted output is farthest from all labels, and from the predictions of what is picked.

    Tasks: regression. Needs: a trained model.

    Parameters
    ----------
    embedding
        For GSx, as there.
    first
        With fewer labels than this, the batch is that of GSx. The paper takes the number of inputs.

    Outputs are z-scored by the labels. Of a heteroscedastic head the means count.

    Source: Wu, Lin & Huang 2019, doi 10.1016/j.ins.2018.09.060.
    """
    del likelihood
    require_first(first)
    read_points, read_outputs = z_scored(embedding), outputs(model)

    def read(key: PRNGKey, fitted: Fitted, pool: Pool, /) -> tuple[Array, Factors, Factors]:
        points = read_points(key, fitted, pool)
        return centrality(points, pool), points, read_outputs(fitted, pool)

    return compose(read, lambda data, fitted, pool: after(first, pool, data), greedy())


def require_first(first: int) -> None:
    """Without any label there is no distance in the outputs.

    Raises
    ------
    ValueError
        If ``first`` is below 1.
    """
    if first < 1:
        raise ValueError(f"greedy sampling needs first >= 1, a label to measure distances from; got {first}.")


def after(first: int, pool: Pool, data: Any) -> Criterion:
    """GSx with fewer than ``first`` labels; with that many the distance in the data's last part."""
    early = (jnp.sum(pool.labelled) < first).astype(data[0].dtype)
    weights = jnp.stack([early, early, 1 - early])
    return criteria.combine(
        criteria.score(), criteria.min_distance(), criteria.min_distance(), weights=weights, fuse=_in_time
    )


def _in_time(gains: Array, weights: Array, candidates: Array) -> Array:
    del candidates
    passive = jnp.where(jnp.all(jnp.isposinf(gains[1])), gains[0], gains[1])
    return jnp.where(weights[0] > 0, passive, gains[2])


def outputs(model: Model):
    """``(fitted, pool) -> DenseFactors`` of labels, and of predictions where there is none, z-scored by labels.

    Raises
    ------
    ValueError
        In use, if labels are classes, or of another number than the outputs.
    """

    def read(fitted: Fitted, pool: Pool) -> DenseFactors:
        predicted = model.apply(fitted.variables, pool.x)
        n, c = pool.x.shape[0], predicted.shape[-1]
        known = pool.y.reshape(n, -1)
        predicted = predicted.reshape(n, -1)
        heads = predicted.shape[1] // known.shape[1]
        if not jnp.issubdtype(pool.y.dtype, jnp.floating) or predicted.shape[1] not in (
            known.shape[1],
            2 * known.shape[1],
        ):
            raise ValueError(
                f"greedy sampling in the outputs is for regression: labels of real numbers, as many as outputs; got "
                f"y of {pool.y.dtype}{list(pool.y.shape)} and {c} outputs."
            )
        sites = predicted.reshape(n, -1, c)[:, :, : c // heads].reshape(n, -1)
        labelled = pool.labelled[:, None]
        known = known.astype(sites.dtype)
        count = jnp.maximum(jnp.sum(labelled), 1)
        mean = jnp.sum(jnp.where(labelled, known, 0), axis=0, keepdims=True) / count
        spread = jnp.sqrt(jnp.sum(jnp.where(labelled, known - mean, 0) ** 2, axis=0, keepdims=True) / count)
        values = (jnp.where(labelled, known, sites) - mean) / jnp.where(spread > 0, spread, 1)
        return DenseFactors(values[:, None])

    return read
