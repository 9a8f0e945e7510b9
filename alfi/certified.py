"""The front door for continuous designs and certificates: compiled, in float64, with values checked on the host."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from alfi.design.efficiency import Efficiency, efficiency
from alfi.design.solve import METHODS, solve
from alfi.interactive import _check
from alfi.typing import Criterion, Design, Selection


def allocate(
    criterion: Criterion,
    data: Any,
    budget: float,
    *,
    weights: Any = None,
    available: Any = None,
    population: Any = None,
    cap: float = 1.0,
    method: str | None = None,
    concave: bool | None = None,
) -> Design:
    """The continuous design of largest ``value``, and a bound that no design of that budget, no batch, can exceed.

    Maximises ``value(weights + z)`` over ``0 <= z <= cap``, ``sum z = budget``; for the linearised model at the current
    parameters.

    Parameters
    ----------
    criterion, data, weights, available, population
        As for ``alfi.select``.
    budget
        The sum of z: the batch size, or 1 for a classical design as shares.
    cap
        How often an example may be taken at most: 1 for a batch without repetition, infinity for classical designs.
    method
        As for ``alfi.design.solve``; default ``"pairwise"``, or ``"mirror"`` for a criterion without sensitivity.
    concave
        Whether the criterion is concave; default what it says itself. Otherwise the bound is nan.

    Returns
    -------
    Design(weights z [n], value, bound), computed in float64 and given in the default precision.

    Raises
    ------
    ValueError
        If data hold NaN or infinity, lengths differ, budget or cap are not positive, the available examples cannot hold
        the budget, the method is unknown, or the value at equal weights is not a number (a singular information).

    Cost: that of ``alfi.design.solve``.

    Examples
    --------
    The D-optimal design of a straight line over [-1, 1], one half at each end, and its gap:

    >>> import alfi
    >>> line = alfi.fisher.DenseFactors(jnp.array([[[1.0, -1.0]], [[1.0, 0.0]], [[1.0, 1.0]]]))
    >>> shares = allocate(alfi.criteria.d_optimal(prior_precision=0.0), line, 1, cap=float("inf"))
    >>> shares.weights.round(3).tolist(), abs(float(shares.bound - shares.value)) < 1e-5
    ([0.5, 0.0, 0.5], True)
    """
    _, weights, available, population = _checked(data, weights, available, population)
    with jax.enable_x64(True):
        found = _solve(criterion, data, weights, available, population, budget, cap, method, concave)
    return _narrow(found)


def certify(
    criterion: Criterion,
    data: Any,
    selection: Selection | Any,
    *,
    weights: Any = None,
    available: Any = None,
    population: Any = None,
    cap: float = 1.0,
    method: str | None = None,
    concave: bool | None = None,
) -> Efficiency:
    """How good a batch is: a certified lower limit to its share of what the best batch of that size would bring.

    Parameters
    ----------
    selection
        What ``alfi.select`` gave, or indices.
    criterion, data, weights, available, population
        As for ``alfi.select``: as they were when the batch was picked.
    cap, method, concave
        As for ``allocate``.

    Returns
    -------
    Efficiency(value, labelled, bound, gap, fraction, classical), computed in float64 and given in the default
    precision. ``fraction`` is the certificate: at least this part of the attainable gain. For the linearised model at
    the current parameters.

    Raises
    ------
    ValueError
        As for ``allocate``; and if indices are not of available examples, or are repeated beyond the cap, or the
        information is singular with the batch, or nothing is known of the criterion that a bound could rest on.

    Cost: that of ``alfi.design.solve``, and of a greedy search.

    Examples
    --------
    >>> import alfi
    >>> factors = alfi.fisher.DenseFactors(jnp.array([[[1.0, 0.0]], [[2.0, 0.0]], [[0.0, 1.0]]]))
    >>> d_optimal = alfi.criteria.d_optimal()
    >>> batch = alfi.select(d_optimal, factors, 2)
    >>> f"{certify(d_optimal, factors, batch).fraction:.2f}"
    '1.00'
    """
    n, weights, available, population = _checked(data, weights, available, population)
    indices = np.asarray(selection.indices if isinstance(selection, Selection) else selection)
    if indices.ndim != 1 or not indices.size or not np.issubdtype(indices.dtype, np.integer):
        raise ValueError(f"selection must hold a list of integers; got {indices.dtype} of shape {indices.shape}.")
    if indices.min() < 0 or indices.max() >= n:
        raise ValueError(f"indices must be in 0 ... {n - 1}; got {indices.min()} ... {indices.max()}.")
    if not (allowed := available[indices]).all():
        raise ValueError(
            f"example {indices[~allowed][0]} of the batch is not available: give weights as they were before it."
        )
    often = np.bincount(indices)
    if often.max() > cap:
        raise ValueError(f"example {often.argmax()} is {often.max()} times in the batch, but cap is {cap:g}.")
    known = criterion.known
    if not (known.concave if concave is None else concave) and not (known.submodular and cap <= 1):
        raise ValueError(
            "nothing is known of this criterion that a bound could rest on: if its value is concave in the weights, "
            "say concave=True, or known=alfi.Known(concave=True) where you make it."
        )
    with jax.enable_x64(True):
        design = _solve(criterion, data, weights, available, population, len(indices), cap, method, concave)
        options = {"weights": weights, "available": available, "population": population, "design": design}
        plain = 1.0 if cap <= 1 else None
        found = _efficiency(jnp.asarray(indices), criterion, data, options, cap, plain, concave)
        if not np.isfinite(found.value):
            raise ValueError(
                f"the criterion's value is {float(found.value)} with this batch. Is the information still singular? "
                "Give a prior_precision > 0, or a larger batch."
            )
    return _narrow(found)


def _solve(
    criterion: Criterion,
    data: Any,
    weights: np.ndarray,
    available: np.ndarray,
    population: np.ndarray,
    budget: Any,
    cap: Any,
    method: str | None,
    concave: bool | None,
) -> Design:
    for name, number in (("budget", budget), ("cap", cap)):
        if np.ndim(number) or not number > 0:
            raise ValueError(f"{name} must be a positive number; got {number!r}.")
    free = int(available.sum())
    most = cap * free if free else 0.0
    if not np.isfinite(budget) or budget > most * (1 + 1e-6):
        raise ValueError(f"budget is {budget:g}, but the {free} examples that are available hold at most {most:g}.")
    method = method or ("pairwise" if criterion.sensitivity is not None else "mirror")
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}; got {method!r}.")
    found = _jitted_solve(criterion, data, weights, available, population, float(budget), float(cap), method, concave)
    if not np.isfinite(found.value):
        raise ValueError(
            f"the criterion's value is {float(found.value)} at equal weights on all available examples, where the "
            "search begins. Is the information singular (give a prior_precision > 0), or has the criterion no value?"
        )
    return found


def _checked(
    data: Any, weights: Any, available: Any, population: Any
) -> tuple[int, np.ndarray, np.ndarray, np.ndarray]:
    n, weights, population = (np.asarray(x) for x in _check(data, weights, population))
    available = (weights == 0) & (population > 0) if available is None else np.asarray(available, bool)
    if available.shape != (n,):
        raise ValueError(f"available must be a mask of length {n}; got shape {available.shape}.")
    return int(n), weights.astype(np.float64), available, population.astype(np.float64)


def _narrow(found: Any) -> Any:
    """From float64 to the default precision: a wider array would warn in everything that is done with it."""
    return jax.tree.map(lambda x: jnp.asarray(np.asarray(x), float), found)


@partial(jax.jit, static_argnames=("method", "concave"))
def _jitted_solve(criterion, data, weights, available, population, budget, cap, method, concave):
    options = {"weights": weights, "available": available, "population": population}
    return solve(criterion, data, budget=budget, cap=cap, method=method, concave=concave, **options)


@partial(jax.jit, static_argnames=("plain", "concave"))
def _efficiency(indices, criterion, data, options, cap, plain, concave):
    # The submodular bound holds without repetition, which must be known while tracing: a plain number.
    picked = Selection(indices, jnp.zeros(indices.shape))
    return efficiency(picked, criterion, data, cap=plain or cap, concave=concave, **options)
