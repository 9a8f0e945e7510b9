"""MaxDet: the batch of largest determinant of its kernel matrix."""

from typing import Any

from alfi.criteria.d_optimal import d_optimal
from alfi.fisher.kernels import kernel as kernel_of
from alfi.fisher.prior import prior
from alfi.selection.greedy import greedy
from alfi.strategies.compose import compose
from alfi.typing import Likelihood, Model, Strategy


def max_det(
    model: Model,
    likelihood: Likelihood,
    *,
    kernel: str = "gradient",
    sketch: int | None = 512,
    prior_precision: Any = 1.0,
    chunk_size: int | None = None,
) -> Strategy:
    """Greedy maximisation of ``det(K + lambda I)`` of all that is labelled or picked: a pivoted Cholesky factorisation.

    Tasks: any. Needs: a trained model.

    By ``det(lambda I + sum A_i^T A_i) = lambda^(p - m) det(lambda I_m + K)`` this is D-optimality of the kernel's
    factors; with ``kernel="last_layer"`` it is ``strategies.d_optimal`` itself.

    Parameters
    ----------
    kernel, sketch, chunk_size
        As for ``fisher.kernel``.
    prior_precision
        lambda: a positive number, or a function ``(factors, fitted, pool) -> number``. (Published: 1e-6, in float64.)

    Raises
    ------
    ValueError
        For "evidence", which only a whole last layer has: ``strategies.d_optimal``.

    Source: Holzmueller et al. 2023, arXiv 2203.09410.
    """
    if isinstance(prior_precision, str):
        raise ValueError(
            f"max_det needs a number or a function for prior_precision; got {prior_precision!r}. The evidence is that "
            "of a last layer: use `strategies.d_optimal`."
        )
    precision = prior(prior_precision, model, likelihood)
    return compose(
        kernel_of(model, likelihood, kernel, sketch=sketch, chunk_size=chunk_size),
        lambda factors, fitted, pool: d_optimal(prior_precision=precision(factors, fitted, pool)),
        greedy(),
    )
