"""Stochastic batches: the top k of scores with Gumbel noise, so that near ties are not all of one kind."""

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from alfi.selection.sequential import pickable
from alfi.selection.top_k import first_of_group
from alfi.typing import SelectFn, Selection


@functools.cache  # one object, so that a compiled function taking it as a static argument is compiled once
def power(beta: float = 1.0) -> SelectFn:
    """Draw without replacement in proportion to ``gain ** beta``: the top k of ``beta log gain + Gumbel noise``.

    Gains that are zero or negative come only when no positive one is left, then uniformly; infinite ones come first.
    ``Selection.gains`` are the gains without noise.

    Source: Kirsch et al. 2023, Stochastic batch acquisition, arXiv 2106.12059; Kool et al. 2019 (Gumbel top-k).

    Cost: one evaluation of gain, and a sort.

    Examples
    --------
    >>> import alfi
    >>> alfi.select(alfi.criteria.score(), jnp.array([0.0, 5.0, 0.0]), 1, rule=power()).indices.tolist()
    [1]
    """

    def log_weights(gains: Float[Array, " n"]) -> tuple[Array, Array]:
        positive = gains > 0
        return beta * jnp.log(jnp.where(positive, gains, 1)), positive

    return _noisy(log_weights)


@functools.cache
def softmax(beta: float = 1.0) -> SelectFn:
    """Draw without replacement in proportion to ``exp(beta gain)``: the top k of ``beta gain + Gumbel noise``.

    ``beta`` has the inverse unit of the gain. Infinite gains come first. ``Selection.gains`` are without noise.

    Source: Kirsch et al. 2023, arXiv 2106.12059. Cost: one evaluation of gain, and a sort.

    Examples
    --------
    >>> import alfi
    >>> alfi.select(alfi.criteria.score(), jnp.array([0.0, 9.0, 1.0]), 1, rule=softmax(10.0)).indices.tolist()
    [1]
    """
    return _noisy(lambda gains: (beta * gains, jnp.ones(gains.shape, bool)))


@functools.cache
def softrank(beta: float = 1.0) -> SelectFn:
    """Draw without replacement in proportion to ``rank ** -beta``, rank 1 the largest gain.

    Invariant to any increasing function of the gain. Ties: the first index has the better rank. ``Selection.gains`` are
    without noise.

    Source: Kirsch et al. 2023, arXiv 2106.12059. Cost: one evaluation of gain, and two sorts.

    Examples
    --------
    >>> import alfi
    >>> alfi.select(alfi.criteria.score(), jnp.array([0.0, 9.0, 1.0]), 1, rule=softrank(30.0)).indices.tolist()
    [1]
    """

    def log_weights(gains: Float[Array, " n"]) -> tuple[Array, Array]:
        n = gains.shape[0]
        rank = jnp.zeros(n, gains.dtype).at[jnp.argsort(-gains, stable=True)].set(jnp.arange(1, n + 1))
        return -beta * jnp.log(rank), jnp.ones(n, bool)

    return _noisy(log_weights)


def _noisy(log_weights) -> SelectFn:
    """``log_weights(gains) -> (logits, drawn first)``; infinite gains before, and what may not be picked never."""

    def select(key, criterion, data, weights, available, batch_size, *, population, groups=None, costs=None):
        gains = criterion.gain(data, criterion.init(data, weights, population))
        gains = pickable(gains if costs is None else gains / costs, available)
        n, infinite = gains.shape[0], jnp.isposinf(gains)
        logits, first = log_weights(gains)
        noisy = jnp.where(jnp.isinf(logits), 0, logits) + jax.random.gumbel(key, (n,), gains.dtype)
        tier = jnp.where(jnp.isneginf(gains), 0, 1 + first + infinite)
        position = jnp.zeros(n, int).at[jnp.lexsort((-noisy, -tier))].set(jnp.arange(n))
        if groups is not None:
            tier = jnp.where(first_of_group(position, groups), tier, 0)
        order = jnp.argsort(jnp.where(tier > 0, position, n), stable=True)[:batch_size]
        found = tier[order] > 0
        return Selection(jnp.where(found, order, n), jnp.where(found, gains[order], -jnp.inf))

    return select
