"""The one idea of the library: strategy = factors x criterion x selection rule."""

from collections.abc import Callable
from typing import Any, Literal

import jax
import jax.numpy as jnp

from alfi.typing import Criterion, FactorFn, Fitted, Pool, PRNGKey, SelectFn, Selection, Strategy


def compose(
    factor_fn: FactorFn,
    criterion: Criterion | Callable[[Any, Fitted, Pool], Criterion],
    select: SelectFn,
    *,
    start: Literal["labelled", "empty"] = "labelled",
) -> Strategy:
    """A strategy from its three parts.

    Parameters
    ----------
    factor_fn
        What the criterion reads of a fitted model and a pool.
    criterion
        What a good design is; or a function ``(data, fitted, pool) -> Criterion`` where a hyper-parameter follows
        from the round, as a prior precision by evidence does.
    select
        How to search.
    start
        The design that the batch is added to: the labelled set, or nothing (BADGE looks at the batch alone).

    Examples
    --------
    Core-set on the inputs themselves:

    >>> import alfi
    >>> inputs = lambda key, fitted, pool: alfi.fisher.DenseFactors(pool.x[:, None])
    >>> strategy = compose(inputs, alfi.criteria.min_distance(), alfi.selection.greedy())
    >>> pool = alfi.pool(jnp.array([[0.0], [1.0], [5.0]]), labelled=[0])
    >>> strategy.select(jax.random.key(0), alfi.Fitted(None), pool, 1).indices.tolist()
    [2]
    """

    def choose(key: PRNGKey, fitted: Fitted, pool: Pool, batch_size: int) -> Selection:
        key_factors, key_select = jax.random.split(key)
        data = factor_fn(key_factors, fitted, pool)
        chosen = criterion if isinstance(criterion, Criterion) else criterion(data, fitted, pool)
        dtype = jnp.result_type(*jax.tree.leaves(data))
        weights = pool.labelled.astype(dtype) if start == "labelled" else jnp.zeros(pool.labelled.shape, dtype)
        return select(
            key_select,
            chosen,
            data,
            weights,
            pool.available,
            batch_size,
            population=pool.population.astype(dtype),
            groups=pool.groups,
            costs=pool.costs,
        )

    return Strategy(fit=lambda key, fitted, pool: fitted, select=choose)
