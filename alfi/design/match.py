"""Information matching: the cheapest design that is sure to know enough."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial
from jaxtyping import Array, Float

from alfi.criteria.from_matrix import from_matrix
from alfi.criteria.soft_minimum import soft_smallest
from alfi.design.solve import solve
from alfi.typing import Criterion, Factors, Known


class Match(NamedTuple):
    """A design that meets a target, and what no design that does can be below."""

    weights: Float[Array, " n"]
    total: Float[Array, ""]  # the sum of the weights
    bound: Float[Array, ""]  # every design that meets the target has at least this sum


def match(data: Factors, target: Float[Array, "p p"] | Any, *, available: Any = None, iterations: int = 500) -> Match:
    r"""The smallest ``sum_i w_i`` with ``sum_i w_i A_i^T A_i >= target`` (in the order of matrices), ``w >= 0``.

    How many observations, and of what, make sure of a precision that is asked for: with the target
    ``J^T Sigma^-1 J`` the covariance of a quantity of Jacobian J is at most Sigma. The weights are mostly zero.

    As the information is linear in the weights, the best design is one of E-optimality for the information in units of
    the target, ``L^-1 M L^-T`` with ``L L^T = target``, scaled until its smallest eigenvalue is 1. The bound comes from
    that of ``solve``: at most about 5e-4 below the total, relatively.

    Parameters
    ----------
    data
        Factors.
    target
        [p, p], symmetric and positive definite. A singular one, of a quantity that depends on few combinations of
        parameters, is met by ``target + e I``, and hardly more is needed if e is small beside its positive eigenvalues.
        What the labelled set knows already may be subtracted, as long as the rest is positive definite.
    available
        Mask [n] of the rows that may be used; default all.
    iterations
        As for ``solve``.

    Returns
    -------
    Match(weights [n], total, bound), computed in float64 where x64 is enabled. nan where the target cannot be met.

    Raises
    ------
    ValueError
        If the target is not of shape [p, p], symmetric and positive definite, or the available rows together leave a
        direction without information. Traced values pass.

    Cost: that of ``solve`` for E-optimality.

    Source: Kurniawan et al. 2024, arXiv 2411.02740, who solve it as a semidefinite program.

    Examples
    --------
    Level and slope of a line known to 1/2 each, from observations of unit variance at -1, 0 and 1:

    >>> import alfi
    >>> line = alfi.fisher.DenseFactors(jnp.array([[[1.0, -1.0]], [[1.0, 0.0]], [[1.0, 1.0]]]))
    >>> found = match(line, 4 * jnp.eye(2))
    >>> [f"{x:.2f}" for x in found.weights], f"{found.bound:.2f} to {found.total:.2f}"
    (['2.00', '0.00', '2.00'], '4.00 to 4.00')
    """
    target = jnp.asarray(target, float)
    if target.shape != (data.p, data.p):
        raise ValueError(f"the factors have {data.p} parameters: target must be [p, p]; got shape {target.shape}.")
    _require_positive(target)
    inverse = jnp.linalg.inv(jnp.linalg.cholesky((target + target.T) / 2))
    criterion = _in_units(inverse)
    available = jnp.ones(data.n, bool) if available is None else jnp.asarray(available, bool)
    found = solve(criterion, data, available=available, budget=1.0, cap=float("inf"), iterations=iterations)
    _require_met(found.value, jnp.linalg.norm(inverse) ** 2 * jnp.max(data.squared_norms()))
    met = found.value > 0
    return Match(*(jnp.where(met, x, jnp.nan) for x in (found.weights / found.value, 1 / found.value, 1 / found.bound)))


def _in_units(inverse: Float[Array, "p p"]) -> Criterion:
    """E-optimality of ``inverse M inverse^T``, for factors of any kind."""
    known = Known(concave=True, degree=1)
    exact = from_matrix(Partial(_smallest, inverse), prior_precision=0.0, known=known)
    return exact._replace(smoothed=Partial(_smoothed, inverse))


def _smoothed(inverse: Array, width: Any) -> Criterion:
    soft = Partial(_soft_smallest, inverse, jnp.asarray(width, float))
    return from_matrix(soft, prior_precision=0.0, known=Known(concave=True))


def _whitened(inverse: Array, information: Float[Array, "p p"]) -> Float[Array, "p p"]:
    half = jnp.matmul(inverse.astype(information.dtype), information, precision="highest")
    return jnp.matmul(half, inverse.T.astype(information.dtype), precision="highest")


def _smallest(inverse: Array, information: Array) -> Float[Array, ""]:
    return jnp.linalg.eigvalsh(_whitened(inverse, information))[0]


def _soft_smallest(inverse: Array, width: Array, information: Array) -> Float[Array, ""]:
    return soft_smallest(width, _whitened(inverse, information))


def _require_positive(target: Array) -> None:
    if isinstance(target, jax.core.Tracer):
        return
    host = np.asarray(target, float)
    if not np.isfinite(host).all() or not np.allclose(host, host.T, rtol=1e-5, atol=1e-8 * np.abs(host).max()):
        raise ValueError("target must be finite and symmetric, an information matrix [p, p].")
    values = np.linalg.eigvalsh((host + host.T) / 2)
    if not values[0] > len(values) * np.finfo(target.dtype).eps * values[-1]:
        raise ValueError(
            f"target must be positive definite; its eigenvalues reach from {values[0]:.2g} to {values[-1]:.2g}. "
            "Give target + e * eye(p) with a small e > 0: to meet it is to meet the target."
        )


def _require_met(value: Array, scale: Array) -> None:
    if isinstance(value, jax.core.Tracer) or isinstance(scale, jax.core.Tracer):
        return
    if not value > 10 * np.finfo(value.dtype).eps * scale:
        raise ValueError(
            "no design meets the target: the available examples together leave a combination of parameters without "
            "information. Add examples, or use fewer parameters (fisher.last_layer, fisher.sketch)."
        )
