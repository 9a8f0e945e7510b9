"""BAIT: Fisher information of the pool, bought with as few labels as possible."""

from typing import Any

import jax.numpy as jnp

from alfi.criteria.v_optimal import v_optimal
from alfi.fisher.factors import LastLayerFactors
from alfi.fisher.last_layer import last_layer
from alfi.fisher.prior import prior
from alfi.selection.forward_backward import forward_backward
from alfi.strategies.compose import compose
from alfi.typing import Likelihood, Model, SelectFn, Selection, Strategy


def bait(
    model: Model,
    likelihood: Likelihood,
    *,
    prior_precision: Any = 1.0,
    oversample: int = 2,
    weighting: str = "sum",
) -> Strategy:
    """Minimise ``tr((lambda I + sum_labelled F)^-1 F_pool)`` over the last layer: pick twice the batch, then prune.

    Parameters
    ----------
    prior_precision
        lambda; 1 as published. Also "evidence", or a function ``(factors, fitted, pool) -> number``.
    oversample
        Picked before pruning, in batches; 2 as published.
    weighting
        ``"sum"``: every labelled example has weight 1. ``"reference"``: as in the authors' code, with l labelled and a
        batch of k, ``lambda I + (sum_labelled F + k sum_new F) / (l + k)``: a new example counts k times a labelled
        one. (Their last layer has no bias.)

    Raises
    ------
    ValueError
        For another weighting.

    Source: Ash et al. 2021, arXiv 2106.09675.
    """
    if weighting not in ("sum", "reference"):
        raise ValueError(f"weighting must be 'sum' or 'reference'; got {weighting!r}.")
    precision, rule = prior(prior_precision, model, likelihood), forward_backward(oversample)
    return compose(
        last_layer(model, likelihood),
        lambda factors, fitted, pool: v_optimal(prior_precision=precision(factors, fitted, pool)),
        rule if weighting == "sum" else _reweighted(rule),
    )


def _reweighted(rule: SelectFn) -> SelectFn:
    """Weights of the authors' code, brought into the factors: rules add points of weight 1."""

    def select(key, criterion, data, weights, available, batch_size, **options):
        share = batch_size / (jnp.sum(weights) + batch_size)
        scaled = LastLayerFactors(data.roots * jnp.sqrt(share), data.features)
        picked = rule(key, criterion, scaled, weights / batch_size, available, batch_size, **options)
        return Selection(picked.indices, picked.gains / share)  # the target was scaled, too

    return select
