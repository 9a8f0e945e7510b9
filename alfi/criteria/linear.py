"""Criteria linear in the covariance, ``-tr(L M^-1)``: one exact incremental cache for A-, V- and L-optimality."""

from typing import Any, NamedTuple

import jax.numpy as jnp
from jax.tree_util import Partial
from jaxtyping import Array, Float

from alfi import linalg
from alfi.criteria.posterior import Posterior, invert, move, pool_last, posterior, prior_hyperparameter
from alfi.typing import Criterion, Factors, Known, State


class Shared(NamedTuple):
    """The posterior, L and the value it gives."""

    posterior: Posterior
    target: Partial  # X[p, s] -> L X
    value: Float[Array, ""]


class Local(NamedTuple):
    """What every candidate keeps."""

    s: Float[Array, "r r n"]  # A_i M^-1 A_i^T
    n: Float[Array, "r r n"]  # A_i M^-1 L M^-1 A_i^T


def linear(target: Partial, prior_precision: Any, *, concave: bool = True) -> Criterion:
    """``value = -tr(L M^-1)`` for a symmetric L that ``target(data, population)`` gives as a map ``X -> L X``.

    ``gain_i = tr(w (I + w S_i)^-1 N_i)``; a pick costs one pass over the factors and ``r`` products with L.
    Concave in the design where L is positive semi-definite.
    """
    return Criterion(
        init=Partial(_init, prior_hyperparameter(prior_precision), target),
        gain=Partial(_gain),
        update=Partial(_update),
        value=Partial(_value),
        sensitivity=Partial(_sensitivity),
        refresh=Partial(_refresh),
        known=Known(concave=concave, degree=-1),
    )


def by_matrix(matrix: Float[Array, "p p"], x: Float[Array, "p s"]) -> Float[Array, "p s"]:
    """``L X`` for L as it is."""
    return jnp.matmul(matrix, x, precision="highest")


def by_identity(x: Float[Array, "p s"]) -> Float[Array, "p s"]:
    """``L X`` for ``L = I``."""
    return x


def _init(prior: Array, target: Partial, data: Factors, weights: Array, population: Array) -> State:
    return _state(posterior(prior, data, weights), target(data, population), data)


def _state(after: Posterior, target: Partial, data: Factors) -> State:
    weighted = target(after.covariance)
    spread = jnp.matmul(after.covariance, weighted, precision="highest")
    local = Local(pool_last(data.quadratic(after.covariance)), pool_last(data.quadratic((spread + spread.T) / 2)))
    return State(Shared(after, target, -jnp.trace(weighted)), local)


def _gain(data: Factors, state: State, weight: Any = 1.0) -> Float[Array, " n"]:
    weight = jnp.asarray(weight, state.local.s.dtype)
    return weight * linalg.trace_solve_plus(state.local.s, state.local.n, weight)


def _update(data: Factors, state: State, index: Array, point: Factors, weight: Any = 1.0) -> State:
    del index
    shared, local = state
    after, step = move(shared.posterior, point, jnp.asarray(weight, local.s.dtype))
    targeted = shared.target(step.half)
    response = jnp.matmul(shared.posterior.covariance, targeted, precision="highest")
    core = jnp.matmul(step.half.T, targeted, precision="highest")
    r = step.half.shape[1]
    seen = pool_last(data.project(jnp.concatenate([step.half, response], axis=1)))
    u, q = seen[:, :r], seen[:, r:]
    # N' = N - sign (U Q^T + Q U^T) + U K U^T = N + X + X^T with X = (U K / 2 - sign Q) U^T
    middle = linalg.product(u, jnp.broadcast_to(core[:, :, None] / 2, (r, r, u.shape[2]))) - step.sign * q
    change = linalg.product(middle, linalg.transpose(u))
    new = Local(
        local.s - step.sign * linalg.product(u, linalg.transpose(u)), local.n + change + linalg.transpose(change)
    )
    return State(Shared(after, shared.target, shared.value + step.sign * jnp.trace(core)), new)


def _value(state: State) -> Float[Array, ""]:
    return state.shared.value


def _sensitivity(data: Factors, state: State) -> Float[Array, " n"]:
    return jnp.trace(state.local.n)


def _refresh(data: Factors, state: State) -> State:
    return _state(invert(state.shared.posterior.information), state.shared.target, data)
