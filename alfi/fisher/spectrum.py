"""Eigenvalues of the Fisher information, and the two numbers read off them that active learning needs every round."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from alfi.typing import Factors


def spectrum(factors: Factors, weights: Float[Array, " n"] | None = None) -> Float[Array, " p"]:
    r"""Eigenvalues of ``sum_i w_i A_i^T A_i``, largest first, exactly.

    Parameters
    ----------
    weights
        Default 1 for every row. Rows of weight 0 cost nothing.

    Returns
    -------
    [p], in units of the information; the smallest are clipped at 0, which they are up to rounding.

    Cost: the information matrix and ``4/3 p^3`` operations; memory ``p^2``.

    Examples
    --------
    >>> from alfi.fisher import DenseFactors
    >>> spectrum(DenseFactors(jnp.array([[[3.0, 0.0]], [[0.0, 2.0]]]))).tolist()
    [9.0, 4.0]
    """
    if weights is None:
        weights = jnp.ones(factors.n, factors.squared_norms().dtype)
    values = jnp.linalg.eigvalsh(factors.information(weights))
    return jnp.maximum(values[::-1], 0)


def effective_dimension(values: Float[Array, " p"], prior_precision: Float[Array, ""]) -> Float[Array, ""]:
    r"""``sum_j l_j / (l_j + lambda)``: how many parameters the data determine, against a prior of precision lambda.

    Examples
    --------
    >>> float(effective_dimension(jnp.array([1.0, 3.0, 0.0]), jnp.array(1.0)))
    1.25
    """
    return jnp.sum(values / (values + prior_precision))
