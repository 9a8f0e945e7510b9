"""Greedy selection: always the largest gain."""

import functools

import jax.numpy as jnp

from alfi.selection.sequential import sequential
from alfi.typing import SelectFn


@functools.cache  # one object, so that a compiled function taking it as a static argument is compiled once
def greedy() -> SelectFn:
    """Pick the point of largest gain, update, repeat. Ties: the first index.

    For a monotone submodular criterion (D-optimality) the gain of the batch is at least 1 - 1/e of the best possible.

    Source: Nemhauser, Wolsey & Fisher 1978, doi 10.1007/BF01588971.

    Cost: ``batch_size`` evaluations of gain and update.

    Examples
    --------
    >>> import alfi
    >>> factors = alfi.fisher.DenseFactors(jnp.array([[[1.0]], [[4.0]], [[3.0]]]))
    >>> alfi.select(alfi.criteria.d_optimal(), factors, 2, rule=greedy()).indices.tolist()
    [1, 2]
    """

    def select(*arguments, **options):
        return sequential(lambda _, gains: jnp.argmax(gains), *arguments, **options)[0]

    return select
