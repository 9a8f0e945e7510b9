"""A strategy on a pool without labels: the same three parts choose the first examples."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

from alfi.pool import pool
from alfi.typing import Fitted, Inputs, PRNGKey, Strategy

# (key, x[n, ...], size) -> indices; size is static
Initial = Callable[[PRNGKey, Inputs, int], Int[Array, " size"]]


def cold(strategy: Strategy, *, random_first: bool = False) -> Initial:
    """The first batch of a strategy that needs no model.

    Parameters
    ----------
    strategy
        It is given ``Fitted(None)``, and a pool in which nothing is labelled.
    random_first
        The first example is drawn at random; for strategies that measure distances to something.

    Returns
    -------
    Initial. It raises ``ValueError`` for a size that the pool does not have.

    Examples
    --------
    >>> import alfi
    >>> points = alfi.embeddings.as_factors(alfi.embeddings.inputs())
    >>> strategy = alfi.strategies.compose(points, alfi.criteria.min_distance(), alfi.selection.greedy())
    >>> x = jnp.array([[0.0], [0.1], [9.0]])
    >>> 2 in cold(strategy, random_first=True)(jax.random.key(0), x, 2).tolist()
    True
    """

    def choose(key: PRNGKey, x: Inputs, size: int) -> Int[Array, " size"]:
        require_size(size, x.shape[0])
        key_first, key_select = jax.random.split(key)
        everything = pool(x)
        if not random_first:
            return strategy.select(key_select, Fitted(None), everything, size).indices
        first = jax.random.randint(key_first, (1,), 0, x.shape[0])
        if size == 1:
            return first
        chosen = jnp.arange(x.shape[0]) == first
        begun = everything._replace(labelled=chosen, available=~chosen)
        rest = strategy.select(key_select, Fitted(None), begun, size - 1).indices
        return jnp.concatenate([first, rest.astype(first.dtype)])

    return choose


def require_size(size: int, n: int) -> None:
    """Complain about a set larger than the pool.

    Raises
    ------
    ValueError
        If the size is not between 1 and n.
    """
    if not 1 <= size <= n:
        raise ValueError(f"an initial set needs 1 <= size <= {n}, the examples there are; got {size}.")
