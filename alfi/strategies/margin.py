"""Margin: the examples whose two most probable classes are closest."""

import jax

from alfi.criteria.score import score
from alfi.selection.top_k import top_k
from alfi.strategies.compose import compose
from alfi.typing import Likelihood, Model, Strategy


def margin(model: Model, likelihood: Likelihood) -> Strategy:
    """Smallest difference of the two largest class probabilities, averaged over sites. Categorical outputs only.

    Tasks: classification, segmentation. Needs: a trained model.

    Source: Scheffer, Decomain & Wrobel 2001, doi 10.1007/3-540-44816-0_31.
    """
    del likelihood

    def factor_fn(key, fitted, pool, /):
        del key
        probabilities = jax.nn.softmax(model.apply(fitted.variables, pool.x))
        largest, _ = jax.lax.top_k(probabilities, 2)
        difference = largest[..., 0] - largest[..., 1]
        return -difference.reshape(difference.shape[0], -1).mean(axis=1)

    return compose(factor_fn, score(), top_k())
