"""Least confidence: the examples whose most probable label is least probable."""

import jax
import jax.numpy as jnp

from alfi.criteria.score import score
from alfi.fisher.probabilities import label_probabilities
from alfi.selection.top_k import top_k
from alfi.strategies.compose import compose
from alfi.typing import Likelihood, Model, Strategy


def least_confidence(model: Model, likelihood: Likelihood, *, classes: int | None = None) -> Strategy:
    """Largest ``1 - max_y p(y)``, averaged over sites.

    Tasks: classification, segmentation. Needs: a trained model.

    Parameters
    ----------
    classes
        Number of labels, where it is not that of the outputs (grades).

    Source: Lewis & Gale 1994, doi 10.1007/978-1-4471-2099-5_1.
    """

    def factor_fn(key, fitted, pool, /):
        del key
        each = label_probabilities(likelihood, model.apply(fitted.variables, pool.x), classes)
        # The sum of the others, not 1 - max: in float32 the surest examples would all tie at 0.
        best = jax.nn.one_hot(jnp.argmax(each, axis=-1), each.shape[-1], dtype=bool)
        doubt = jnp.sum(jnp.where(best, 0, each), axis=-1)
        return doubt.reshape(doubt.shape[0], -1).mean(axis=1)

    return compose(factor_fn, score(), top_k())
