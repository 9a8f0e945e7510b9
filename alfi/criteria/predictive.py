"""Criteria that look at the predictions of the population one by one: G-optimality and EPIG."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.tree_util import Partial
from jaxtyping import Array, Float

from alfi import linalg
from alfi.criteria.posterior import (
    Posterior,
    invert,
    move,
    pool_last,
    posterior,
    prior_hyperparameter,
    response,
)
from alfi.typing import Criterion, Factors, State

# Numbers held at once by ``gain``: this many, in chunks of candidates with r x r matrices of the whole population.
MEMORY = 2**24


class Shared(NamedTuple):
    """The posterior, and the population with its predictive covariances; candidates keep nothing."""

    posterior: Posterior
    targets: Factors
    population: Float[Array, " n"]
    s: Float[Array, "r r n"]  # A_t M^-1 A_t^T


def predictive(measure: Partial, prior_precision: Any) -> Criterion:
    """``value = measure(S[r, r, n], population[n])`` with ``S_t = A_t M^-1 A_t^T`` for every row t of the population.

    Every gain recomputes every S_t exactly, with one product for each candidate and target: ``n^2 r (p + r^2)`` a pick.
    """
    return Criterion(
        init=Partial(_init, prior_hyperparameter(prior_precision)),
        gain=Partial(_gain, measure),
        update=Partial(_update),
        value=Partial(_value, measure),
        sensitivity=Partial(_sensitivity, measure),
        refresh=Partial(_refresh),
    )


def _init(prior: Array, data: Factors, weights: Array, population: Array) -> State:
    return _state(posterior(prior, data, weights), data, population)


def _state(after: Posterior, targets: Factors, population: Array) -> State:
    return State(Shared(after, targets, population, pool_last(targets.quadratic(after.covariance))), ())


def _gain(measure: Partial, data: Factors, state: State, weight: Any = 1.0) -> Float[Array, " n"]:
    shared = state.shared
    weight = jnp.asarray(weight, shared.s.dtype)
    base = measure(shared.s, shared.population)

    def one(row: Any) -> Float[Array, ""]:
        step, _ = response(shared.posterior.covariance, jax.tree.map(lambda x: x[None], row), weight)
        seen = pool_last(shared.targets.project(step.half))
        changed = shared.s - step.sign * linalg.product(seen, linalg.transpose(seen))
        return measure(changed, shared.population) - base

    chunk = min(data.n, MEMORY // (shared.targets.n * data.r**2))
    return jax.lax.map(one, data, batch_size=max(1, chunk))


def _update(data: Factors, state: State, index: Array, point: Factors, weight: Any = 1.0) -> State:
    del data, index
    shared = state.shared
    after, step = move(shared.posterior, point, jnp.asarray(weight, shared.s.dtype))
    seen = pool_last(shared.targets.project(step.half))
    changed = shared.s - step.sign * linalg.product(seen, linalg.transpose(seen))
    return State(Shared(after, shared.targets, shared.population, changed), ())


def _value(measure: Partial, state: State) -> Float[Array, ""]:
    return measure(state.shared.s, state.shared.population)


def _sensitivity(measure: Partial, data: Factors, state: State) -> Float[Array, " n"]:
    shared = state.shared
    covariance = shared.posterior.covariance

    def value(covariance: Array) -> Float[Array, ""]:
        return measure(pool_last(shared.targets.quadratic(covariance)), shared.population)

    slope = jax.grad(value)(covariance)  # and the covariance falls by M^-1 F_i M^-1
    spread = jnp.matmul(
        covariance, jnp.matmul((slope + slope.T) / 2, covariance, precision="highest"), precision="highest"
    )
    return -jnp.trace(data.quadratic((spread + spread.T) / 2), axis1=1, axis2=2)


def _refresh(data: Factors, state: State) -> State:
    del data
    shared = state.shared
    return _state(invert(shared.posterior.information), shared.targets, shared.population)
