"""L-optimality for a few linear functions of the parameters, ``L = K K^T``: a smaller cache than that of any L."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.tree_util import Partial
from jaxtyping import Array, Float

from alfi import linalg
from alfi.criteria.posterior import Posterior, invert, move, pool_last, posterior, prior_hyperparameter
from alfi.typing import Criterion, Factors, Known, State


class Shared(NamedTuple):
    """The posterior, K and the value it gives."""

    posterior: Posterior
    root: Float[Array, "p k"]
    value: Float[Array, ""]


class Local(NamedTuple):
    """What every candidate keeps."""

    s: Float[Array, "r r n"]  # A_i M^-1 A_i^T
    w: Float[Array, "r k n"]  # A_i M^-1 K


def few_functions(root: Float[Array, "p k"], prior_precision: Any) -> Criterion:
    """``value = -tr(K^T M^-1 K)``; ``gain_i = tr(w (I + w S_i)^-1 W_i W_i^T)`` with ``W_i = A_i M^-1 K``.

    A pick moves ``W_i -= U_i U^T K`` along with ``S_i -= U_i U_i^T``: one pass over the factors as for D-optimality.
    """
    return Criterion(
        init=Partial(_init, prior_hyperparameter(prior_precision), root),
        gain=Partial(_gain),
        update=Partial(_update),
        value=Partial(_value),
        sensitivity=Partial(_sensitivity),
        refresh=Partial(_refresh),
        known=Known(concave=True, degree=-1),  # L = K K^T is positive semi-definite
    )


def _init(prior: Array, root: Array, data: Factors, weights: Array, population: Array) -> State:
    del population
    if root.shape[0] != data.p:
        raise ValueError(f"the factors have {data.p} parameters; c, or the root of L, has {root.shape[0]} rows.")
    return _state(posterior(prior, data, weights), root.astype(jnp.result_type(*jax.tree.leaves(data))), data)


def _state(after: Posterior, root: Array, data: Factors) -> State:
    weighted = jnp.matmul(after.covariance, root, precision="highest")
    local = Local(pool_last(data.quadratic(after.covariance)), pool_last(data.project(weighted)))
    return State(Shared(after, root, -jnp.sum(root * weighted)), local)


def _gain(data: Factors, state: State, weight: Any = 1.0) -> Float[Array, " n"]:
    s, w = state.local
    weight = jnp.asarray(weight, s.dtype)
    return weight * linalg.trace_solve_plus(s, linalg.product(w, linalg.transpose(w)), weight)


def _update(data: Factors, state: State, index: Array, point: Factors, weight: Any = 1.0) -> State:
    del index
    (before, root, value), (s, w) = state
    after, step = move(before, point, jnp.asarray(weight, s.dtype))
    core = jnp.matmul(step.half.T, root, precision="highest")  # [r, k]
    seen = pool_last(data.project(step.half))
    everywhere = jnp.broadcast_to(core[:, :, None], (*core.shape, seen.shape[2]))
    local = Local(
        s - step.sign * linalg.product(seen, linalg.transpose(seen)), w - step.sign * linalg.product(seen, everywhere)
    )
    return State(Shared(after, root, value + step.sign * jnp.sum(core**2)), local)


def _value(state: State) -> Float[Array, ""]:
    return state.shared.value


def _sensitivity(data: Factors, state: State) -> Float[Array, " n"]:
    return jnp.sum(state.local.w**2, axis=(0, 1))


def _refresh(data: Factors, state: State) -> State:
    return _state(invert(state.shared.posterior.information), state.shared.root, data)
