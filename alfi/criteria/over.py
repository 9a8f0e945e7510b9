"""One criterion over many problems at once (classes, ensemble members, scenarios): their mean, or the worst case."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.tree_util import Partial
from jaxtyping import Array, Float

from alfi.typing import Criterion, Known, State


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
    (distances) the reduction of the gains. ``sensitivity`` by the chain rule. With ``jnp.mean`` and ``jnp.min`` it is
    as concave as the criterion, so continuous designs are certified; of another reduction nothing is known: say
    ``concave=True`` if it is concave and nowhere decreasing. State and cost: e times those of the criterion.

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
    reduce = reduce if isinstance(reduce, Partial) else Partial(reduce)
    known = _known(criterion.known, reduce)
    kinks = known.concave and (reduce.func is jnp.min or criterion.smoothed is not None)
    return Criterion(
        init=Partial(_init, criterion),
        gain=Partial(_gain, criterion, reduce),
        update=Partial(_update, criterion),
        value=Partial(_value, criterion, reduce),
        sensitivity=None if criterion.sensitivity is None else Partial(_sensitivity, criterion, reduce),
        refresh=None if criterion.refresh is None else Partial(_refresh, criterion),
        known=known,
        smoothed=Partial(_smoothed, criterion, reduce) if kinks else None,
    )


def _known(known: Known, reduce: Partial) -> Known:
    """A mean or a minimum of concave functions is concave, and of one degree if they are; a mean also submodular."""
    if reduce.args or reduce.keywords or reduce.func not in (jnp.mean, jnp.min):
        return Known()
    return Known(known.concave, known.submodular and reduce.func is jnp.mean, degree=known.degree)


def _smoothed(criterion: Criterion, reduce: Partial, width: Any) -> Criterion:
    """Smooth problems, where they have kinks themselves, and a soft minimum of them, at most ``width log e`` above."""
    inner = criterion if criterion.smoothed is None else criterion.smoothed(width)
    outer = Partial(_soft_minimum, jnp.asarray(width, float)) if reduce.func is jnp.min else reduce
    return over(inner, outer)._replace(known=Known(concave=True), smoothed=None)


def _soft_minimum(width: Array, values: Float[Array, " e"]) -> Float[Array, ""]:
    width = width.astype(values.dtype)
    return -width * (jax.nn.logsumexp(-values / width) - jnp.log(values.shape[0]))


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
