"""Fisher E-optimal: the batch that teaches the direction of the parameters that is known worst."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.tree_util import Partial
from jaxtyping import Array, Bool, Float

from alfi import criteria
from alfi.fisher.last_layer import last_layer
from alfi.fisher.prior import prior
from alfi.fisher.sketch import sketch_above
from alfi.selection.greedy import greedy
from alfi.strategies.compose import compose
from alfi.typing import Criterion, Factors, Likelihood, Model, State, Strategy

# Numbers held at once by ``gain``: this many, in chunks of candidates of p x p matrices.
MEMORY = 2**24


def e_optimal(
    model: Model,
    likelihood: Likelihood,
    *,
    sketch: int | None = 64,
    prior_precision: Any = "evidence",
    temperature: float = 1.0,
) -> Strategy:
    """Greedy maximisation of the smallest eigenvalue of ``M = lambda I + sum F`` over the last layer.

    Tasks: any. Needs: a trained model with features.

    While fewer directions have been seen than there are, no single example raises the smallest eigenvalue: all gains of
    ``criteria.e_optimal`` are zero. This strategy then looks at the smallest one that any example can raise, so that
    every pick counts: what E-optimality would choose among designs that are equal up to there. ``Selection.gains`` are
    of that eigenvalue.

    Parameters
    ----------
    sketch
        A last layer of more parameters is projected at random onto so many: a gain is an eigenvalue problem for every
        candidate, ``O(n p^3)`` a pick. ``None``: never.
    prior_precision, temperature
        As for ``d_optimal``; the evidence is that of the whole last layer.

    Source: Pukelsheim 2006, doi 10.1137/1.9780898719109; the order among ties is ours.
    """
    factor_fn = last_layer(model, likelihood, temperature=temperature)
    precision = prior(prior_precision, model, likelihood)

    def criterion(data, fitted, pool):
        del data  # perhaps a sketch, which the evidence cannot be told from
        whole = factor_fn(jax.random.key(0), fitted, pool)
        return smallest_that_moves(criteria.e_optimal(prior_precision=precision(whole, fitted, pool)))

    return compose(sketch_above(factor_fn, sketch), criterion, greedy())


class Local(NamedTuple):
    """Which rows are asked whether they raise an eigenvalue: those that count and are not in the design."""

    candidates: Bool[Array, " n"]


def smallest_that_moves(e_optimal: Criterion) -> Criterion:
    """E-optimality with the gains of the smallest eigenvalue that some candidate raises. ``value`` is that of E."""
    return e_optimal._replace(
        init=Partial(_init, e_optimal.init),
        gain=Partial(_gain),
        update=Partial(_update, e_optimal.update),
        value=Partial(_value, e_optimal.value),
        sensitivity=None,
        smoothed=None,
    )


def _init(inner: Partial, data: Factors, weights: Array, population: Array) -> State:
    state = inner(data, weights, population)
    return State(state.shared, Local((population > 0) & (weights == 0)))


def _gain(data: Factors, state: State, weight: Any = 1.0) -> Float[Array, " n"]:
    information = state.shared
    before, identity = jnp.linalg.eigvalsh(information), jnp.eye(data.p, dtype=information.dtype)

    def one(row: Any) -> Float[Array, " p"]:
        a = jax.tree.map(lambda x: x[None], row).project(identity)[0]
        return jnp.linalg.eigvalsh(information + weight * jnp.matmul(a.T, a, precision="highest"))

    after = jax.lax.map(one, data, batch_size=max(1, min(data.n, MEMORY // data.p**2)))
    # A change within the rounding error (of the largest eigenvalue) is none: noise must not look like a preference.
    error = 8 * data.p * jnp.finfo(after.dtype).eps * jnp.max(jnp.abs(after), axis=1, keepdims=True)
    changes = after - before[None]
    changes = jnp.where(jnp.abs(changes) <= error, 0, changes)
    moved = jnp.any((changes != 0) & state.local.candidates[:, None], axis=0)
    return jnp.take(changes, jnp.argmax(moved), axis=1)


def _update(inner: Partial, data: Factors, state: State, index: Array, point: Factors, weight: Any = 1.0) -> State:
    shared = inner(data, State(state.shared, ()), index, point, weight).shared
    unmoved = jnp.asarray(weight) == 0
    candidates = state.local.candidates
    return State(shared, Local(candidates.at[index].set(candidates[index] & unmoved, mode="drop")))


def _value(inner: Partial, state: State) -> Float[Array, ""]:
    return inner(State(state.shared, ()))
