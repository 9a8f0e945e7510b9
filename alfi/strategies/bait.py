"""BAIT: Fisher information of the pool, bought with as few labels as possible."""

from typing import Any

import jax.numpy as jnp

from alfi.criteria.v_optimal import v_optimal
from alfi.fisher.last_layer import last_layer
from alfi.fisher.prior import prior
from alfi.selection.forward_backward import forward_backward
from alfi.strategies.compose import compose
from alfi.typing import Likelihood, Model, Strategy


def bait(
    model: Model, likelihood: Likelihood, *, prior_precision: Any = 1.0, oversample: int = 2, weighting: str = "sum"
) -> Strategy:
    """Minimise ``tr((lambda I + sum_labelled F)^-1 F_pool)`` over the last layer: pick twice the batch, then prune.

    Parameters
    ----------
    prior_precision
        lambda; 1 as published. Also "evidence", or a function ``(factors, fitted, pool) -> number``.
    oversample
        Picked before pruning, in batches; 2 as published.
    weighting
        ``"sum"``: every example counts once, labelled or new. ``"reference"``: as in the authors' code, for comparison
        with it: ``lambda I + (sum_labelled F + K sum_batch F) / (n_labelled + K)`` with K the batch size, so that a new
        example weighs K times as much as a labelled one.

    Raises
    ------
    ValueError
        For another weighting, an ``oversample`` below 1, or a prior precision that is not positive.

    Source: Ash et al. 2021, arXiv 2106.09675.
    """
    if weighting not in ("sum", "reference"):
        raise ValueError(f"bait needs weighting 'sum' or 'reference'; got {weighting!r}.")
    factors, precision, rule = (
        last_layer(model, likelihood),
        prior(prior_precision, model, likelihood),
        forward_backward(oversample),
    )
    plain = compose(factors, lambda *about: v_optimal(prior_precision=precision(*about)), rule)
    if weighting == "sum":
        return plain

    def select(key, fitted, pool, batch_size):
        # In units of a new example's weight K / (n_labelled + K), so that a pick has weight 1 as everywhere.
        def criterion(factors, fitted, pool):
            unit = batch_size / (jnp.sum(pool.labelled) + batch_size)
            return v_optimal(prior_precision=precision(factors, fitted, pool) / unit)

        def search(key, criterion, data, weights, *rest, **options):
            return rule(key, criterion, data, weights / batch_size, *rest, **options)

        return compose(factors, criterion, search).select(key, fitted, pool, batch_size)

    return plain._replace(select=select)
