"""Sampling selection: points in proportion to their gain."""

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from alfi.selection.sequential import sequential
from alfi.typing import PRNGKey, SelectFn


@functools.cache  # one object, so that a compiled function taking it as a static argument is compiled once
def sample(power: float = 1.0) -> SelectFn:
    """Draw a point with probability proportional to ``gain ** power``, update, repeat.

    With squared distances as gains and power 1 this is the D^2 sampling of k-means++ and BADGE. While nothing is chosen
    all distances are infinite and the draw is uniform, as it should be. Gains that are zero or negative are drawn only
    when no positive one is left, then uniformly.

    Source: Arthur & Vassilvitskii 2007, k-means++.

    Cost: ``batch_size`` evaluations of gain and update, and n random numbers each.

    Examples
    --------
    >>> import alfi
    >>> factors = alfi.fisher.DenseFactors(jnp.array([[[0.0]], [[1.0]], [[1.0]]]))
    >>> weights = jnp.array([1.0, 0.0, 0.0])
    >>> batch = alfi.select(alfi.criteria.min_distance(), factors, 2, rule=sample(), weights=weights)
    >>> sorted(batch.indices.tolist())
    [1, 2]
    """

    def pick(key: PRNGKey, gains: Float[Array, " n"]) -> Array:
        infinite = jnp.isposinf(gains)
        positive = gains > 0
        logits = power * jnp.log(jnp.where(positive & ~infinite, gains, 1))
        logits = jnp.where(positive, logits, -jnp.inf)
        logits = jnp.where(jnp.any(infinite), jnp.where(infinite, 0, -jnp.inf), logits)
        rest = jnp.where(jnp.isneginf(gains), -jnp.inf, 0)
        return jax.random.categorical(key, jnp.where(jnp.any(positive), logits, rest))

    def select(*arguments, **options):
        return sequential(pick, *arguments, **options)[0]

    return select
