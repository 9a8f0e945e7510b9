"""BatchBALD: the batch whose labels together tell most about which posterior sample is right."""

from typing import Any

from alfi import criteria
from alfi.fisher.probabilities import probabilities
from alfi.selection.greedy import greedy
from alfi.strategies.compose import compose
from alfi.typing import Likelihood, Model, Strategy


def batch_bald(
    model: Model,
    likelihood: Likelihood,
    *,
    configurations: int = 4096,
    posterior: Any = "laplace",
    samples: int = 64,
    prior_precision: Any = "evidence",
    classes: int | None = None,
) -> Strategy:
    """Greedy maximisation of ``I[y_1 ... y_b; k]``, the joint mutual information with the posterior samples, in nats.

    Tasks: classification. Needs: a trained model with features, or an ensemble, or dropout.

    It cannot exceed ``log samples``: with few samples the last picks of a large batch are all worth nothing. For
    normal labels the same batch is that of ``d_optimal``.

    Parameters
    ----------
    configurations
        Of the batch's labels, as for ``criteria.batch_bald``: exact while ``c^b`` is not more.
    posterior, samples, prior_precision
        As for ``fisher.sampled_outputs``: "laplace", "members" (a deep ensemble) or "dropout".
    classes
        As for ``fisher.probabilities``.

    Source: Kirsch, van Amersfoort & Gal 2019, arXiv 1906.08158.
    """
    options = {"posterior": posterior, "samples": samples, "prior_precision": prior_precision, "classes": classes}
    criterion = criteria.batch_bald(configurations=configurations)
    # The samples are already a posterior given the labelled set.
    return compose(probabilities(model, likelihood, **options), criterion, greedy(), start="empty")
