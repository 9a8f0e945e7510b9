"""The inputs as they are."""

from jaxtyping import Array, Float

from alfi.embeddings.as_factors import Embedding
from alfi.typing import Inputs, PRNGKey


def inputs() -> Embedding:
    """Each input as one vector: pixels, samples of a signal, or features that were computed elsewhere.

    Examples
    --------
    >>> import jax, jax.numpy as jnp
    >>> inputs()(jax.random.key(0), jnp.ones((3, 4, 2)), jnp.ones(3)).shape
    (3, 8)
    """
    return _flat


def _flat(key: PRNGKey, x: Inputs, population: Float[Array, " n"]) -> Float[Array, "n d"]:
    del key, population
    return x.reshape(x.shape[0], -1).astype(float if x.dtype.kind != "f" else x.dtype)
