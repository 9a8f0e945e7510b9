"""How good a batch is, certified: how far at most it is from the best batch there is."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from alfi.design.bound import bound, submodular_bound
from alfi.design.solve import solve
from alfi.typing import Criterion, Design, Selection


class Efficiency(NamedTuple):
    """A batch between what was there before it and what no batch can exceed, in the criterion's own unit."""

    value: Float[Array, ""]  # of the labelled set and the batch
    labelled: Float[Array, ""]  # of the labelled set alone
    bound: Float[Array, ""]  # on the value of any batch of that size
    gap: Float[Array, ""]  # bound - value: at most so much was missed
    fraction: Float[Array, ""]  # (value - labelled) / (bound - labelled): at least this part of the attainable gain
    classical: Float[Array, ""]  # share of the budget with which the optimum would do as well; nan where not defined


def efficiency(
    selection: Selection,
    criterion: Criterion,
    data: Any,
    *,
    weights: Any = None,
    available: Any = None,
    population: Any = None,
    design: Design | None = None,
    cap: float | Array = 1.0,
    concave: bool | None = None,
) -> Efficiency:
    """Certify a batch, for the linearised model at the current parameters.

    The bound is the smallest of that of a continuous design, of the tangent at the batch itself and, for a submodular
    criterion without repetition, of the path of the batch. Computed in float64 where x64 is enabled; otherwise in
    float32, and the certificate holds to its rounding.

    Parameters
    ----------
    selection
        The batch. Repeated indices count as often as they occur; failed picks (index n) use up budget in vain.
    design
        What ``solve`` gave for the same problem and this batch size; by default it is solved here.
    cap
        How often an example may be taken at most, infinity for classical designs.
    criterion, data, weights, available, population, concave
        As for ``solve``.

    Returns
    -------
    Efficiency. ``classical`` is defined only where nothing is labelled, there is no prior, and the value has a degree:
    the D-efficiency ``exp((value - bound) / p)``, the A-efficiency ``bound / value``, the E-efficiency
    ``value / bound``. Where there is a prior or a labelled set it is nan: read ``gap`` and ``fraction``.

    Cost: that of ``solve``, unless a design is given, and that of a greedy search.

    Examples
    --------
    >>> import alfi
    >>> factors = alfi.fisher.DenseFactors(jnp.array([[[1.0, 0.0]], [[2.0, 0.0]], [[0.0, 1.0]]]))
    >>> d_optimal = alfi.criteria.d_optimal()
    >>> float(efficiency(alfi.select(d_optimal, factors, 2), d_optimal, factors).fraction.round(2))
    1.0
    """
    k = selection.indices.shape[0]
    options = {"weights": weights, "available": available, "population": population}
    n = jax.tree.leaves(data)[0].shape[0]
    z = jnp.zeros(n).at[selection.indices].add(1.0, mode="drop")
    if design is None:
        design = solve(criterion, data, budget=float(k), cap=cap, concave=concave, **options)
    data = jax.tree.map(lambda x: x.astype(float) if jnp.issubdtype(x.dtype, jnp.floating) else x, data)
    weights = jnp.zeros(n) if weights is None else jnp.asarray(weights, float)
    population = jnp.ones(n) if population is None else jnp.asarray(population, float)

    def value_of(w):
        return criterion.value(criterion.init(data, w, population))

    value, labelled = value_of(weights + z), value_of(weights)
    best = design.bound
    if criterion.smoothed is None:
        tangent = bound(criterion, data, z, budget=float(k), cap=cap, concave=concave, **options)
        best = jnp.fmin(best, tangent)
    if criterion.known.submodular and isinstance(cap, int | float) and cap <= 1:
        best = jnp.fmin(best, submodular_bound(criterion, data, selection.indices, **options))
    classical = jnp.full((), jnp.nan, value.dtype)
    degree = criterion.known.degree
    if degree == 0:
        classical = jnp.exp((value - best) * jnp.log(2.0) / (value_of(2 * (weights + z)) - value))
    elif degree is not None:
        classical = (value / best) ** (1 / degree)
    none = jnp.all(weights == 0) & (~jnp.isfinite(labelled) | (labelled == 0))
    return Efficiency(
        value, labelled, best, best - value, (value - labelled) / (best - labelled), jnp.where(none, classical, jnp.nan)
    )
