"""Yes or no."""

from jaxtyping import Array, Float

from alfi.likelihoods.multi_label import multi_label
from alfi.typing import Likelihood


def bernoulli() -> Likelihood:
    r"""Yes or no from one logit, ``p = sigmoid(f)``; Fisher information ``p (1 - p)``.

    Returns
    -------
    Likelihood with ``fisher_factor(f[1]) -> [1, 1]``; y is 0 or 1, without an axis.

    Raises
    ------
    ValueError
        If there is more than one logit.

    Examples
    --------
    >>> import jax, jax.numpy as jnp
    >>> f = jnp.zeros(1)
    >>> bernoulli().fisher_factor(f).tolist(), bernoulli().sample(jax.random.key(0), f).shape
    ([[0.5]], ())
    """
    several = multi_label()

    def log_prob(f: Float[Array, " c"], y: Array) -> Float[Array, ""]:
        return several.log_prob(_one(f), y)

    def sample(key: Array, f: Float[Array, " c"]) -> Array:
        return several.sample(key, _one(f))[0]

    def fisher_factor(f: Float[Array, " c"]) -> Float[Array, "c r"]:
        return several.fisher_factor(_one(f))

    def entropy(f: Float[Array, " c"]) -> Float[Array, ""]:
        return several.entropy(_one(f))

    def mode(f: Float[Array, " c"]) -> Array:
        return several.mode(_one(f))[0]

    return Likelihood(log_prob, sample, fisher_factor, entropy, mode=mode)


def _one(f: Array) -> Array:
    if f.shape != (1,):
        raise ValueError(f"bernoulli needs one logit, got outputs of shape {f.shape}; for several use `multi_label`.")
    return f
