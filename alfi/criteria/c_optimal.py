"""c-optimality: the posterior variance of one linear function of the parameters."""

from typing import Any

from alfi.criteria.l_optimal import l_optimal
from alfi.criteria.posterior import hyperparameter
from alfi.typing import Criterion


def c_optimal(c: Any, *, prior_precision: Any = 1.0) -> Criterion:
    r"""``value = -c^T M^-1 c``, the posterior variance of ``c^T theta``: one prediction, one contrast, one parameter.

    Parameters
    ----------
    c
        [p], the coefficients.
    prior_precision
        ``M_0``: a positive number, a diagonal [p] or a matrix [p, p].

    Returns
    -------
    Criterion on Factors: L-optimality with ``L = c c^T``, and its state and cost.

    Raises
    ------
    ValueError
        If c is not a vector, or has another length than the parameters.

    Source: Elfving 1952, doi 10.1214/aoms/1177729442.

    Examples
    --------
    >>> import alfi, jax.numpy as jnp
    >>> factors = alfi.fisher.DenseFactors(jnp.array([[[1.0, 0.0]], [[0.0, 1.0]], [[3.0, 3.0]]]))
    >>> alfi.select(c_optimal([0.0, 1.0]), factors, 1).indices.tolist()
    [1]
    """
    coefficients = hyperparameter(c)
    if coefficients.ndim != 1:
        raise ValueError(f"c_optimal needs a vector [p]; got shape {coefficients.shape}. For several: l_optimal.")
    return l_optimal(root=coefficients[:, None], prior_precision=prior_precision)
