"""The loop that one-by-one rules share: score the pool, pick, update, again."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from alfi.typing import Criterion, Factors, PRNGKey, Selection, State

# (key, gains[n]) -> index; gains are -inf where nothing may be picked
Pick = Callable[[PRNGKey, Float[Array, " n"]], Array]

# Picks between two refreshes of a criterion's incremental state, so that float32 rounding cannot pile up.
REFRESH = 64


def take(data: Any, indices: Array) -> Any:
    """The rows ``indices`` of whatever a criterion reads: Factors by their own ``take``, arrays by a gather."""
    return jax.tree.map(
        lambda part: part.take(indices) if isinstance(part, Factors) else jnp.take(part, indices, axis=0),
        data,
        is_leaf=lambda part: isinstance(part, Factors),
    )


def point(data: Any, index: Array, found: Array) -> Any:
    """The row of a pick, or zeros if the pick failed: weight 0 times a row of nan would still be nan."""
    return jax.tree.map(lambda x: jnp.where(found, x, jnp.zeros_like(x)), take(data, index[None]))


def pickable(gains: Float[Array, " n"], available: Bool[Array, " n"]) -> Float[Array, " n"]:
    """Gains with -inf where a row is not available or its gain is not a number."""
    return jnp.where(available & ~jnp.isnan(gains), gains, -jnp.inf)


def sequential(
    pick: Pick,
    key: PRNGKey,
    criterion: Criterion,
    data: Any,
    weights: Float[Array, " n"],
    available: Bool[Array, " n"],
    batch_size: int,
    *,
    population: Float[Array, " n"],
    groups: Array | None = None,
    costs: Array | None = None,
) -> tuple[Selection, State]:
    """Pick ``batch_size`` points one after another; the selection, and the criterion's state after it.

    With ``groups``, a pick makes its whole group unavailable. With ``costs``, gains are per unit of cost.
    """
    n = weights.shape[0]

    def step(carry: tuple[State, Array], key: PRNGKey) -> tuple[tuple[State, Array], Selection]:
        state, available = carry
        gains = criterion.gain(data, state)
        gains = pickable(gains if costs is None else gains / costs, available)
        index = pick(key, gains)
        found = jnp.isfinite(gains[index]) | jnp.isposinf(gains[index])
        state = criterion.update(data, state, index, point(data, index, found), found.astype(weights.dtype))
        chosen = jnp.arange(n) == index if groups is None else groups == groups[index]
        picked = Selection(jnp.where(found, index, n), jnp.where(found, gains[index], -jnp.inf))
        return (state, available & ~(chosen & found)), picked

    carry = criterion.init(data, weights, population), available
    keys = jax.random.split(key, batch_size)
    picked = []
    for start in range(0, batch_size, REFRESH):
        if start and criterion.refresh is not None:
            carry = criterion.refresh(data, carry[0]), carry[1]
        carry, block = jax.lax.scan(step, carry, keys[start : start + REFRESH])
        picked.append(block)
    return jax.tree.map(lambda *blocks: jnp.concatenate(blocks), *picked), carry[0]
