"""Fisher A-optimal: the batch that makes the last layer's parameters themselves most certain."""

from typing import Any

from alfi import criteria
from alfi.fisher.last_layer import last_layer
from alfi.fisher.prior import prior
from alfi.selection.greedy import greedy
from alfi.strategies.compose import compose
from alfi.typing import Likelihood, Model, Strategy


def a_optimal(
    model: Model, likelihood: Likelihood, *, prior_precision: Any = "evidence", temperature: float = 1.0
) -> Strategy:
    """Greedy minimisation of ``tr (lambda I + sum F)^-1``, exact over the last layer: mean variance of the parameters.

    Tasks: any. Needs: a trained model with features.

    It depends on the scale of the features, unlike D- and V-optimality; and parameters that no input tells anything of
    count as much as the others.

    Parameters
    ----------
    prior_precision
        lambda: "evidence" (maximised anew each round), a positive number, or a function
        ``(factors, fitted, pool) -> number`` such as ``fisher.weight_decay(1e-4)``.
    temperature
        Of the predictions in the Fisher information; see ``fisher.last_layer``.

    Source: Pukelsheim 2006, doi 10.1137/1.9780898719109.
    """
    precision = prior(prior_precision, model, likelihood)
    return compose(
        last_layer(model, likelihood, temperature=temperature),
        lambda factors, fitted, pool: criteria.a_optimal(prior_precision=precision(factors, fitted, pool)),
        greedy(),
    )
