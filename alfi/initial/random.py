"""Random: what every other initial set is measured against."""

import jax
from jaxtyping import Array, Int

from alfi.initial.cold import Initial, require_size
from alfi.typing import Inputs, PRNGKey


def random() -> Initial:
    """Every example with the same probability.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> sorted(random()(jax.random.key(0), jnp.ones((3, 2)), 3).tolist())
    [0, 1, 2]
    """
    return _random


def _random(key: PRNGKey, x: Inputs, size: int) -> Int[Array, " size"]:
    require_size(size, x.shape[0])
    return jax.random.permutation(key, x.shape[0])[:size]
