"""Counts."""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from alfi.typing import Likelihood

# Rates above this are drawn from the normal distribution that they have become (skewness 1e-3), rounded to a count.
LARGE = 1e6
# Entropy: the series up to this rate, with so many terms (a count of 250 is 23 standard deviations off); above it the
# expansion, whose first term left out is 1e-10 there.
SERIES, TERMS = 64.0, 250
LOG_FACTORIALS = np.cumsum(np.log(np.maximum(np.arange(TERMS), 1)))


def poisson() -> Likelihood:
    r"""Independent counts from log-rates, ``y_j ~ Poisson(exp(f_j))``; Fisher information ``diag(exp(f_j))``.

    Returns
    -------
    Likelihood with ``fisher_factor(f[c]) -> [c, c]``, diagonal; y [c] (or a number for c = 1). Samples are counts in
    the float dtype of f, as counts of 1e30 are no integers of a computer. Log-rates beyond 88 overflow float32, and
    nothing clips them: bound the network's output.

    Cost: of the entropy, which has no closed form, 250 terms.

    Source: expansion of the entropy by Stirling's series.

    Examples
    --------
    >>> poisson().fisher_factor(jnp.log(jnp.array([4.0]))).round(4).tolist()
    [[2.0]]
    """
    return Likelihood(_log_prob, _sample, _fisher_factor, _entropy)


def _log_prob(f: Float[Array, " c"], y: Array) -> Float[Array, ""]:
    y = jnp.reshape(y, f.shape).astype(f.dtype)
    return jnp.sum(y * f - jnp.exp(f) - jax.scipy.special.gammaln(y + 1))


def _sample(key: Array, f: Float[Array, " c"]) -> Array:
    key_small, key_large = jax.random.split(key)
    rate = jnp.exp(f)
    small = jax.random.poisson(key_small, jnp.minimum(rate, LARGE)).astype(f.dtype)
    large = jnp.round(rate + jnp.sqrt(rate) * jax.random.normal(key_large, f.shape, f.dtype))
    return jnp.where(rate < LARGE, small, large)


def _fisher_factor(f: Float[Array, " c"]) -> Float[Array, "c r"]:
    return jnp.diag(jnp.exp(f / 2))


def _entropy(f: Float[Array, " c"]) -> Float[Array, ""]:
    low = jnp.minimum(f, math.log(SERIES))[:, None]
    k = jnp.arange(TERMS, dtype=f.dtype)[None]
    log_p = k * low - jnp.exp(low) - jnp.asarray(LOG_FACTORIALS, f.dtype)[None]
    series = -jnp.sum(jnp.exp(log_p) * log_p, axis=1)
    x = jnp.exp(-jnp.maximum(f, math.log(SERIES)))  # 1 / rate
    expansion = 0.5 * (f + math.log(2 * math.pi * math.e)) - x * (1 / 12 + x * (1 / 24 + x * (19 / 360 + x * 9 / 80)))
    return jnp.sum(jnp.where(f < math.log(SERIES), series, expansion))
