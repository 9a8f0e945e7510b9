"""Kiefer's Phi_p: the family between D- (0), A- (1) and E-optimality (infinity)."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial
from jaxtyping import Array, Float

from alfi.criteria.from_matrix import from_matrix
from alfi.criteria.posterior import hyperparameter
from alfi.typing import Criterion, Factors, Known, State


def phi_p(exponent: Any, *, prior_precision: Any = 1.0) -> Criterion:
    r"""``value = -(tr M^-q / p)^(1/q)`` for the exponent q > 0: minus a mean of the p inverse eigenvalues.

    q = 1 is A-optimality divided by p; q towards 0 orders designs as D, a large q as E, but smoothly: where
    E-optimality cannot tell candidates apart, this can.

    Parameters
    ----------
    exponent
        q, positive.
    prior_precision
        ``M_0``: a positive number, a diagonal [p] or a matrix [p, p].

    Returns
    -------
    Criterion on Factors. Concave in the design. Cost of a pick: n eigenvalue problems, ``O(n p^3)``: for p up to a few
    hundred.

    Raises
    ------
    ValueError
        If the exponent is not positive and finite.

    Source: Kiefer 1974, doi 10.1214/aos/1176342810.

    Examples
    --------
    >>> import alfi
    >>> factors = alfi.fisher.DenseFactors(jnp.array([[[3.0, 0.0]], [[0.0, 1.0]], [[1.0, 2.0]]]))
    >>> alfi.select(phi_p(2), factors, 2).indices.tolist()
    [0, 2]
    """
    if not isinstance(exponent, jax.core.Tracer) and not (np.isfinite(exponent) and exponent > 0):
        raise ValueError(
            f"phi_p needs a positive, finite exponent; got {exponent}. For 0 use d_optimal, for inf e_optimal."
        )
    exponent = hyperparameter(exponent)
    slow = from_matrix(Partial(_phi, exponent), prior_precision=prior_precision)
    return slow._replace(sensitivity=Partial(_sensitivity, exponent), known=Known(concave=True, degree=-1))


def _phi(exponent: Array, information: Float[Array, "p p"]) -> Float[Array, ""]:
    return -_mean(exponent, jnp.linalg.eigvalsh(information))


def _mean(exponent: Array, eigenvalues: Float[Array, " p"]) -> Float[Array, ""]:
    """``(mean l^-q)^(1/q)`` by its logarithm, nan where an eigenvalue is not positive."""
    q = exponent.astype(eigenvalues.dtype)
    terms = -q * jnp.log(eigenvalues)
    return jnp.exp((jax.nn.logsumexp(terms) - jnp.log(eigenvalues.shape[0])) / q)


def _sensitivity(exponent: Array, data: Factors, state: State) -> Float[Array, " n"]:
    """``tr(A_i D A_i^T)`` with ``D = mean^(1 - q) M^(-q - 1) / p``."""
    eigenvalues, vectors = jnp.linalg.eigh(state.shared)
    mean, q = _mean(exponent, eigenvalues), exponent.astype(eigenvalues.dtype)
    # D's eigenvalues as powers of l * mean, a number near 1 where it counts: no overflow at large q.
    slope = mean**2 * jnp.exp(-(q + 1) * jnp.log(eigenvalues * mean)) / eigenvalues.shape[0]
    return jnp.trace(
        data.quadratic(jnp.matmul(vectors * slope[None], vectors.T, precision="highest")), axis1=1, axis2=2
    )
