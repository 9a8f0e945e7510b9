"""Top-k selection: the k largest gains at the start, without updates."""

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int

from alfi.selection.sequential import pickable
from alfi.typing import SelectFn, Selection


@functools.cache  # one object, so that a compiled function taking it as a static argument is compiled once
def top_k() -> SelectFn:
    """The ``batch_size`` points of largest gain, all at once: blind to redundancy, exact for an additive criterion.

    Ties: the first index. With ``groups``, the best point of each group competes.

    Cost: one evaluation of gain.

    Examples
    --------
    >>> import alfi
    >>> alfi.select(alfi.criteria.score(), jnp.array([3.0, 1.0, 2.0]), 2, rule=top_k()).indices.tolist()
    [0, 2]
    """

    def select(key, criterion, data, weights, available, batch_size, *, population, groups=None, costs=None):
        del key
        gains = criterion.gain(data, criterion.init(data, weights, population))
        gains = pickable(gains if costs is None else gains / costs, available)
        n = gains.shape[0]
        if groups is not None:
            gains = jnp.where(first_of_group(-gains, groups), gains, -jnp.inf)
        values, indices = jax.lax.top_k(gains, batch_size)
        return Selection(jnp.where(jnp.isneginf(values), n, indices), values)

    return select


def first_of_group(rank: Array, groups: Int[Array, " n"]) -> Bool[Array, " n"]:
    """Whether a row has the smallest rank of its group, the lowest index on ties."""
    order = jnp.lexsort((rank, groups))
    first = jnp.concatenate([jnp.ones(1, bool), groups[order][1:] != groups[order][:-1]])
    return jnp.zeros(rank.shape[0], bool).at[order].set(first)
