"""Ds-optimality: the determinant for some of the parameters, the others being nuisance."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial
from jaxtyping import Array, Float

from alfi import linalg
from alfi.criteria.posterior import Posterior, invert, move, pool_last, posterior, prior_hyperparameter
from alfi.typing import Criterion, Factors, Known, State


def ds_optimal(parameters: Any, *, prior_precision: Any = 1.0) -> Criterion:
    r"""``value = log det(M_11 - M_12 M_22^-1 M_21)``: block 1 holds the parameters of interest, block 2 the rest.

    It equals ``log det M - log det M_22``, so the cache is D-optimality's twice:
    ``gain_i = log det(I + w A_i M^-1 A_i^T) - log det(I + w A_i E A_i^T)`` with E = ``M_22^-1`` in its place and zero
    elsewhere.

    Parameters
    ----------
    parameters
        Of interest: their indices, or a mask [p].
    prior_precision
        ``M_0``: a positive number, a diagonal [p] or a matrix [p, p].

    Returns
    -------
    Criterion on Factors. Concave in the design. Its gains are nan if an index is not below p. State: two r x r matrices
    [r, r, n], updated exactly; a pick costs two passes over the factors. In float32 gains are exact to the rounding of
    the two terms.

    Raises
    ------
    ValueError
        If indices are negative or repeated, if nothing is of interest, or a mask does not fit the parameters.

    Source: Silvey 1980, Optimal Design, doi 10.1007/978-94-009-5912-5.

    Examples
    --------
    >>> import alfi
    >>> factors = alfi.fisher.DenseFactors(jnp.array([[[5.0, 0.0]], [[0.0, 1.0]], [[5.0, 1.5]]]))
    >>> alfi.select(ds_optimal([1]), factors, 1).indices.tolist()
    [1]
    """
    return Criterion(
        init=Partial(_init, prior_hyperparameter(prior_precision), _choice(parameters)),
        gain=Partial(_gain),
        update=Partial(_update),
        value=Partial(_value),
        sensitivity=Partial(_sensitivity),
        refresh=Partial(_refresh),
        known=Known(concave=True, degree=0),
    )


def _choice(parameters: Any) -> Array:
    if isinstance(parameters, jax.core.Tracer):
        return parameters
    host = np.asarray(parameters)
    whole = host.dtype == bool or np.issubdtype(host.dtype, np.integer)
    if host.ndim != 1 or not whole or not (np.any(host) if host.dtype == bool else host.size):
        raise ValueError(f"ds_optimal needs indices of parameters, or a mask [p], at least one; got {parameters}.")
    if host.dtype != bool and (np.min(host) < 0 or len(np.unique(host)) < len(host)):
        raise ValueError(f"ds_optimal needs indices that differ and are not negative; got {parameters}.")
    return jnp.asarray(host)


def _nuisance(parameters: Array, p: int) -> Float[Array, " p"]:
    """1 for the parameters that are not of interest, nan everywhere if an index is beyond the last."""
    if parameters.dtype == bool:
        if parameters.shape != (p,):
            raise ValueError(f"the factors have {p} parameters; the mask of ds_optimal has shape {parameters.shape}.")
        return jnp.where(parameters, 0.0, 1.0)
    mask = jnp.ones(p).at[parameters].set(0.0, mode="drop")
    return jnp.where(jnp.all(parameters < p), mask, jnp.nan)


def _init(prior: Array, parameters: Array, data: Factors, weights: Array, population: Array) -> State:
    del population
    whole = posterior(prior, data, weights)
    nuisance = _nuisance(parameters, data.p).astype(whole.information.dtype)
    return _state(whole, nuisance, data)


def _state(whole: Posterior, nuisance: Float[Array, " p"], data: Factors) -> State:
    block = nuisance[:, None] * nuisance[None]
    # The identity in the place of interest: its determinant is 1 and its inverse is taken away again.
    alone = invert(block * whole.information + jnp.diag(1 - nuisance))
    rest = Posterior(whole.information, block * alone.covariance, alone.logdet)
    local = tuple(pool_last(data.quadratic(part.covariance)) for part in (whole, rest))
    return State((whole, rest, nuisance), local)


def _gain(data: Factors, state: State, weight: Any = 1.0) -> Float[Array, " n"]:
    whole, rest = state.local
    weight = jnp.asarray(weight, whole.dtype)
    return linalg.logdet_plus(whole, weight) - linalg.logdet_plus(rest, weight)


def _update(data: Factors, state: State, index: Array, point: Factors, weight: Any = 1.0) -> State:
    del index
    *parts, nuisance = state.shared
    weight = jnp.asarray(weight, state.local[0].dtype)
    moved = [move(part, point, weight) for part in parts]
    seen = [pool_last(data.project(step.half)) for _, step in moved]
    local = tuple(
        s - step.sign * linalg.product(u, linalg.transpose(u))
        for s, u, (_, step) in zip(state.local, seen, moved, strict=True)
    )
    return State((moved[0][0], moved[1][0], nuisance), local)


def _value(state: State) -> Float[Array, ""]:
    whole, rest, _ = state.shared
    return whole.logdet - rest.logdet


def _sensitivity(data: Factors, state: State) -> Float[Array, " n"]:
    whole, rest = state.local
    return jnp.trace(whole) - jnp.trace(rest)


def _refresh(data: Factors, state: State) -> State:
    whole, _, nuisance = state.shared
    return _state(invert(whole.information), nuisance, data)
