"""Real numbers with noise whose spread the network predicts too."""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from alfi.typing import Likelihood


def heteroscedastic_gaussian() -> Likelihood:
    r"""Independent normal outputs, mean and log-variance predicted: ``y_j ~ N(mu_j, exp(rho_j))``, ``f = [mu, rho]``.

    The Fisher information in ``(mu, rho)`` is ``diag(exp(-rho), 1/2)``: what is learnt of a mean depends on the noise,
    what is learnt of a log-variance does not.

    Returns
    -------
    Likelihood of 2 m outputs, all means first; y [m] (or a number for m = 1), ``fisher_factor(f[2 m]) -> [2 m, 2 m]``,
    diagonal.

    Raises
    ------
    ValueError
        If the number of outputs is odd.

    Examples
    --------
    >>> print(heteroscedastic_gaussian().fisher_factor(jnp.array([3.0, 0.0])).round(4))
    [[1.     0.    ]
     [0.     0.7071]]
    """
    return Likelihood(_log_prob, _sample, _fisher_factor, _entropy)


def _heads(f: Array) -> tuple[Array, Array]:
    m, odd = divmod(f.shape[0], 2)
    if odd:
        raise ValueError(
            f"heteroscedastic_gaussian needs as many log-variances as means, 2 m outputs; got {f.shape[0]}."
        )
    return f[:m], f[m:]


def _log_prob(f: Float[Array, " c"], y: Array) -> Float[Array, ""]:
    mean, log_variance = _heads(f)
    residual = (jnp.reshape(y, mean.shape) - mean) * jnp.exp(-log_variance / 2)
    return -0.5 * jnp.sum(residual**2 + log_variance + math.log(2 * math.pi))


def _sample(key: Array, f: Float[Array, " c"]) -> Array:
    mean, log_variance = _heads(f)
    return mean + jnp.exp(log_variance / 2) * jax.random.normal(key, mean.shape, f.dtype)


def _fisher_factor(f: Float[Array, " c"]) -> Float[Array, "c r"]:
    _, log_variance = _heads(f)
    return jnp.diag(jnp.concatenate([jnp.exp(-log_variance / 2), jnp.full_like(log_variance, math.sqrt(0.5))]))


def _entropy(f: Float[Array, " c"]) -> Float[Array, ""]:
    _, log_variance = _heads(f)
    return 0.5 * jnp.sum(log_variance + math.log(2 * math.pi * math.e))
