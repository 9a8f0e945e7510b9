"""The trace of the information: additive, so the best batch is the top k; an upper bound of the D-gain."""

from typing import Any

import jax.numpy as jnp
from jax.tree_util import Partial
from jaxtyping import Array, Float

from alfi.criteria.posterior import fitting_prior, prior_hyperparameter
from alfi.typing import Criterion, Factors, Known, State


def trace(*, prior_precision: Any = 1.0) -> Criterion:
    r"""``value = tr M``; ``gain_i = w tr(A_i^T A_i)``, the expected squared norm of the score. Blind to redundancy.

    Parameters
    ----------
    prior_precision
        ``M_0``: a number, a diagonal [p] or a matrix [p, p]. A constant in the value; no gain depends on it.

    Returns
    -------
    Criterion on Factors. State: the traces [n]; a pick costs nothing.

    Source: T-optimality of the theory of optimal design (Pukelsheim 2006, doi 10.1137/1.9780898719109).

    Examples
    --------
    >>> import alfi
    >>> alfi.score(trace(), alfi.fisher.DenseFactors(jnp.array([[[1.0, 2.0]], [[3.0, 0.0]]]))).tolist()
    [5.0, 9.0]
    """
    return Criterion(
        init=Partial(_init, prior_hyperparameter(prior_precision)),
        gain=Partial(_gain),
        update=Partial(_update),
        value=Partial(_value),
        sensitivity=Partial(_gain),
        known=Known(concave=True, submodular=True, degree=1),
    )


def _init(prior: Array, data: Factors, weights: Array, population: Array) -> State:
    del population
    traces = data.squared_norms()
    prior = fitting_prior(prior, data.p, traces.dtype)
    start = jnp.trace(prior) if prior.ndim == 2 else jnp.sum(prior)
    unread = (weights == 0) & jnp.isnan(traces)  # 0 nan is nan
    return State(start + jnp.sum(jnp.where(unread, 0, weights * traces)), traces)


def _gain(data: Factors, state: State, weight: Any = 1.0) -> Float[Array, " n"]:
    return jnp.asarray(weight, state.local.dtype) * state.local


def _update(data: Factors, state: State, index: Array, point: Factors, weight: Any = 1.0) -> State:
    del data, index
    weight = jnp.asarray(weight, state.local.dtype)
    return State(state.shared + weight * point.squared_norms()[0], state.local)


def _value(state: State) -> Float[Array, ""]:
    return state.shared
