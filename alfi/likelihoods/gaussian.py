"""Real numbers with noise of known spread."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from alfi.typing import Likelihood


def gaussian(scale: Any = None, *, covariance: Any = None) -> Likelihood:
    r"""Normal outputs of known spread, ``y ~ N(f, R)``; Fisher information ``R^-1``.

    With ``R = L L^T``, ``B = L^-T``; whitening is done once, on the host, in float64.

    Parameters
    ----------
    scale
        Standard deviation of independent outputs, in the units of y, positive; a number or one for each output.
        Default 1. ``R = scale^2 I``.
    covariance
        R [c, c], in the units of y squared, positive definite; instead of ``scale``.

    Raises
    ------
    ValueError
        If a scale is not positive and finite, the covariance is not symmetric positive definite, or both are given.

    Examples
    --------
    >>> gaussian(2.0).fisher_factor(jnp.zeros(1)).tolist()
    [[0.5]]
    >>> B = gaussian(covariance=[[2.0, 1.0], [1.0, 2.0]]).fisher_factor(jnp.zeros(2))
    >>> (B @ B.T * 3).round(5).tolist()
    [[2.0, -1.0], [-1.0, 2.0]]
    """
    if covariance is None:
        return _independent(1.0 if scale is None else scale)
    if scale is not None:
        raise ValueError("gaussian takes a scale or a covariance, not both: put the scale into the covariance.")
    return _correlated(covariance)


def _independent(scale: Any) -> Likelihood:
    host = np.asarray(scale, float)
    if not (np.all(np.isfinite(host)) and np.all(host > 0)):
        raise ValueError(f"gaussian needs a positive, finite scale (a standard deviation); got {scale}.")

    def spread(f: Array) -> Array:
        return jnp.broadcast_to(jnp.asarray(host, f.dtype), f.shape)

    def log_prob(f: Float[Array, " c"], y: Array) -> Float[Array, ""]:
        s = spread(f)
        residual = (jnp.reshape(y, f.shape) - f) / s
        return -0.5 * jnp.sum(residual**2 + jnp.log(2 * jnp.pi) + 2 * jnp.log(s))

    def sample(key: Array, f: Float[Array, " c"]) -> Array:
        return f + spread(f) * jax.random.normal(key, f.shape, f.dtype)

    def fisher_factor(f: Float[Array, " c"]) -> Float[Array, "c r"]:
        return jnp.diag(1 / spread(f))

    def entropy(f: Float[Array, " c"]) -> Float[Array, ""]:
        return jnp.sum(0.5 * jnp.log(2 * jnp.pi * jnp.e) + jnp.log(spread(f)))

    return Likelihood(log_prob, sample, fisher_factor, entropy)


def _correlated(covariance: Any) -> Likelihood:
    host = np.asarray(covariance, float)
    if host.ndim != 2 or host.shape[0] != host.shape[1] or not np.allclose(host, host.T, rtol=1e-6, atol=0):
        raise ValueError(f"gaussian needs a symmetric covariance [c, c]; got shape {host.shape}: {covariance}.")
    try:
        lower = np.linalg.cholesky((host + host.T) / 2)
    except np.linalg.LinAlgError:
        raise ValueError(f"gaussian needs a positive definite covariance; got {covariance}.") from None
    c, logdet = len(host), 2 * float(np.sum(np.log(np.diag(lower))))
    whitening = np.linalg.inv(lower)

    def dot(matrix: np.ndarray, x: Array) -> Array:
        return jnp.matmul(jnp.asarray(matrix, x.dtype), x, precision="highest")

    def log_prob(f: Float[Array, " c"], y: Array) -> Float[Array, ""]:
        return -0.5 * (jnp.sum(dot(whitening, jnp.reshape(y, f.shape) - f) ** 2) + c * math.log(2 * math.pi) + logdet)

    def sample(key: Array, f: Float[Array, " c"]) -> Array:
        return f + dot(lower, jax.random.normal(key, f.shape, f.dtype))

    def fisher_factor(f: Float[Array, " c"]) -> Float[Array, "c r"]:
        if f.shape != (c,):
            raise ValueError(f"the covariance is for {c} outputs; the model has {f.shape[0]}.")
        return jnp.asarray(whitening.T, f.dtype)

    def entropy(f: Float[Array, " c"]) -> Float[Array, ""]:
        return jnp.asarray(0.5 * (c * math.log(2 * math.pi * math.e) + logdet), f.dtype)

    return Likelihood(log_prob, sample, fisher_factor, entropy)
