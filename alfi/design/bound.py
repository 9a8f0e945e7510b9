"""Upper bounds on what any design, and so any batch, of a budget can reach."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from alfi.design.iterate import evaluate, problem, room
from alfi.selection.sequential import point
from alfi.typing import Criterion


def bound(
    criterion: Criterion,
    data: Any,
    design: Float[Array, " n"],
    *,
    weights: Any = None,
    available: Any = None,
    population: Any = None,
    budget: float | Array,
    cap: float | Array = 1.0,
    concave: bool | None = None,
) -> Float[Array, ""]:
    """``value + max_z' slope . (z' - z)``: the tangent at any design z bounds every design of the budget.

    Tight at an optimal design, valid at any other. For the linearised model at the current parameters.

    Parameters
    ----------
    design
        z [n], on top of ``weights``. Its own sum need not be the budget.
    criterion, data, weights, available, population, budget, cap, concave
        As for ``solve``.

    Returns
    -------
    In the unit of the criterion, computed in float64 where x64 is enabled; nan if the criterion is not known to be
    concave or its slope is not a number. The tangent of a smoothed criterion comes from ``solve``.

    Cost: ``init`` and ``sensitivity``.

    Examples
    --------
    >>> import alfi
    >>> line = alfi.fisher.DenseFactors(jnp.array([[[1.0, -1.0]], [[1.0, 0.0]], [[1.0, 1.0]]]))
    >>> d_optimal = alfi.criteria.d_optimal(prior_precision=0.0)
    >>> float(bound(d_optimal, line, jnp.array([0.5, 0.0, 0.5]), budget=1.0, cap=float("inf")))
    0.0
    """
    task = problem(criterion, data, weights, available, population, budget, cap)
    at = evaluate(task, jnp.asarray(design, float))
    concave = criterion.known.concave if concave is None else concave
    fits = task.cap * jnp.sum(task.available) >= task.budget * (1 - 1e-6)
    return jnp.where(fits & concave, at.value + room(task, at), jnp.nan)


def submodular_bound(
    criterion: Criterion,
    data: Any,
    indices: Int[Array, " k"],
    *,
    weights: Any = None,
    available: Any = None,
    population: Any = None,
) -> Float[Array, ""]:
    """``min_t value(S_t) + sum of the k largest gains at S_t`` over the beginnings S_t of a path of k picks.

    Bounds every batch of k different available examples, for a monotone submodular criterion; any path will do, that of
    greedy is best. For small batches it is sharper than the relaxation.

    Parameters
    ----------
    indices
        A batch in the order of picking; failed picks (index n) change nothing.
    criterion, data, weights, available, population
        As for ``solve``.

    Returns
    -------
    In the unit of the criterion; nan if it is not known to be submodular.

    Cost: that of a greedy search, k evaluations of gain and update.

    Source: Nemhauser, Wolsey & Fisher 1978, doi 10.1007/BF01588971; Leskovec et al. 2007, doi 10.1145/1281192.1281239.

    Examples
    --------
    >>> import alfi
    >>> from alfi import testing
    >>> factors = testing.one_hot([1.0, 2.0, 3.0])
    >>> round(float(jnp.exp(submodular_bound(alfi.criteria.d_optimal(), factors, jnp.array([2, 1])))), 3)
    50.0
    """
    k = indices.shape[0]
    task = problem(criterion, data, weights, available, population, float(k), 1.0)
    n = task.weights.shape[0]

    def above(state, available):
        gains = jnp.where(available, criterion.gain(task.data, state), 0)
        return criterion.value(state) + jnp.sum(jax.lax.top_k(jnp.where(jnp.isnan(gains), jnp.inf, gains), k)[0])

    def step(carry, index):
        state, available = carry
        found = index < n
        row = jnp.minimum(index, n - 1)
        weight = found.astype(task.weights.dtype)
        after = criterion.update(task.data, state, row, point(task.data, row, found), weight)
        return (after, available.at[index].set(False, mode="drop")), above(state, available)

    start = criterion.init(task.data, task.weights, task.population), task.available
    end, bounds = jax.lax.scan(step, start, indices)
    best = jnp.fmin(jnp.min(bounds), above(*end))
    return jnp.where(criterion.known.submodular, best, jnp.nan)
