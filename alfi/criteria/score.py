"""Any pointwise score as a criterion: entropy, margin, the trace of the Fisher information, random numbers."""

from typing import Any

import jax.numpy as jnp
from jax.tree_util import Partial
from jaxtyping import Array, Float

from alfi.typing import Criterion, Known, State


def score() -> Criterion:
    r"""``value = sum_i w_i s_i``: additive, so the best batch is simply the top k. Data: scores [n], larger is better.

    Examples
    --------
    >>> import alfi
    >>> alfi.select(score(), jnp.array([0.1, 0.7, 0.3]), 2, rule=alfi.selection.top_k()).indices.tolist()
    [1, 2]
    """
    return Criterion(
        init=Partial(_init),
        gain=Partial(_gain),
        update=Partial(_update),
        value=Partial(_value),
        sensitivity=Partial(_gain),
        known=Known(concave=True, degree=1),
    )


def _init(data: Array, weights: Array, population: Array) -> State:
    del population
    return State(jnp.sum(jnp.where(weights != 0, weights * data, 0)), ())


def _gain(data: Array, state: State, weight: Any = 1.0) -> Float[Array, " n"]:
    del state
    return weight * data


def _update(data: Array, state: State, index: Array, point: Array, weight: Any = 1.0) -> State:
    del data, index
    return State(state.shared + jnp.where(jnp.asarray(weight) == 0, 0, weight * point[0]), ())


def _value(state: State) -> Float[Array, ""]:
    return state.shared
