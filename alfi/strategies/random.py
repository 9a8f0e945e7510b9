"""Random: what every strategy is measured against."""

import jax

from alfi.criteria.score import score
from alfi.selection.top_k import top_k
from alfi.strategies.compose import compose
from alfi.typing import Likelihood, Model, Strategy


def random(model: Model, likelihood: Likelihood) -> Strategy:
    """Every available example with the same probability.

    Tasks: any.
    """
    del model, likelihood

    def factor_fn(key, fitted, pool, /):
        return jax.random.uniform(key, pool.labelled.shape, pool.population.dtype)

    return compose(factor_fn, score(), top_k())
