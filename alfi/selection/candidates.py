"""A filter before the search: only the best few by a score are looked at."""

import functools

import jax
import jax.numpy as jnp

from alfi.selection.sequential import pickable
from alfi.typing import SelectFn


@functools.cache  # one object, so that a compiled function taking it as a static argument is compiled once
def candidates(rule: SelectFn, size: int) -> SelectFn:
    """Let ``rule`` choose only among the ``size`` available examples of largest score. Ties: the first index.

    Data are a pair ``(scores[n], what the criterion reads)``. Entropy as the score and distance as the criterion make
    MedAL. With too few candidates for the batch the remaining picks are reported as exhausted.

    Raises
    ------
    ValueError
        If ``size < 1``, or smaller than the batch.

    Source: Smailagic et al. 2018, MedAL, doi 10.1109/ICMLA.2018.00078.

    Cost: a top-k of the scores, then that of the rule.

    Examples
    --------
    >>> import alfi
    >>> data = jnp.array([0.1, 0.9, 0.8]), alfi.fisher.DenseFactors(jnp.array([[[9.0]], [[1.0]], [[2.0]]]))
    >>> rule = candidates(alfi.selection.greedy(), 2)
    >>> alfi.select(alfi.criteria.d_optimal(), data, 1, rule=rule).indices.tolist()
    [2]
    """
    if size < 1:
        raise ValueError(f"candidates needs size >= 1; got {size}.")

    def select(key, criterion, data, weights, available, batch_size, **options):
        if size < batch_size:
            raise ValueError(f"candidates of size {size} cannot give a batch of {batch_size}: raise the size.")
        scores, inner = data
        scores = pickable(scores, available)
        values, best = jax.lax.top_k(scores, min(size, scores.shape[0]))
        kept = jnp.zeros(available.shape, bool).at[best].set(~jnp.isneginf(values))
        return rule(key, criterion, inner, weights, available & kept, batch_size, **options)

    return select
