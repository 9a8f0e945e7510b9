"""Observation models: log-probability, sampling, the square root of the Fisher information in the outputs, entropy.

Each is for *one* site and is lifted by ``jax.vmap``. The Fisher information is the covariance of the score under the
model's own prediction, so it needs no label: ``B(f) B(f)^T = E_y[grad_f log p(y|f) grad_f log p(y|f)^T]``.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from alfi.typing import Likelihood


def categorical() -> Likelihood:
    r"""One of c classes from c logits, ``p = softmax(f)``.

    The Fisher information in the logits is ``diag(p) - p p^T``, of rank c - 1. Its exact root has c - 1 columns: with
    ``q = sqrt(p)`` and the Householder reflection H that maps q to the axis m of the most probable class,
    ``B = diag(q) H`` without column m. Nothing is subtracted from nearly equal numbers, no jitter is added, and
    logits of +-80 are harmless in float32.

    Returns
    -------
    Likelihood with ``fisher_factor(f[c]) -> [c, c - 1]``; y is an integer in 0 ... c - 1. The softmax does not see the
    mean of its logits, which ``contrasts`` says: c - 1 orthonormal contrasts of the outputs span all that it sees.

    Source: the c-column form is in Martens & Grosse 2015 (arXiv 1503.05671); the reduced form is derived here.

    Examples
    --------
    >>> f = jnp.array([2.0, 0.0, -1.0])
    >>> p = jax.nn.softmax(f)
    >>> B = categorical().fisher_factor(f)
    >>> B.shape, bool(jnp.allclose(B @ B.T, jnp.diag(p) - jnp.outer(p, p), atol=1e-6))
    ((3, 2), True)
    """

    def log_prob(f: Float[Array, " c"], y: Array) -> Float[Array, ""]:
        return jax.nn.log_softmax(f)[y]

    def fisher_factor(f: Float[Array, " c"]) -> Float[Array, "c r"]:
        c = f.shape[0]
        q = jnp.exp(0.5 * jax.nn.log_softmax(f))
        top = jnp.argmax(f)
        others = (top + 1 + jnp.arange(c - 1)) % c
        scaled = q / (1 + q[top])  # H e_j = e_j - (q + e_top) q_j / (1 + q_top)
        root = jnp.diag(q) - jnp.outer(q * q, scaled)
        root = root.at[top].set(-q[top] * q)
        return root[:, others]

    def entropy(f: Float[Array, " c"]) -> Float[Array, ""]:
        log_p = jax.nn.log_softmax(f)
        return -jnp.sum(jnp.exp(log_p) * log_p)

    return Likelihood(log_prob, jax.random.categorical, fisher_factor, entropy, _helmert)


def gaussian(scale: Any = 1.0) -> Likelihood:
    r"""Independent normal outputs of known spread: ``y ~ N(f, scale^2 I)``, Fisher information ``I / scale^2``.

    Parameters
    ----------
    scale
        Standard deviation in the units of y, positive; a number or one for each output.

    Raises
    ------
    ValueError
        If a scale is not positive and finite.

    Examples
    --------
    >>> gaussian(2.0).fisher_factor(jnp.zeros(1)).tolist()
    [[0.5]]
    """
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


def _helmert(c: int) -> Float[Array, "c q"]:
    """Orthonormal contrasts: c - 1 columns orthogonal to the constant vector and to each other."""
    columns = [np.r_[np.ones(k), -k, np.zeros(c - k - 1)] / np.sqrt(k * (k + 1)) for k in range(1, c)]
    return jnp.asarray(np.stack(columns, axis=1))
