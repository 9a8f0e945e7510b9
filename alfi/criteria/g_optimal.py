"""G-optimality: the worst predictive variance over the population."""

from typing import Any

import jax
import jax.numpy as jnp
from jax.tree_util import Partial
from jaxtyping import Array, Float

from alfi.criteria.posterior import hyperparameter, prior_hyperparameter
from alfi.criteria.predictive import predictive
from alfi.typing import Criterion, Known


def g_optimal(*, prior_precision: Any = 1.0) -> Criterion:
    r"""``value = -max_t tr(A_t M^-1 A_t^T)`` over the rows t of positive ``population``.

    Unlike V-optimality it does not let many easy examples outvote one that is predicted badly. Without a prior its
    optimal continuous design is that of D-optimality (Kiefer & Wolfowitz).

    Parameters
    ----------
    prior_precision
        ``M_0``: a positive number, a diagonal [p] or a matrix [p, p].

    Returns
    -------
    Criterion on Factors. Concave in the design; ``sensitivity`` is a subgradient where several rows are the worst.
    Cost of a pick: ``n^2 r (p + r^2)``, every candidate against every target: pools of up to some 10,000.

    Source: Kiefer & Wolfowitz 1960, doi 10.4153/CJM-1960-030-4.

    Examples
    --------
    >>> import alfi
    >>> factors = alfi.fisher.DenseFactors(jnp.array([[[1.0, 0.0]], [[1.0, 0.0]], [[0.0, 2.0]], [[0.5, 0.0]]]))
    >>> alfi.select(g_optimal(), factors, 2).indices.tolist()
    [2, 0]
    """
    return predictive(Partial(_worst), prior_precision)._replace(
        known=Known(concave=True, degree=-1), smoothed=Partial(smoothed, prior_hyperparameter(prior_precision))
    )


def smoothed(prior_precision: Array, width: Any) -> Criterion:
    """``value = -width log mean_t exp(v_t / width)`` over the variances v_t: the field ``smoothed`` of G-optimality.

    At most ``width log n`` above it, and concave: each v_t is convex in the design.
    """
    return predictive(Partial(_soft_worst, hyperparameter(width)), prior_precision)._replace(known=Known(concave=True))


def _worst(s: Float[Array, "r r n"], population: Array) -> Float[Array, ""]:
    return -jnp.max(jnp.where(population > 0, jnp.trace(s), -jnp.inf))


def _soft_worst(width: Array, s: Float[Array, "r r n"], population: Array) -> Float[Array, ""]:
    width, counted = width.astype(s.dtype), population > 0
    terms = jnp.where(counted, jnp.trace(s) / width, -jnp.inf)
    return -width * (jax.nn.logsumexp(terms) - jnp.log(jnp.sum(counted)))
