"""Mean STD: the examples whose predictions spread most over the posterior samples."""

from typing import Any

import jax.numpy as jnp

from alfi.criteria.score import score
from alfi.fisher.probabilities import label_probabilities, sampled_outputs
from alfi.selection.top_k import top_k
from alfi.strategies.compose import compose
from alfi.typing import Likelihood, Model, Strategy


def mean_std(
    model: Model,
    likelihood: Likelihood,
    *,
    posterior: Any = "laplace",
    samples: int = 64,
    prior_precision: Any = "evidence",
    classes: int | None = None,
) -> Strategy:
    """Largest ``mean_y std_k p_k(y)``: standard deviation over the posterior samples k, mean over labels and sites.

    Tasks: any. Needs: a trained model with features, or an ensemble, or dropout.

    For real-valued labels it is the standard deviation of the outputs themselves, in their units: the ensemble variance
    of regression. The deviation is that of the samples (divided by their number).

    Parameters
    ----------
    posterior, samples, prior_precision
        As for ``fisher.sampled_outputs``.
    classes
        As for ``fisher.probabilities``.

    Source: Kampffmeyer et al. 2016, doi 10.1109/CVPRW.2016.90; Gal, Islam & Ghahramani 2017, arXiv 1703.02910.
    """
    outputs_of = sampled_outputs(
        model, likelihood, posterior=posterior, samples=samples, prior_precision=prior_precision
    )

    def factor_fn(key, fitted, pool, /):
        each = outputs_of(key, fitted, pool)
        if likelihood.mode is not None:
            each = label_probabilities(likelihood, each, classes)
        spread = jnp.std(each, axis=0)
        return spread.reshape(spread.shape[0], -1).mean(axis=1)

    return compose(factor_fn, score(), top_k())
