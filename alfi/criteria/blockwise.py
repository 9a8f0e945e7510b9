"""A criterion of each block of the parameters, summed."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.tree_util import Partial
from jaxtyping import Array, Float

from alfi.fisher.blocks import BlockFactors
from alfi.fisher.factors import DenseFactors
from alfi.typing import Criterion, State


def blockwise(criterion: Criterion) -> Criterion:
    r"""``value = sum_b criterion(M_b)`` over the blocks of a block-diagonal information.

    For D-, A- and V-optimality that is the criterion of the whole matrix ``diag(M_1 ... M_b)``, at the cost of its
    blocks: state and moves are those of b small problems, done together.

    Parameters
    ----------
    criterion
        On Factors; its prior precision (a number, [q] or [q, q]) holds for every block.

    Returns
    -------
    Criterion on BlockFactors.

    Cost: of a pick, ``n b (r q + r^3)`` for D and V, where the whole matrix would take ``n b^2 r (q + r b)`` and more.

    Source: Chen, Wen & Biros 2024, arXiv 2409.07392 (blocks per class).

    Examples
    --------
    >>> import alfi
    >>> factors = BlockFactors(jnp.array([[[[3.0]], [[0.0]]], [[[2.9]], [[0.1]]], [[[0.0]], [[1.0]]]]))  # q = 1
    >>> alfi.select(blockwise(alfi.criteria.d_optimal()), factors, 2).indices.tolist()
    [0, 2]
    """
    return Criterion(
        init=Partial(_init, criterion),
        gain=Partial(_gain, criterion),
        update=Partial(_update, criterion),
        value=Partial(_value, criterion),
        sensitivity=criterion.sensitivity and Partial(_sensitivity, criterion),
        refresh=criterion.refresh and Partial(_refresh, criterion),
    )


def _each(function: Callable, *trees: Any) -> Any:
    """``function`` of every block: the second axis of factors, the first of states."""
    axes = tuple(1 if isinstance(tree, BlockFactors) else 0 for tree in trees)

    def one(*parts):
        return function(*(DenseFactors(part.array) if isinstance(part, BlockFactors) else part for part in parts))

    return jax.vmap(one, axes)(*trees)


def _init(criterion: Criterion, data: BlockFactors, weights: Array, population: Array) -> State:
    return _each(lambda block: criterion.init(block, weights, population), data)


def _gain(criterion: Criterion, data: BlockFactors, state: State, weight: Any = 1.0) -> Float[Array, " n"]:
    return jnp.sum(_each(lambda block, state: criterion.gain(block, state, weight), data, state), axis=0)


def _update(
    criterion: Criterion, data: BlockFactors, state: State, index: Array, point: BlockFactors, weight: Any = 1.0
) -> State:
    return _each(lambda *parts: criterion.update(parts[0], parts[1], index, parts[2], weight), data, state, point)


def _value(criterion: Criterion, state: State) -> Float[Array, ""]:
    return jnp.sum(_each(criterion.value, state))


def _sensitivity(criterion: Criterion, data: BlockFactors, state: State) -> Float[Array, " n"]:
    return jnp.sum(_each(criterion.sensitivity, data, state), axis=0)


def _refresh(criterion: Criterion, data: BlockFactors, state: State) -> State:
    return _each(criterion.refresh, data, state)
