"""The designs that are allowed: ``0 <= z <= cap`` on the available rows, with ``sum z = budget``."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float


def vertex(slope: Float[Array, " n"], available: Bool[Array, " n"], budget: Array, cap: Array) -> Float[Array, " n"]:
    """The design of largest ``sum_i slope_i z_i``: the largest slopes are filled up to the cap, one after another."""
    cap = jnp.minimum(cap, budget)
    order = jnp.argsort(-jnp.where(available & ~jnp.isnan(slope), slope, -jnp.inf), stable=True)
    amounts = jnp.clip(budget - cap * jnp.arange(slope.shape[0]), 0, cap).astype(slope.dtype)
    return jnp.where(available, jnp.zeros_like(slope).at[order].set(amounts), 0)


def rescale(mass: Float[Array, " n"], budget: Array, cap: Array) -> Float[Array, " n"]:
    """``min(cap, c mass)`` with the c that makes it sum to the budget: the projection in relative entropy."""
    cap = jnp.minimum(cap, budget)
    ordered = -jnp.sort(-mass)
    rest = jnp.cumsum(ordered[::-1])[::-1]  # mass that is not capped when the first m are
    scale = (budget - cap * jnp.arange(mass.shape[0])) / jnp.where(rest > 0, rest, 1)
    fits = (scale * ordered <= cap) & (rest > 0)
    first = jnp.argmax(fits)
    return jnp.where(jnp.any(fits), jnp.minimum(cap, scale[first] * mass), jnp.where(mass > 0, cap, 0))
