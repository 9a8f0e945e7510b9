"""Several criteria at once: their weighted sum, or the product of their gains normalised over the population."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.stats import rankdata
from jax.tree_util import Partial
from jaxtyping import Array, Bool, Float

from alfi.criteria.posterior import hyperparameter
from alfi.typing import Criterion, State

# (gains[m, n], weights[m], candidates[n]) -> [n]
Fuse = Callable[[Float[Array, "m n"], Float[Array, " m"], Bool[Array, " n"]], Float[Array, " n"]]


class Local(NamedTuple):
    """The parts' own, and for which rows gains are normalised."""

    parts: tuple
    design: Float[Array, " n"]
    population: Float[Array, " n"]


def weighted_sum(gains: Float[Array, "m n"], weights: Float[Array, " m"], candidates: Array) -> Float[Array, " n"]:
    """``sum_m weights_m gains_m``, each in its own unit."""
    del candidates
    return jnp.sum(jnp.where(weights[:, None] == 0, 0, weights[:, None] * gains), axis=0)


def product(gains: Float[Array, "m n"], weights: Float[Array, " m"], candidates: Array) -> Float[Array, " n"]:
    """``prod_m N(gains_m)^weights_m``, N taking the least of the candidates to 0 and the largest to 1.

    A gain that is the same for all candidates says nothing and counts as 1; so does a factor of weight 0.
    """
    scaled = normalised(gains, candidates)
    return jnp.prod(jnp.where(weights[:, None] == 0, 1, scaled ** weights[:, None]), axis=0)


def normalised_sum(gains: Float[Array, "m n"], weights: Float[Array, " m"], candidates: Array) -> Float[Array, " n"]:
    """``sum_m weights_m N(gains_m)``, normalised as for ``product``."""
    return jnp.sum(weights[:, None] * normalised(gains, candidates), axis=0)


def mean_rank(gains: Float[Array, "m n"], weights: Float[Array, " m"], candidates: Array) -> Float[Array, " n"]:
    """``sum_m weights_m rank_m / sum_m weights_m``, from 0 for the least candidate; equals share their mean rank."""
    ranks = rankdata(jnp.where(candidates[None], gains, jnp.inf), axis=1) - 1
    return (jnp.sum(weights[:, None] * ranks, axis=0) / jnp.sum(weights)).astype(gains.dtype)


def normalised(gains: Float[Array, "m n"], candidates: Bool[Array, " n"]) -> Float[Array, "m n"]:
    """Each row's least candidate at 0 and its largest at 1; a row in which all are equal is 1."""
    least = jnp.min(jnp.where(candidates[None], gains, jnp.inf), axis=1, keepdims=True)
    largest = jnp.max(jnp.where(candidates[None], gains, -jnp.inf), axis=1, keepdims=True)
    constant = ~(largest > least)  # also where there is no candidate, and where all are infinite
    span = jnp.where(constant, 1, largest - least)
    return jnp.clip((jnp.where(constant, 1, gains) - jnp.where(constant, 0, least)) / span, 0, 1)


