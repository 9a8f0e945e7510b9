"""From a continuous design to a batch."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from alfi.criteria.posterior import information_of
from alfi.design.regret import regret
from alfi.selection.exchange import improve, losses
from alfi.selection.greedy import greedy
from alfi.typing import Criterion, Selection

METHODS = ("greedy", "exchange", "ftrl", "apportion")


def round(
    design: Float[Array, " n"],
    criterion: Criterion,
    data: Any,
    batch_size: int,
    *,
    weights: Float[Array, " n"],
    available: Any = None,
    population: Any = None,
    method: str = "greedy",
    support: float = 1e-6,
    eta: float = 3.0,
) -> Selection:
    """A batch from the continuous design z [n].

    Parameters
    ----------
    design
        ``solve(...).weights``, for the same problem.
    method
        ``"greedy"``: greedy search on the support; ``"exchange"``: the same, then swaps with the whole pool as long as
        they help; ``"ftrl"``: regret minimisation with rate ``eta``; ``"apportion"``: examples may be repeated, as
        often as ``apportion`` says.
    support
        z above this counts as support.
    criterion, data, weights, available, population
        As for ``alfi.select``.

    Returns
    -------
    Selection; for methods other than greedy, gains are what the criterion would lose without the point. Where the
    support has fewer points than the batch, greedy reports the rest as exhausted.

    Raises
    ------
    ValueError
        For an unknown method.

    Cost: that of the search on the pool.

    Examples
    --------
    >>> import alfi
    >>> from alfi import testing
    >>> factors, nothing = testing.one_hot([1.0, 2.0, 3.0]), jnp.zeros(3)
    >>> d_optimal = alfi.criteria.d_optimal()
    >>> found = alfi.design.solve(d_optimal, factors, budget=2.0)
    >>> sorted(round(found.weights, d_optimal, factors, 2, weights=nothing).indices.tolist())
    [1, 2]
    """
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}; got {method!r}.")
    n = design.shape[0]
    available = weights == 0 if available is None else jnp.asarray(available, bool)
    population = jnp.ones_like(weights) if population is None else jnp.asarray(population, weights.dtype)
    if method == "ftrl":
        information = information_of(criterion.init(data, weights, population))
        rate = jnp.asarray(eta, weights.dtype)
        indices = regret(data, information, design.astype(weights.dtype), available, batch_size, rate)
    elif method == "apportion":
        counts = apportion(jnp.where(design > support, design, 0), batch_size)
        indices = jnp.repeat(jnp.arange(n), counts, total_repeat_length=batch_size)
    else:
        held = available & (design > support)
        picked = greedy()(jax.random.key(0), criterion, data, weights, held, batch_size, population=population)
        if method == "greedy":
            return picked
        indices = picked.indices
    state = criterion.init(data, weights.at[indices].add(1, mode="drop"), population)
    if method == "exchange":
        indices, state = improve(criterion, data, state, indices, available, 10 * batch_size)
    return Selection(indices, losses(criterion, data, state, indices))


def apportion(design: Float[Array, " n"], size: int) -> Int[Array, " n"]:
    """How often to take each point of a classical design: efficient rounding, to whole numbers that sum to ``size``.

    ``ceil(w_i (size - l / 2))`` for a support of l points, then up where ``n_i / w_i`` is smallest or down where
    ``(n_i - 1) / w_i`` is largest, one by one. Ties: the first index. Keeps all of the support if ``size >= l``.

    Source: Pukelsheim & Rieder 1992, doi 10.1093/biomet/79.4.763.

    Cost: n for each unit that is moved, at most ``l`` of them.

    Examples
    --------
    >>> apportion(jnp.array([0.5, 0.0, 0.3, 0.2]), 7).tolist()
    [3, 0, 2, 2]
    """
    w = design / jnp.sum(design)
    held = w > 0
    safe = jnp.where(held, w, 1)
    start = jnp.ceil(w * (size - jnp.sum(held) / 2) * (1 - 8 * jnp.finfo(w.dtype).eps))
    start = jnp.where(held, jnp.maximum(start, 0), 0)

    def body(counts: Array) -> Array:
        over = jnp.sum(counts) > size
        down = jnp.argmax(jnp.where(held & (counts > 0), (counts - 1) / safe, -jnp.inf))
        up = jnp.argmin(jnp.where(held, counts / safe, jnp.inf))
        return counts.at[jnp.where(over, down, up)].add(jnp.where(over, -1, 1))

    return jax.lax.while_loop(lambda counts: jnp.sum(counts) != size, body, start).astype(int)
