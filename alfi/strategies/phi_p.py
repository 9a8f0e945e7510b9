"""Fisher Phi_p-optimal: between A- and E-optimality."""

from typing import Any

import jax

from alfi import criteria
from alfi.fisher.last_layer import last_layer
from alfi.fisher.prior import prior
from alfi.fisher.sketch import sketch_above
from alfi.selection.greedy import greedy
from alfi.strategies.compose import compose
from alfi.typing import Likelihood, Model, Strategy


def phi_p(
    model: Model,
    likelihood: Likelihood,
    *,
    exponent: float = 2.0,
    sketch: int | None = 64,
    prior_precision: Any = "evidence",
    temperature: float = 1.0,
) -> Strategy:
    """Greedy minimisation of ``(tr M^-q / p)^(1/q)`` with ``M = lambda I + sum F`` over the last layer.

    Tasks: any. Needs: a trained model with features.

    Parameters
    ----------
    exponent
        q > 0: 1 orders designs as A-optimality, towards 0 as D, and a large one as E, but smoothly.
    sketch
        A last layer of more parameters is projected at random onto so many: a gain is an eigenvalue problem for every
        candidate, ``O(n p^3)`` a pick. ``None``: never.
    prior_precision, temperature
        As for ``d_optimal``; the evidence is that of the whole last layer.

    Source: Kiefer 1974, doi 10.1214/aos/1176342810.
    """
    factor_fn = last_layer(model, likelihood, temperature=temperature)
    precision = prior(prior_precision, model, likelihood)

    def criterion(data, fitted, pool):
        del data  # perhaps a sketch, which the evidence cannot be told from
        whole = factor_fn(jax.random.key(0), fitted, pool)
        return criteria.phi_p(exponent, prior_precision=precision(whole, fitted, pool))

    return compose(sketch_above(factor_fn, sketch), criterion, greedy())
