"""The loop that one-by-one rules share: score the pool, pick, update, again."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from alfi.typing import Criterion, Factors, PRNGKey, Selection, State

# (key, gains[n]) -> index; gains are -inf where nothing may be picked
Pick = Callable[[PRNGKey, Float[Array, " n"]], Array]

# A criterion's incremental state is computed afresh after this many picks, and whenever the largest gain has fallen to
# this share of what it was: the rounding errors of float32 updates stay as large as the state once was.
REFRESH = 64
FALL = 1 / 4


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

    def refresh(carry: tuple[State, Array, Array]) -> tuple[State, Array, Array]:
        state, age, _ = carry
        return criterion.refresh(data, state), jnp.zeros_like(age), jnp.zeros((), bool)

    def step(carry, key: PRNGKey):
        state, available, age, reference, stale = carry
        if criterion.refresh is not None:  # runs once or not at all; a cond would always run under vmap
            state, age, stale = jax.lax.while_loop(lambda carry: carry[2], refresh, (state, age, stale))
        gains = pickable(criterion.gain(data, state), available)
        largest = jnp.max(gains)
        reference = jnp.where(age == 0, largest, reference)
        gains = gains if costs is None else gains / costs
        index = pick(key, gains)
        found = jnp.isfinite(gains[index]) | jnp.isposinf(gains[index])
        state = criterion.update(data, state, index, point(data, index, found), found.astype(weights.dtype))
        chosen = jnp.arange(n) == index if groups is None else groups == groups[index]
        picked = Selection(jnp.where(found, index, n), jnp.where(found, gains[index], -jnp.inf))
        stale = found & ((age + 1 == REFRESH) | (largest < FALL * reference))
        return (state, available & ~(chosen & found), age + 1, reference, stale), picked

    state = criterion.init(data, weights, population)
    nothing = jnp.zeros((), weights.dtype)
    carry = state, available, jnp.zeros((), jnp.int32), nothing, jnp.zeros((), bool)
    carry, picked = jax.lax.scan(step, carry, jax.random.split(key, batch_size))
    return picked, carry[0]
