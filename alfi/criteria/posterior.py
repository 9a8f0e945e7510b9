"""What the criteria of the covariance share: the posterior of the design, and moving a point's weight in it."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from alfi.typing import Factors, State


class Posterior(NamedTuple):
    """``M = M_0 + sum_i w_i F_i`` with its inverse and log-determinant."""

    information: Float[Array, "p p"]
    covariance: Float[Array, "p p"]
    logdet: Float[Array, ""]


class Move(NamedTuple):
    """Moving weight w onto a point with factor A: ``M^-1 -> M^-1 - sign half half^T``.

    ``half = sqrt|w| M^-1 A^T L^-T`` with ``L L^T = I + w A M^-1 A^T``: one symmetric product instead of three factors.
    """

    half: Float[Array, "p r"]
    sign: Float[Array, ""]


def prior_information(prior_precision: Array, p: int, dtype: Any) -> Float[Array, "p p"]:
    """``M_0`` from a prior precision: a number, a diagonal [p], or a matrix [p, p].

    Raises
    ------
    ValueError
        If a diagonal or a matrix is not of ``p`` parameters.
    """
    prior_precision = fitting_prior(prior_precision, p, dtype)
    return prior_precision if prior_precision.ndim == 2 else jnp.diag(prior_precision)


def fitting_prior(prior_precision: Array, p: int, dtype: Any) -> Array:
    """``M_0`` as a diagonal [p], or as the matrix [p, p] that it is; a ValueError if it has another shape."""
    if prior_precision.shape not in ((), (p,), (p, p)):
        raise ValueError(
            f"the factors have {p} parameters: prior_precision must be a number, a diagonal ({p},) or a matrix "
            f"of shape ({p}, {p}); got shape {prior_precision.shape}."
        )
    prior_precision = prior_precision.astype(dtype)
    return prior_precision if prior_precision.ndim == 2 else jnp.broadcast_to(prior_precision, (p,))


def posterior(prior_precision: Array, factors: Factors, weights: Float[Array, " n"]) -> Posterior:
    """Of a design, from its factors."""
    information = factors.information(weights)
    return invert(information + prior_information(prior_precision, factors.p, information.dtype))


def invert(information: Float[Array, "p p"]) -> Posterior:
    """nan where the information is not positive definite."""
    half = jnp.linalg.cholesky(information)
    covariance = jax.scipy.linalg.cho_solve((half, True), jnp.eye(half.shape[0], dtype=half.dtype))
    return Posterior(information, (covariance + covariance.T) / 2, 2 * jnp.sum(jnp.log(jnp.diagonal(half))))


def response(covariance: Float[Array, "p p"], point: Factors, weight: Float[Array, ""]) -> tuple[Move, Array]:
    """What moving ``weight`` onto ``point`` does to the covariance, and to the log-determinant of the information."""
    spread = point.project(covariance)[0]  # A M^-1, [r, p]
    inner = point.project(spread.T)[0]
    half = jnp.linalg.cholesky(jnp.eye(inner.shape[0], dtype=inner.dtype) + weight * (inner + inner.T) / 2)
    scaled = jax.scipy.linalg.solve_triangular(half, spread, lower=True) * jnp.sqrt(jnp.abs(weight))
    return Move(scaled.T, jnp.sign(weight)), 2 * jnp.sum(jnp.log(jnp.diagonal(half)))


def move(state: Posterior, point: Factors, weight: Float[Array, ""]) -> tuple[Posterior, Move]:
    """The posterior after moving ``weight`` onto ``point``. Cost: ``r p^2``."""
    step, logdet = response(state.covariance, point, weight)
    new = Posterior(
        state.information + weight * point.information(jnp.ones_like(weight)[None]),
        state.covariance - step.sign * jnp.matmul(step.half, step.half.T, precision="highest"),
        state.logdet + logdet,
    )
    return new, step


def pool_last(x: Float[Array, "n r s"]) -> Float[Array, "r s n"]:
    """In the order of axes of ``linalg`` and of a criterion's local state."""
    return jnp.moveaxis(x, 0, -1)


def hyperparameter(value: Any) -> Array:
    """A hyper-parameter as a leaf of one dtype, so that another value is not another program."""
    return jnp.asarray(value, dtype=float)


def information_of(state: State) -> Float[Array, "p p"]:
    """The information matrix M that a criterion keeps in its state: in a ``Posterior``, or alone."""
    information = find_information(state)
    if information is None:
        raise ValueError("this needs a criterion that is a function of the information matrix, such as d_optimal.")
    return information


def find_information(state: State) -> Float[Array, "*members p p"] | None:
    """As ``information_of``; ``None`` for a criterion that keeps no such matrix."""
    parts = jax.tree.leaves(state.shared, is_leaf=lambda part: isinstance(part, Posterior))
    for part in parts:
        if isinstance(part, Posterior):
            return part.information
    if len(parts) == 1 and parts[0].ndim == 2:
        return parts[0]
    return None


def prior_hyperparameter(value: Any) -> Array:
    """A prior precision as a hyper-parameter.

    Zero is allowed: the classical problem without a prior, where the design itself must be of full rank.

    Raises
    ------
    ValueError
        If it is negative or not finite (a matrix: not symmetric, or with a negative diagonal); traced values pass.
    """
    if not isinstance(value, jax.core.Tracer):
        host = np.asarray(value, float)
        if host.ndim > 2 or (host.ndim == 2 and host.shape[0] != host.shape[1]):
            raise ValueError(f"prior_precision must be a number, a diagonal [p] or a matrix [p, p]; got {host.shape}.")
        diagonal = np.diagonal(host) if host.ndim == 2 else host
        if not (np.all(np.isfinite(host)) and np.all(diagonal >= 0)):
            raise ValueError(f"prior_precision must be finite and not negative; got {value}. Positive is safe.")
        if host.ndim == 2 and not np.allclose(host, host.T, rtol=1e-5, atol=1e-8 * np.max(np.abs(host), initial=1.0)):
            raise ValueError("a prior_precision matrix must be symmetric.")
    return hyperparameter(value)
