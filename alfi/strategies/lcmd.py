"""LCMD: the farthest example of the largest cluster, so that dense regions come before outliers."""

from typing import Any

from alfi.criteria.cluster import cluster
from alfi.fisher.kernels import kernel as kernel_of
from alfi.selection.greedy import greedy
from alfi.strategies.compose import compose
from alfi.typing import Likelihood, Model, Strategy


def lcmd(
    model: Model,
    likelihood: Likelihood,
    *,
    kernel: str = "gradient",
    sketch: int | None = 512,
    prior_precision: Any = None,
    chunk_size: int | None = None,
) -> Strategy:
    """Largest cluster, maximum distance: clusters around everything labelled or picked, sizes in squared distances.

    Tasks: any. Needs: a trained model.

    Distances are those of a kernel, ``k(i, i) + k(j, j) - 2 k(i, j)``. The published defaults: the gradient of all
    parameters, sketched to 512 ("LCMD-TP, grad_rp(512)").

    Parameters
    ----------
    kernel, sketch, prior_precision, chunk_size
        As for ``fisher.kernel``.

    Source: Holzmueller et al. 2023, arXiv 2203.09410.
    """
    options = {"sketch": sketch, "prior_precision": prior_precision, "chunk_size": chunk_size}
    return compose(kernel_of(model, likelihood, kernel, **options), cluster(), greedy())
