"""FIRAL: the best continuous design for the pool's Fisher information, rounded by regret minimisation."""

from typing import Any

import jax.numpy as jnp

from alfi.criteria.v_optimal import v_optimal
from alfi.fisher.last_layer import last_layer
from alfi.fisher.prior import prior
from alfi.selection.ftrl import ftrl
from alfi.strategies.compose import compose
from alfi.typing import Likelihood, Model, Strategy


def firal(
    model: Model,
    likelihood: Likelihood,
    *,
    prior_precision: Any = "evidence",
    etas: tuple[float, ...] = (1.0, 3.0, 10.0, 30.0),
    method: str = "multiplicative",
    iterations: int = 100,
) -> Strategy:
    """Minimise ``tr((lambda I + sum_labelled F)^-1 F_pool)`` over the last layer: relax, then follow the leader.

    Tasks: any. Needs: a trained model with features.

    The objective of ``bait`` and ``v_optimal`` with another search. ``approx_firal`` is the form for many classes.

    Parameters
    ----------
    prior_precision
        lambda: "evidence" (1 while nothing is labelled: there is no evidence, and with the smallest lambda what is lost
        without a point cannot be told in float32), a positive number, or a function ``(factors, fitted, pool) ->
        number``.
    etas
        Learning rates of the rounding; the best batch of all is taken.
    method, iterations
        Of ``design.solve``: "multiplicative" (default), "mirror" (entropic mirror descent, as published), "pairwise".

    Cost: an iteration ``n p r + p^3``, a pick ``p^3 + n p^2`` for each rate: for p up to a few hundred.

    Source: Chen & Biros 2023, arXiv 2409.07379.
    """
    precision = prior(prior_precision, model, likelihood)

    def criterion(factors, fitted, pool):
        number = precision(factors, fitted, pool)
        if isinstance(prior_precision, str):
            number = jnp.where(jnp.any(pool.labelled), number, 1)
        return v_optimal(prior_precision=number)

    return compose(last_layer(model, likelihood), criterion, ftrl(tuple(etas), method=method, iterations=iterations))
