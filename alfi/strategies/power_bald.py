"""PowerBALD: BALD as a lottery, so that the batch is not many copies of one question."""

from typing import Any

from alfi.selection.stochastic import power
from alfi.strategies.bald import bald
from alfi.typing import Likelihood, Model, Strategy


def power_bald(
    model: Model,
    likelihood: Likelihood,
    *,
    beta: float = 1.0,
    posterior: Any = "laplace",
    samples: int = 64,
    prior_precision: Any = "evidence",
    classes: int | None = None,
) -> Strategy:
    """Draws without replacement in proportion to ``BALD^beta``, at the cost of ``bald``.

    Tasks: any. Needs: a trained model with features, or an ensemble, or dropout.

    Parameters
    ----------
    beta
        The larger, the nearer to ``bald``; 1 as published.
    posterior, samples, prior_precision, classes
        As for ``bald``.

    Source: Kirsch et al. 2023, arXiv 2106.12059.
    """
    return bald(
        model,
        likelihood,
        posterior=posterior,
        samples=samples,
        prior_precision=prior_precision,
        classes=classes,
        rule=power(beta),
    )
