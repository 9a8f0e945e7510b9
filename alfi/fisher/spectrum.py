"""Eigenvalues of the Fisher information, exactly: of a data set, of each example, of parts of either.

What is too large for this is in ``fisher.krylov``. Per class: give the class's members as ``weights``. Per layer: give
``fisher.jacobian`` or ``fisher.ggn_vector_product`` one of the ``layers`` as ``parameters``.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from alfi.fisher.factors import LastLayerFactors, dtype_of, write_out
from alfi.fisher.memory import require_square
from alfi.typing import Factors, Variables

LANCZOS = (
    "fisher.top_eigenpairs or fisher.lanczos_quadrature on fisher.factor_vector_product(factors, weights), or on "
    "fisher.ggn_vector_product, which needs no factors"
)


def spectrum(factors: Factors, weights: Float[Array, " n"] | None = None) -> Float[Array, " p"]:
    r"""Eigenvalues of ``sum_i w_i A_i^T A_i``, largest first, exactly.

    Those that are not zero are also the eigenvalues of the dual ``sqrt(w_i w_j) A_i A_j^T`` [n r, n r], which is
    diagonalised instead where it is the smaller matrix.

    Parameters
    ----------
    weights
        Not negative; default 1 for every row. Rows of weight 0 cost nothing where the p x p matrix is used.

    Returns
    -------
    [p], in units of the information; the smallest are clipped at 0, which they are up to rounding.

    Raises
    ------
    ValueError
        If neither matrix fits into the device's memory.

    Cost: with ``m = min(p, n r)`` the matrix and ``4/3 m^3`` operations; memory ``m^2``.

    Examples
    --------
    >>> from alfi.fisher import DenseFactors
    >>> spectrum(DenseFactors(jnp.array([[[3.0, 0.0]], [[0.0, 2.0]]]))).tolist()
    [9.0, 4.0]
    """
    dual = factors.n * factors.r < factors.p
    size = factors.n * factors.r if dual else factors.p
    what = f"an exact spectrum of {factors.p} parameters from {factors.n} examples of rank {factors.r}"
    require_square(what, size, dtype_of(factors), LANCZOS)
    if weights is None:
        weights = jnp.ones(factors.n, factors.squared_norms().dtype)
    if not dual:
        return _eigenvalues(factors.information(weights))
    scale = jnp.repeat(jnp.sqrt(weights), factors.r)
    # A row of weight 0 may hold nan, and 0 nan is nan.
    used = (scale[:, None] > 0) & (scale[None, :] > 0)
    values = _eigenvalues(jnp.where(used, gram(factors) * scale[:, None] * scale[None, :], 0))
    return jnp.pad(values, (0, factors.p - size))


def example_spectra(factors: Factors) -> Float[Array, "n s"]:
    """The s = min(r, p) largest eigenvalues of every single example's ``A_i^T A_i``, which has no others but zero.

    Cost: ``n`` matrices of r x r and their eigenvalues, one example after the other.

    Examples
    --------
    >>> from alfi.fisher import DenseFactors
    >>> example_spectra(DenseFactors(jnp.array([[[3.0, 0.0]], [[0.0, 2.0]]]))).tolist()
    [[9.0], [4.0]]
    """

    def one(index: Array) -> Array:
        return _eigenvalues(gram(factors.take(index[None])))

    return jax.lax.map(one, jnp.arange(factors.n))[:, : min(factors.r, factors.p)]


def example_grams(factors: Factors) -> Float[Array, "n r r"]:
    """``A_i A_i^T`` of every example, one after the other."""
    return jax.lax.map(lambda index: gram(factors.take(index[None])), jnp.arange(factors.n))


def gram(factors: Factors) -> Float[Array, "m m"]:
    """``A_i A_j^T`` of all pairs of examples as one matrix, m = n r, the rank running fastest.

    Raises
    ------
    ValueError
        If it does not fit into the device's memory.

    Cost: ``n^2 r^2 p`` operations, for a last layer ``n^2 t^2 (r^2 c + d)``; factors of other kinds are written out.
    """
    m = factors.n * factors.r
    require_square(f"the Gram matrix of {factors.n} examples of rank {factors.r}", m, dtype_of(factors), LANCZOS)
    if isinstance(factors, LastLayerFactors):
        n, t, r, c = factors.roots.shape
        rows, features = factors.roots.reshape(n * t * r, c), factors.features.reshape(n * t, -1)
        sites = jnp.matmul(features, features.T, precision="highest")
        return jnp.matmul(rows, rows.T, precision="highest") * jnp.repeat(jnp.repeat(sites, r, axis=0), r, axis=1)
    rows = write_out(factors).reshape(-1, factors.p)
    return jnp.matmul(rows, rows.T, precision="highest")


def effective_dimension(values: Float[Array, " p"], prior_precision: Float[Array, ""]) -> Float[Array, ""]:
    r"""``sum_j l_j / (l_j + lambda)``: how many parameters the data determine, against a prior of precision lambda.

    Of a matrix too large for its eigenvalues: ``trace_of(quadrature, lambda l: l / (l + prior_precision))``.

    Examples
    --------
    >>> float(effective_dimension(jnp.array([1.0, 3.0, 0.0]), jnp.array(1.0)))
    1.25
    """
    return jnp.sum(values / (values + prior_precision))


def layers(variables: Any) -> dict[str, Callable[[str], bool]]:
    """The layers of a network, each as the predicate of paths that ``parameters=`` wants.

    Leaves whose paths differ in the last step alone, kernel and bias, are one layer.

    Parameters
    ----------
    variables
        ``Variables``, of which the ``params`` count, or a tree of parameters.

    Examples
    --------
    >>> chosen = layers({"body": {"kernel": jnp.ones((2, 3)), "bias": jnp.ones(3)}, "head": jnp.ones(3)})
    >>> {name: layer("['body']['bias']") for name, layer in chosen.items()}
    {"['body']": True, "['head']": False}
    """
    params = variables.params if isinstance(variables, Variables) else variables
    members: dict[str, set[str]] = {}
    for path, _ in jax.tree_util.tree_flatten_with_path(params)[0]:
        name = jax.tree_util.keystr(path[:-1] if len(path) > 1 else path)
        members.setdefault(name, set()).add(jax.tree_util.keystr(path))
    return {name: paths.__contains__ for name, paths in members.items()}


def _eigenvalues(matrix: Float[Array, "m m"]) -> Float[Array, " m"]:
    return jnp.maximum(jnp.linalg.eigvalsh(matrix)[::-1], 0)
