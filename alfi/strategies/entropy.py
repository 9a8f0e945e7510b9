"""Entropy: the examples whose label the model is least sure of."""

import jax

from alfi.criteria.score import score
from alfi.selection.top_k import top_k
from alfi.strategies.compose import compose
from alfi.typing import FactorFn, Likelihood, Model, Strategy


def entropy(model: Model, likelihood: Likelihood) -> Strategy:
    """Largest predictive entropy, in nats, summed over sites. Blind to redundancy within the batch.

    Tasks: any. Needs: a trained model.

    Source: Shannon 1948; as a query strategy, Dagan & Engelson 1995.
    """
    return compose(entropies(model, likelihood), score(), top_k())


def entropies(model: Model, likelihood: Likelihood) -> FactorFn:
    """The scores [n] themselves, for strategies that combine them with something else."""

    def factor_fn(key, fitted, pool, /):
        del key
        outputs = model.apply(fitted.variables, pool.x)
        sites = outputs.reshape(outputs.shape[0], -1, outputs.shape[-1])
        return jax.vmap(jax.vmap(likelihood.entropy))(sites).sum(axis=1)

    return factor_fn
