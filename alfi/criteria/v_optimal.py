"""V-optimality (I-optimality): the mean predictive variance over the population; the objective of BAIT."""

from typing import Any, NamedTuple

import jax.numpy as jnp
from jax.tree_util import Partial
from jaxtyping import Array, Float

from alfi import linalg
from alfi.criteria.posterior import Posterior, hyperparameter, invert, move, pool_last, posterior
from alfi.typing import Criterion, Factors, Known, State


class Shared(NamedTuple):
    """The posterior, and F with the value it gives."""

    posterior: Posterior
    target: Float[Array, "p p"]
    value: Float[Array, ""]


class Local(NamedTuple):
    """What every candidate keeps."""

    s: Float[Array, "r r n"]  # A_i M^-1 A_i^T
    n: Float[Array, "r r n"]  # A_i M^-1 F M^-1 A_i^T


def v_optimal(*, prior_precision: Any = 1.0) -> Criterion:
    r"""``value = -tr(M^-1 F)``, F the mean Fisher information over the population.

    ``gain_i = tr(w (I + w S_i)^-1 N_i)`` with ``S_i = A_i M^-1 A_i^T`` and ``N_i = A_i M^-1 F M^-1 A_i^T``, both kept
    for every candidate and updated exactly. The Fisher information ratio, Bayesian A-optimality in the predictions.

    Parameters
    ----------
    prior_precision
        ``M_0``: a positive number, a diagonal [p] or a matrix [p, p].

    Returns
    -------
    Criterion on Factors. The target is the rows of positive ``population``: rows of population 0 (padding) do not
    count, and a test input that may not be picked can. State: S_i, N_i [r, r, n].

    Source: Ash et al. 2021, BAIT, arXiv 2106.09675 (there by recomputing all scores in every step).

    Examples
    --------
    >>> import alfi
    >>> factors = alfi.fisher.DenseFactors(jnp.array([[[3.0, 0.0]], [[0.0, 1.0]], [[0.0, 1.0]], [[0.0, 1.1]]]))
    >>> alfi.select(v_optimal(), factors, 2).indices.tolist()
    [0, 3]
    """
    prior = hyperparameter(prior_precision)
    return Criterion(
        init=Partial(_init, prior),
        gain=Partial(_gain),
        update=Partial(_update),
        value=Partial(_value),
        sensitivity=Partial(_sensitivity),
        refresh=Partial(_refresh),
        known=Known(concave=True, degree=-1),
    )


def _init(prior: Array, data: Factors, weights: Array, population: Array) -> State:
    return _state(posterior(prior, data, weights), data.information(population / jnp.sum(population)), data)


def _state(after: Posterior, target: Array, data: Factors) -> State:
    weighted = jnp.matmul(after.covariance, target, precision="highest")
    spread = jnp.matmul(weighted, after.covariance, precision="highest")
    local = Local(pool_last(data.quadratic(after.covariance)), pool_last(data.quadratic((spread + spread.T) / 2)))
    return State(Shared(after, target, -jnp.trace(weighted)), local)


def _gain(data: Factors, state: State, weight: Any = 1.0) -> Float[Array, " n"]:
    weight = jnp.asarray(weight, state.local.s.dtype)
    return weight * linalg.trace_solve_plus(state.local.s, state.local.n, weight)


def _update(data: Factors, state: State, index: Array, point: Factors, weight: Any = 1.0) -> State:
    del index
    shared, local = state
    after, step = move(shared.posterior, point, jnp.asarray(weight, local.s.dtype))
    targeted = jnp.matmul(shared.target, step.half, precision="highest")
    response = jnp.matmul(shared.posterior.covariance, targeted, precision="highest")
    core = jnp.matmul(step.half.T, targeted, precision="highest")
    r = step.half.shape[1]
    seen = pool_last(data.project(jnp.concatenate([step.half, response], axis=1)))
    u, q = seen[:, :r], seen[:, r:]
    # N' = N - sign (U Q^T + Q U^T) + U K U^T = N + X + X^T with X = (U K / 2 - sign Q) U^T
    n = core.shape[0]
    middle = linalg.product(u, jnp.broadcast_to(core[:, :, None] / 2, (n, n, u.shape[2]))) - step.sign * q
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
