"""Approximate FIRAL: for many classes, by conjugate gradients and blocks, without a matrix of the last layer's size."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from alfi.design.matrix_free import block_regret, relax, solve_probes
from alfi.fisher.softmax_layer import softmax_layer
from alfi.typing import Fitted, Likelihood, Model, Pool, PRNGKey, Selection, Strategy


def approx_firal(
    model: Model,
    likelihood: Likelihood,
    *,
    prior_precision: Any = 1.0,
    etas: tuple[float, ...] = (1.0, 3.0, 10.0, 30.0),
    probes: int = 10,
    iterations: int = 50,
    steps: int = 50,
) -> Strategy:
    """Minimise ``tr((lambda I + sum_labelled F)^-1 F_pool)`` of a softmax layer, estimated; round with its blocks.

    Tasks: classification. Needs: a trained model with features.

    ``Selection.gains`` are the slope of the estimate at the batch: its loss without the point, to first order.

    Parameters
    ----------
    prior_precision
        lambda: a positive number, or a function ``(layer, fitted, pool) -> number``. (The evidence needs all
        eigenvalues of the last layer, which this strategy is there to avoid.)
    etas
        Learning rates of the rounding; the batch of the smallest estimate is taken.
    probes
        Random kernels by which the trace is estimated, the same throughout.
    iterations, steps
        Of the relaxation, and of the conjugate gradients in each.

    Raises
    ------
    ValueError
        If a number is not positive, the likelihood not categorical or the model without ``features``.

    Cost: memory ``n (c + d) + c d^2``. An iteration ``n c d^2 + c d^3 + steps probes n c d``; a pick ``n c d^2 + c
    d^3`` for each rate.

    Source: Chen, Wen & Biros 2024, arXiv 2409.07392, with other probes: see ``alfi.design.matrix_free.relax``.
    """
    if isinstance(prior_precision, str) or (isinstance(prior_precision, int | float) and not prior_precision > 0):
        raise ValueError(f"approx_firal needs a positive number or a function; got {prior_precision!r}.")
    if not etas or min(*etas, probes, iterations, steps) <= 0:
        raise ValueError(f"approx_firal needs positive numbers; got {etas=}, {probes=}, {iterations=}, {steps=}.")
    layer_of = softmax_layer(model, likelihood)

    def select(key: PRNGKey, fitted: Fitted, pool: Pool, batch_size: int) -> Selection:
        layer = layer_of(key, fitted, pool)
        dtype = layer.features.dtype
        weights, population = pool.labelled.astype(dtype), pool.population.astype(dtype)
        number = prior_precision(layer, fitted, pool) if callable(prior_precision) else prior_precision
        precision = jnp.asarray(number, dtype)
        target = population / jnp.sum(population)
        drawn = jax.lax.map(lambda key: layer.draw(key, target), jax.random.split(key, probes))
        z = relax(layer, weights, pool.available, drawn, batch_size, precision, iterations, steps)

        def one(eta: Array) -> tuple[Selection, Array]:
            indices = block_regret(
                layer, weights, z, pool.available, batch_size, eta, precision, pool.groups, pool.costs
            )
            after = weights.at[indices].add(1, mode="drop")
            solved = solve_probes(layer, after, precision, drawn, jnp.zeros_like(drawn), steps)
            slope = jnp.mean(jax.lax.map(layer.form, solved.kernels), axis=0)
            slope = slope if pool.costs is None else slope / pool.costs
            gains = jnp.where(indices < len(weights), slope[jnp.minimum(indices, len(weights) - 1)], -jnp.inf)
            return Selection(indices, gains), solved.value

        ends, values = jax.lax.map(one, jnp.asarray(etas, dtype))
        best = jnp.argmin(jnp.where(jnp.isnan(values), jnp.inf, values))
        return jax.tree.map(lambda x: x[best], ends)

    return Strategy(fit=lambda key, fitted, pool: fitted, select=select)
