"""A smooth E-optimality: the soft minimum of the eigenvalues, which a continuous design can climb and certify."""

from typing import Any

import jax
import jax.numpy as jnp
from jax.tree_util import Partial
from jaxtyping import Array, Float

from alfi.criteria.from_matrix import from_matrix
from alfi.criteria.posterior import hyperparameter
from alfi.typing import Criterion, Factors, Known, State


def soft_minimum(width: Any, *, prior_precision: Any = 1.0) -> Criterion:
    r"""``value = -width log mean_j exp(-l_j / width)`` over the eigenvalues l_j of M.

    Concave, at least the smallest eigenvalue and at most ``width log p`` above it. Its tangents bound E-optimality:
    their slope ``tr(E A_i^T A_i)`` with ``E = exp(-M / width)``, scaled to trace one, is the dual of E-optimality.

    Parameters
    ----------
    width
        Positive, in units of the eigenvalues.
    prior_precision
        ``M_0``: a positive number, a diagonal [p] or a matrix [p, p]; 0 for classical designs.

    Returns
    -------
    Criterion on Factors. Cost of a pick: n eigenvalue problems, ``O(n p^3)``; of a sensitivity: one.

    Source: Nesterov 2007, Smoothing technique and its applications in semidefinite optimization,
    doi 10.1007/s10107-006-0001-8.

    Examples
    --------
    >>> import alfi
    >>> factors = alfi.fisher.DenseFactors(jnp.array([[[3.0, 0.0]], [[0.0, 1.0]], [[0.0, 2.0]]]))
    >>> sorted(alfi.select(soft_minimum(0.1), factors, 2).indices.tolist())
    [0, 2]
    """
    width = hyperparameter(width)
    slow = from_matrix(Partial(soft_smallest, width), prior_precision=prior_precision, known=Known(concave=True))
    return slow._replace(sensitivity=Partial(_sensitivity, width))


def smoothed(prior_precision: Array, width: Any) -> Criterion:
    """``soft_minimum`` as the field ``smoothed`` of E-optimality: ``Partial(smoothed, prior_precision)``."""
    return soft_minimum(width, prior_precision=prior_precision)


def soft_smallest(width: Array, information: Float[Array, "p p"]) -> Float[Array, ""]:
    """The soft minimum of the eigenvalues, ``-width log mean_j exp(-l_j / width)``."""
    terms = -jnp.linalg.eigvalsh(information) / width.astype(information.dtype)
    return -width.astype(information.dtype) * (jax.nn.logsumexp(terms) - jnp.log(terms.shape[0]))


def _sensitivity(width: Array, data: Factors, state: State) -> Float[Array, " n"]:
    eigenvalues, vectors = jnp.linalg.eigh(state.shared)
    dual = jax.nn.softmax(-eigenvalues / width.astype(eigenvalues.dtype))
    dual = jnp.matmul(vectors * dual[None], vectors.T, precision="highest")
    return jnp.trace(data.quadratic((dual + dual.T) / 2), axis1=1, axis2=2)
