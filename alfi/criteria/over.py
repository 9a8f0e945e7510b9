"""One criterion over many problems at once (classes, ensemble members, scenarios): their mean, or the worst case."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.tree_util import Partial
from jaxtyping import Array, Float

from alfi.typing import Criterion, State


def over(criterion: Criterion, reduce: Callable[[Float[Array, " e"]], Float[Array, ""]] = jnp.mean) -> Criterion:
    r"""``value = reduce_e criterion(data_e)``: one design that has to serve e problems.

    Parameters
    ----------
    criterion
        Of one problem; its hyper-parameters hold for all.
    reduce
        ``[e] -> scalar``: ``jnp.mean`` (pseudo-Bayesian design), ``jnp.min`` (the worst case), or your own, such as a
        soft minimum. A module-level function is compiled once.

    Returns
    -------
    Criterion on the same kind of data with the axis e after the pool's, since rows are what is picked: DenseFactors
    with array [n, e, r, p], LastLayerFactors with [n, e, t, r, c] and [n, e, t, d], scores [n, e].
    ``gain_i = reduce(value + gain_i) - reduce(value)``, the change of the value; for criteria without a value
    (distances) the reduction of the gains. ``sensitivity`` by the chain rule. State and cost: e times those of the
    criterion.

    Source: theory of optimal design for parameters that are not known (Pronzato & Pazman 2013, doi
    10.1007/978-1-4614-6363-4).

    Examples
    --------
    Two members; the third candidate helps both a little:

    >>> import alfi
    >>> array = jnp.array([[[[3.0]], [[0.0]]], [[[0.0]], [[3.0]]], [[[1.0]], [[1.0]]]])
    >>> worst = over(alfi.criteria.d_optimal(), jnp.min)
    >>> alfi.select(worst, alfi.fisher.DenseFactors(array), 1).indices.tolist()
    [2]
    """
    reduce = Partial(reduce)
    return Criterion(
        init=Partial(_init, criterion),
        gain=Partial(_gain, criterion, reduce),
        update=Partial(_update, criterion),
        value=Partial(_value, criterion, reduce),
        sensitivity=None if criterion.sensitivity is None else Partial(_sensitivity, criterion, reduce),
        refresh=None if criterion.refresh is None else Partial(_refresh, criterion),
    )


def _init(criterion: Criterion, data: Any, weights: Array, population: Array) -> State:
    return jax.vmap(lambda part: criterion.init(part, weights, population), in_axes=1)(data)


def _gain(criterion: Criterion, reduce: Partial, data: Any, state: State, weight: Any = 1.0) -> Float[Array, " n"]:
    gains = jax.vmap(lambda part, own: criterion.gain(part, own, weight), in_axes=(1, 0))(data, state)
    values = jax.vmap(criterion.value)(state)
    values = jnp.where(jnp.isnan(values) & jnp.any(jnp.isfinite(gains), axis=1), 0, values)
    return jax.vmap(reduce, in_axes=1)(values[:, None] + gains) - reduce(values)


def _update(criterion: Criterion, data: Any, state: State, index: Array, point: Any, weight: Any = 1.0) -> State:
    move = jax.vmap(lambda part, own, row: criterion.update(part, own, index, row, weight), in_axes=(1, 0, 1))
    return move(data, state, point)


def _value(criterion: Criterion, reduce: Partial, state: State) -> Float[Array, ""]:
    return reduce(jax.vmap(criterion.value)(state))


def _sensitivity(criterion: Criterion, reduce: Partial, data: Any, state: State) -> Float[Array, " n"]:
    slopes = jax.vmap(criterion.sensitivity, in_axes=(1, 0))(data, state)
    share = jax.grad(reduce)(jax.vmap(criterion.value)(state))
    return jnp.matmul(share, slopes, precision="highest")


def _refresh(criterion: Criterion, data: Any, state: State) -> State:
    return jax.vmap(criterion.refresh, in_axes=(1, 0))(data, state)
