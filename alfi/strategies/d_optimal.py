"""Fisher D-optimal: the batch that tells most about the last layer's parameters."""

from typing import Any

from alfi import criteria
from alfi.fisher.last_layer import last_layer
from alfi.fisher.prior import prior
from alfi.selection.greedy import greedy
from alfi.strategies.compose import compose
from alfi.typing import Likelihood, Model, Strategy


def d_optimal(
    model: Model, likelihood: Likelihood, *, prior_precision: Any = "evidence", temperature: float = 1.0
) -> Strategy:
    """Greedy maximisation of ``log det(lambda I + sum F)``, exact over the last layer: expected information gain.

    Tasks: any. Needs: a trained model with features (and a head, for the evidence).

    Parameters
    ----------
    prior_precision
        lambda: "evidence" (maximised anew each round), a positive number, or a function
        ``(factors, fitted, pool) -> number`` such as ``fisher.weight_decay(1e-4)``.
    temperature
        Of the predictions in the Fisher information; see ``fisher.last_layer``.
    """
    precision = prior(prior_precision, model, likelihood)
    return compose(
        last_layer(model, likelihood, temperature=temperature),
        lambda factors, fitted, pool: criteria.d_optimal(prior_precision=precision(factors, fitted, pool)),
        greedy(),
    )
