"""One of several classes in order: a grade."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from alfi.typing import Likelihood


def ordinal(cutpoints: Any) -> Likelihood:
    r"""A grade from one score, by cumulative logits: ``P(y <= k) = sigmoid(b_k - f)`` with cutpoints b.

    With ``u = b_y - f``, ``l = b_{y-1} - f`` (infinite at the ends), ``p_y = sigmoid(u) sigmoid(-l) (1 - exp(l - u))``
    has no difference of nearly equal numbers; the derivative of ``log p_y`` is ``sigmoid(-l) - sigmoid(u)``. The Fisher
    information is the mean of its square, a sum over the grades.

    Parameters
    ----------
    cutpoints
        b [K - 1], increasing, finite: K grades.

    Returns
    -------
    Likelihood with ``fisher_factor(f[1]) -> [1, 1]``; y is an integer in 0 ... K - 1.

    Raises
    ------
    ValueError
        If the cutpoints do not increase, or there is more than one output.

    Source: McCullagh 1980, doi 10.1111/j.2517-6161.1980.tb01109.x.

    Examples
    --------
    >>> grades = ordinal([-1.0, 0.0, 2.0])
    >>> [f"{jnp.exp(grades.log_prob(jnp.zeros(1), y)):.3f}" for y in jnp.arange(4)]
    ['0.269', '0.231', '0.381', '0.119']
    """
    host = np.asarray(cutpoints, float)
    if host.ndim != 1 or len(host) < 1 or not np.all(np.isfinite(host)) or np.any(np.diff(host) <= 0):
        raise ValueError(f"ordinal needs finite, increasing cutpoints [K - 1] between K grades; got {cutpoints}.")
    gaps = np.log(-np.expm1(-np.diff(host)))

    def log_probs(f: Array) -> Float[Array, " K"]:
        if f.shape != (1,):
            raise ValueError(f"ordinal needs one output, the score; got outputs of shape {f.shape}.")
        distance = jnp.asarray(host, f.dtype) - f
        end = jnp.zeros(1, f.dtype)
        below = jnp.concatenate([jax.nn.log_sigmoid(distance), end])
        above = jnp.concatenate([end, jax.nn.log_sigmoid(-distance)])
        return below + above + jnp.concatenate([end, jnp.asarray(gaps, f.dtype), end])

    def log_prob(f: Float[Array, " c"], y: Array) -> Float[Array, ""]:
        return log_probs(f)[y]

    def sample(key: Array, f: Float[Array, " c"]) -> Array:
        return jax.random.categorical(key, log_probs(f))

    def fisher_factor(f: Float[Array, " c"]) -> Float[Array, "c r"]:
        log_p, distance = log_probs(f), jnp.asarray(host, f.dtype) - f
        below, above = jax.nn.sigmoid(distance), jnp.exp(jax.nn.log_sigmoid(-distance))
        middle = below[1:] - above[:-1]
        scores = jnp.concatenate([-above[:1], middle, below[-1:]])
        return jnp.sqrt(jnp.sum(jnp.exp(log_p) * scores**2))[None, None]

    def entropy(f: Float[Array, " c"]) -> Float[Array, ""]:
        log_p = log_probs(f)
        return -jnp.sum(jnp.exp(log_p) * log_p)

    return Likelihood(log_prob, sample, fisher_factor, entropy, mode=lambda f: jnp.argmax(log_probs(f)))
