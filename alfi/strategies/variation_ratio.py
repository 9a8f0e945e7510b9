"""Variation ratio: the examples on whose label the posterior samples agree least."""

from typing import Any

import jax
import jax.numpy as jnp

from alfi.criteria.score import score
from alfi.fisher.probabilities import label_probabilities, sampled_outputs
from alfi.selection.top_k import top_k
from alfi.strategies.compose import compose
from alfi.typing import Likelihood, Model, Strategy


def variation_ratio(
    model: Model,
    likelihood: Likelihood,
    *,
    votes: bool = False,
    posterior: Any = "laplace",
    samples: int = 64,
    prior_precision: Any = "evidence",
    classes: int | None = None,
) -> Strategy:
    """Largest ``1 - max_y mean_k p_k(y)`` over the posterior samples k, averaged over sites.

    Tasks: classification, segmentation. Needs: a trained model with features, or an ensemble, or dropout.

    Parameters
    ----------
    votes
        Freeman's original instead: each sample has one vote, for its most probable label; ``1 - share of the largest
        vote``. Multiples of ``1 / samples``, so with many ties.
    posterior, samples, prior_precision
        As for ``fisher.sampled_outputs``.
    classes
        As for ``fisher.probabilities``.

    Source: Gal, Islam & Ghahramani 2017, arXiv 1703.02910, with the mean of probabilities; Freeman 1965.
    """
    outputs_of = sampled_outputs(
        model, likelihood, posterior=posterior, samples=samples, prior_precision=prior_precision
    )

    def factor_fn(key, fitted, pool, /):
        each = label_probabilities(likelihood, outputs_of(key, fitted, pool), classes)
        if votes:
            each = jax.nn.one_hot(jnp.argmax(each, axis=-1), each.shape[-1], dtype=each.dtype)
        doubt = 1 - each.mean(axis=0).max(axis=-1)
        return doubt.reshape(doubt.shape[0], -1).mean(axis=1)

    return compose(factor_fn, score(), top_k())
