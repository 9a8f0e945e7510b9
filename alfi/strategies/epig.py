"""EPIG: the examples whose label tells most about the labels of the population."""

from typing import Any

from alfi import criteria
from alfi.fisher.last_layer import last_layer
from alfi.fisher.prior import prior
from alfi.fisher.probabilities import probabilities
from alfi.selection.greedy import greedy
from alfi.selection.top_k import top_k
from alfi.strategies.compose import compose
from alfi.typing import Likelihood, Model, Strategy


def epig(
    model: Model,
    likelihood: Likelihood,
    *,
    posterior: Any = "laplace",
    samples: int = 64,
    prior_precision: Any = "evidence",
    classes: int | None = None,
) -> Strategy:
    """Largest mean mutual information of the label and those of the population, in nats; the top k of it.

    Tasks: classification, regression. Needs: a trained model with features, or an ensemble, or dropout.

    The population are the rows of positive ``population``: give test inputs as rows that are not available.

    Parameters
    ----------
    posterior
        As for ``fisher.sampled_outputs``: "laplace", "members" (a deep ensemble) or "dropout". Or ``"gaussian"``: no
        samples but the closed form of the linearised model, ``-1/2 mean_t log det(I + A_t M^-1 A_t^T)``, in which the
        batch is scored jointly; the one for regression.
    samples, prior_precision
        As for ``fisher.sampled_outputs``.
    classes
        As for ``fisher.probabilities``.

    Cost: every candidate against every target, ``n^2 samples c^2`` once, or ``n^2 r (p + r^2)`` a pick.

    Source: Bickford Smith et al. 2023, arXiv 2304.08151; for linearised models Kirsch & Gal 2022, arXiv 2208.00549.
    """
    if posterior == "gaussian":
        precision = prior(prior_precision, model, likelihood)
        return compose(
            last_layer(model, likelihood),
            lambda factors, fitted, pool: criteria.epig(prior_precision=precision(factors, fitted, pool)),
            greedy(),
        )
    options = {"posterior": posterior, "samples": samples, "prior_precision": prior_precision, "classes": classes}
    return compose(probabilities(model, likelihood, **options), criteria.epig_from_samples(), top_k())