def combine(*criteria: Criterion, weights: Any = None, fuse: Fuse = weighted_sum) -> Criterion:
    r"""One criterion of several, each on its own data.

    Parameters
    ----------
    criteria
        At least one.
    weights
        One for each, not negative; default 1.
    fuse
        ``weighted_sum`` (default): values and gains are added: a function of the design if all parts are.
        ``product``: gains are normalised to 0 ... 1, raised to the power of their weight and multiplied.
        ``normalised_sum``: normalised and added. ``mean_rank``: the mean of the ranks. Or your own
        ``(gains[m, n], weights[m], candidates[n]) -> [n]``; the candidates, over which to normalise, are the rows of
        positive ``population`` that are not in the design.

    Returns
    -------
    Criterion on a tuple of data, one for each part. With ``weighted_sum`` it has ``value`` and ``sensitivity`` (where
    all parts have one); with another fusion ``value`` is nan. State and cost: those of the parts.

    Raises
    ------
    ValueError
        If there is no criterion, or weights are negative or of another number; in use, if data are not such a tuple.

    Source: Confident Coreset: arXiv 2004.02200.

    Examples
    --------
    Uncertain, and far from what is chosen:

    >>> import alfi
    >>> both = combine(alfi.criteria.score(), alfi.criteria.min_distance(), weights=(0.5, 0.5), fuse=product)
    >>> positions = alfi.fisher.DenseFactors(jnp.array([[[0.0]], [[1.0]], [[2.0]], [[3.0]]]))
    >>> data = jnp.array([0.0, 0.9, 0.8, 0.1]), positions
    >>> alfi.select(both, data, 1, weights=jnp.array([1.0, 0.0, 0.0, 0.0])).indices.tolist()
    [2]
    """
    if not criteria:
        raise ValueError("combine needs at least one criterion.")
    exponents = np.ones(len(criteria)) if weights is None else weights
    if np.shape(exponents) != (len(criteria),):
        raise ValueError(f"combine needs one weight for each of the {len(criteria)} criteria; got {weights}.")
    if not isinstance(exponents, jax.core.Tracer) and not (np.all(np.isfinite(exponents)) and np.min(exponents) >= 0):
        raise ValueError(f"combine needs weights that are finite and not negative; got {weights}.")
    exponents = hyperparameter(exponents)
    if fuse is weighted_sum:
        derivatives = tuple(part.sensitivity for part in criteria)
        value = Partial(_value, criteria, exponents)
        sensitivity = Partial(_sensitivity, derivatives, exponents) if all(derivatives) else None
    else:
        value, sensitivity = Partial(_no_value), None
    return Criterion(
        init=Partial(_init, criteria),
        gain=Partial(_gain, criteria, exponents, fuse if isinstance(fuse, Partial) else Partial(fuse)),
        update=Partial(_update, criteria),
        value=value,
        sensitivity=sensitivity,
        refresh=Partial(_refresh, criteria),
    )


def _parts(criteria: tuple, data: Any) -> tuple:
    if type(data) is not tuple or len(data) != len(criteria):
        raise ValueError(
            f"combine needs its data as a tuple of {len(criteria)}, one for each criterion; got {type(data)}."
        )
    return data


def _states(state: State) -> list[State]:
    return [State(*pair) for pair in zip(state.shared, state.local.parts, strict=True)]


def _join(states: list[State], design: Array, population: Array) -> State:
    return State(tuple(s.shared for s in states), Local(tuple(s.local for s in states), design, population))


def _init(criteria: tuple, data: tuple, weights: Array, population: Array) -> State:
    states = [c.init(part, weights, population) for c, part in zip(criteria, _parts(criteria, data), strict=True)]
    return _join(states, weights, population)


def _gain(
    criteria: tuple, exponents: Array, fuse: Partial, data: tuple, state: State, weight: Any = 1.0
) -> Float[Array, " n"]:
    triples = zip(criteria, _parts(criteria, data), _states(state), strict=True)
    gains = jnp.stack([c.gain(part, own, weight) for c, part, own in triples])
    candidates = (state.local.population > 0) & (state.local.design == 0)
    return fuse(gains, exponents.astype(gains.dtype), candidates)


def _update(criteria: tuple, data: tuple, state: State, index: Array, point: tuple, weight: Any = 1.0) -> State:
    each = zip(criteria, data, _states(state), point, strict=True)
    states = [c.update(part, own, index, row, weight) for c, part, own, row in each]
    design = state.local.design
    design = design.at[index].add(jnp.asarray(weight, design.dtype), mode="drop")
    return _join(states, design, state.local.population)


def _value(criteria: tuple, exponents: Array, state: State) -> Float[Array, ""]:
    values = jnp.stack([c.value(own) for c, own in zip(criteria, _states(state), strict=True)])
    return jnp.sum(jnp.where(exponents == 0, 0, exponents.astype(values.dtype) * values))


def _no_value(state: State) -> Float[Array, ""]:
    return jnp.full((), jnp.nan, state.local.design.dtype)


def _sensitivity(derivatives: tuple, exponents: Array, data: tuple, state: State) -> Float[Array, " n"]:
    triples = zip(derivatives, data, _states(state), strict=True)
    slopes = jnp.stack([slope(part, own) for slope, part, own in triples])
    return weighted_sum(slopes, exponents.astype(slopes.dtype), slopes[0])


def _refresh(criteria: tuple, data: tuple, state: State) -> State:
    triples = zip(criteria, data, _states(state), strict=True)
    states = [own if c.refresh is None else c.refresh(part, own) for c, part, own in triples]
    return _join(states, state.local.design, state.local.population)
