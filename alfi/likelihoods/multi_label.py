"""Several labels at once, each yes or no."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from alfi.typing import Likelihood


def multi_label() -> Likelihood:
    r"""Independent yes or no for each of c logits, ``p_j = sigmoid(f_j)``; Fisher information ``diag(p_j (1 - p_j))``.

    Everything is made of ``log sigmoid(+-f)``, accurate to the last digits at logits of +-80 in float32, where
    ``1 - p`` would be 0.

    Returns
    -------
    Likelihood with ``fisher_factor(f[c]) -> [c, c]``, diagonal; y [c] is 0 or 1, or a probability.

    Examples
    --------
    >>> B = multi_label().fisher_factor(jnp.zeros(2))
    >>> B.tolist()
    [[0.5, 0.0], [0.0, 0.5]]
    """
    return Likelihood(_log_prob, _sample, _fisher_factor, _entropy, mode=_mode)


def _log_prob(f: Float[Array, " c"], y: Array) -> Float[Array, ""]:
    y = jnp.reshape(y, f.shape).astype(f.dtype)
    return jnp.sum(y * jax.nn.log_sigmoid(f) + (1 - y) * jax.nn.log_sigmoid(-f))


def _sample(key: Array, f: Float[Array, " c"]) -> Array:
    return jax.random.bernoulli(key, jax.nn.sigmoid(f)).astype(int)


def _fisher_factor(f: Float[Array, " c"]) -> Float[Array, "c r"]:
    return jnp.diag(jnp.exp(0.5 * (jax.nn.log_sigmoid(f) + jax.nn.log_sigmoid(-f))))


def _entropy(f: Float[Array, " c"]) -> Float[Array, ""]:
    yes, no = jax.nn.log_sigmoid(f), jax.nn.log_sigmoid(-f)
    return -jnp.sum(jnp.exp(yes) * yes + jnp.exp(no) * no)


def _mode(f: Float[Array, " c"]) -> Array:
    return (f > 0).astype(int)
