"""BAIT: Fisher information of the pool, bought with as few labels as possible."""

from typing import Any

from alfi.criteria.v_optimal import v_optimal
from alfi.fisher.last_layer import last_layer
from alfi.fisher.prior import prior
from alfi.selection.forward_backward import forward_backward
from alfi.strategies.compose import compose
from alfi.typing import Likelihood, Model, Strategy


def bait(model: Model, likelihood: Likelihood, *, prior_precision: Any = 1.0, oversample: int = 2) -> Strategy:
    """Minimise ``tr((lambda I + sum_labelled F)^-1 F_pool)`` over the last layer: pick twice the batch, then prune.

    Tasks: any. Needs: a trained model with features.

    Parameters
    ----------
    prior_precision
        lambda; 1 as published. Also "evidence", or a function ``(factors, fitted, pool) -> number``.
    oversample
        Picked before pruning, in batches; 2 as published.

    Every labelled example has weight 1. (The authors' code gives new points K times the weight of labelled ones.)

    Source: Ash et al. 2021, arXiv 2106.09675.
    """
    precision = prior(prior_precision, model, likelihood)
    return compose(
        last_layer(model, likelihood),
        lambda factors, fitted, pool: v_optimal(prior_precision=precision(factors, fitted, pool)),
        forward_backward(oversample),
    )
