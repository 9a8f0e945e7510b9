"""A-optimality: the summed posterior variance of the parameters."""

from typing import Any

from jax.tree_util import Partial
from jaxtyping import Array

from alfi.criteria.linear import by_identity, linear
from alfi.typing import Criterion, Factors


def a_optimal(*, prior_precision: Any = 1.0) -> Criterion:
    r"""``value = -tr M^-1``, the sum of the parameters' posterior variances.

    It depends on the units of the parameters: scale them, or use D- or V-optimality, which do not.

    Parameters
    ----------
    prior_precision
        ``M_0``: a positive number, a diagonal [p] or a matrix [p, p].

    Returns
    -------
    Criterion on Factors. Concave in the design. State: ``S_i = A_i M^-1 A_i^T`` and ``N_i = A_i M^-2 A_i^T`` [r, r, n],
    updated exactly: a pick costs one pass over the factors.

    Source: theory of optimal design (Pukelsheim 2006, doi 10.1137/1.9780898719109).

    Examples
    --------
    >>> import alfi, jax.numpy as jnp
    >>> factors = alfi.fisher.DenseFactors(jnp.array([[[1.0, 0.0]], [[0.0, 2.0]], [[1.0, 1.0]]]))
    >>> [round(float(gain), 3) for gain in alfi.score(a_optimal(), factors)]
    [0.5, 0.8, 0.667]
    """
    return linear(Partial(_identity), prior_precision)


def _identity(data: Factors, population: Array) -> Partial:
    del data, population
    return Partial(by_identity)
