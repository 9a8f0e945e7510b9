"""L-optimality (linear optimality): the posterior variance of chosen linear functions of the parameters."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial
from jaxtyping import Array

from alfi.criteria.few_functions import few_functions
from alfi.criteria.linear import by_matrix, linear
from alfi.criteria.posterior import hyperparameter
from alfi.typing import Criterion, Factors


def l_optimal(matrix: Any = None, *, root: Any = None, prior_precision: Any = 1.0) -> Criterion:
    r"""``value = -tr(L M^-1)``; with ``L = K K^T`` the summed posterior variance of ``K^T theta``.

    Parameters
    ----------
    matrix
        L [p, p]; only its symmetric part counts, and concavity needs it positive semi-definite. The information of a
        target set makes this V-optimality for that set.
    root
        Instead of ``matrix``: K [p, k], cheaper where k is not much more than the rank r of the factors.
    prior_precision
        ``M_0``: a positive number, a diagonal [p] or a matrix [p, p].

    Returns
    -------
    Criterion on Factors. Concave in the design. State: ``S_i = A_i M^-1 A_i^T`` and ``N_i = A_i M^-1 L M^-1 A_i^T``
    [r, r, n], with a root ``W_i = A_i M^-1 K`` [r, k, n] instead; updated exactly: a pick costs one pass over the
    factors.

    Raises
    ------
    ValueError
        If not exactly one of ``matrix`` and ``root`` is given, or it has another shape than the parameters.

    Source: theory of optimal design (Pukelsheim 2006, doi 10.1137/1.9780898719109).

    Examples
    --------
    The difference of the two parameters is what matters:

    >>> import alfi
    >>> factors = alfi.fisher.DenseFactors(jnp.array([[[1.0, 0.0]], [[1.0, 1.0]], [[1.0, -1.0]]]))
    >>> [round(float(gain), 3) for gain in alfi.score(l_optimal(root=[[1.0], [-1.0]]), factors)]
    [0.5, 0.0, 1.333]
    """
    if (matrix is None) == (root is None):
        raise ValueError("l_optimal needs exactly one of matrix (L [p, p]) and root (K [p, k] with L = K K^T).")
    if root is not None:
        return few_functions(_two_axes("root", root), prior_precision)
    matrix = _two_axes("matrix", matrix)
    if matrix.shape[0] != matrix.shape[1]:
        raise ValueError(f"l_optimal needs a square matrix [p, p]; got shape {matrix.shape}. Is it a root?")
    matrix = (matrix + matrix.T) / 2
    return linear(Partial(_matrix, matrix), prior_precision, concave=_semidefinite(matrix))


def _semidefinite(matrix: Array) -> bool:
    """Whether L is known to be positive semi-definite: then, and only then, the criterion is concave."""
    if isinstance(matrix, jax.core.Tracer):
        return False
    eigenvalues = np.linalg.eigvalsh(np.asarray(matrix, float))
    return bool(eigenvalues[0] >= -1e-6 * abs(eigenvalues[-1]))


def _two_axes(name: str, value: Any) -> Array:
    value = hyperparameter(value)
    if value.ndim != 2:
        raise ValueError(f"l_optimal needs a {name} with two axes, [p, ...]; got shape {value.shape}.")
    return value


def _matrix(matrix: Array, data: Factors, population: Array) -> Partial:
    del population
    if matrix.shape[0] != data.p:
        raise ValueError(f"the factors have {data.p} parameters; the matrix L has {matrix.shape[0]}.")
    return Partial(by_matrix, matrix.astype(jnp.result_type(*jax.tree.leaves(data))))
