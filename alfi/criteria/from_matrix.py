"""Any scalar function of the information matrix is a criterion: the exact reference, and the place to try an idea."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.tree_util import Partial
from jaxtyping import Array, Float

from alfi.criteria.posterior import hyperparameter, prior_information
from alfi.typing import Criterion, Factors, State

# Numbers held at once by ``gain``: this many, in chunks of candidates of p x p matrices.
MEMORY = 2**24


def from_matrix(phi: Callable[[Array], Array], *, prior_precision: Any = 1.0) -> Criterion:
    r"""``value = phi(M)``; ``gain_i = phi(M + w A_i^T A_i) - phi(M)`` by evaluating phi for every candidate.

    Parameters
    ----------
    phi
        ``M[p, p] -> scalar``, larger is better. A module-level function, or a ``jax.tree_util.Partial`` of one with
        arrays bound, is compiled once; a fresh lambda each time is compiled each time.
    prior_precision
        ``M_0``: a positive number, a diagonal [p] or a matrix [p, p].

    Returns
    -------
    Criterion on Factors; ``sensitivity`` by automatic differentiation of phi. Cost of a pick: n evaluations of phi,
    ``O(n p^3)`` for most: for p up to a few hundred.

    Examples
    --------
    E-optimality, the smallest eigenvalue, in one line:

    >>> import alfi
    >>> e_optimal = from_matrix(lambda M: jnp.linalg.eigvalsh(M)[0])
    >>> factors = alfi.fisher.DenseFactors(jnp.array([[[3.0, 0.0]], [[0.0, 1.0]], [[1.0, 2.0]]]))
    >>> alfi.select(e_optimal, factors, 1, weights=jnp.array([1.0, 0.0, 0.0])).indices.tolist()
    [2]
    """
    phi = phi if isinstance(phi, Partial) else Partial(phi)
    return Criterion(
        init=Partial(_init, hyperparameter(prior_precision)),
        gain=Partial(_gain, phi),
        update=Partial(_update),
        value=Partial(_value, phi),
        sensitivity=Partial(_sensitivity, phi),
    )


def _init(prior: Array, data: Factors, weights: Array, population: Array) -> State:
    del population
    information = data.information(weights)
    return State(information + prior_information(prior, data.p, information.dtype), ())


def _gain(phi: Partial, data: Factors, state: State, weight: Any = 1.0) -> Float[Array, " n"]:
    base = phi(state.shared)
    identity = jnp.eye(data.p, dtype=state.shared.dtype)

    def one(row: Any) -> Float[Array, ""]:
        a = jax.tree.map(lambda x: x[None], row).project(identity)[0]
        return phi(state.shared + weight * jnp.matmul(a.T, a, precision="highest")) - base

    return jax.lax.map(one, data, batch_size=max(1, min(data.n, MEMORY // data.p**2)))


def _update(data: Factors, state: State, index: Array, point: Factors, weight: Any = 1.0) -> State:
    del data, index
    return State(state.shared + point.information(jnp.asarray(weight, state.shared.dtype)[None]), ())


def _value(phi: Partial, state: State) -> Float[Array, ""]:
    return phi(state.shared)


def _sensitivity(phi: Partial, data: Factors, state: State) -> Float[Array, " n"]:
    slope = jax.grad(phi)(state.shared)
    return jnp.trace(data.quadratic((slope + slope.T) / 2), axis1=1, axis2=2)
