"""Regret minimisation: a continuous design, rounded by following the regularised leader; FIRAL's search."""

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from alfi.criteria.posterior import information_of
from alfi.design.regret import regret
from alfi.design.solve import solve
from alfi.selection.exchange import losses
from alfi.typing import Factors, SelectFn, Selection


@functools.cache  # one object, so that a compiled function taking it as a static argument is compiled once
def ftrl(
    etas: tuple[float, ...] = (1.0, 3.0, 10.0, 30.0), *, method: str = "multiplicative", iterations: int = 100
) -> SelectFn:
    """Relax, then round: solve the continuous design, and pick by ``alfi.design.regret`` for each learning rate.

    The batch of largest value wins. With V-optimality it is FIRAL. ``Selection.gains`` are what the criterion would
    lose without the point. The
    continuous design does not see groups and costs, the rounding does.

    Parameters
    ----------
    etas
        Learning rates tried.
    method, iterations
        Of ``alfi.design.solve``.

    Raises
    ------
    ValueError
        Without learning rates, or for a criterion that is not a function of the information of Factors.

    Cost: that of ``solve``, and ``len(etas) * batch_size`` picks of ``p^3 + n (c d)^2``.

    Source: Chen & Biros 2023, FIRAL, arXiv 2409.07379.

    Examples
    --------
    >>> import alfi
    >>> factors = alfi.fisher.DenseFactors(jnp.array([[[1.0, 1.0]], [[1.5, 0.0]], [[0.0, 1.5]]]))
    >>> batch = alfi.select(alfi.criteria.v_optimal(prior_precision=0.1), factors, 2, rule=ftrl())
    >>> sorted(batch.indices.tolist())
    [1, 2]
    """
    if not etas or min(etas) <= 0:
        raise ValueError(f"ftrl needs positive learning rates; got {etas}.")

    def select(key, criterion, data, weights, available, batch_size, *, population, groups=None, costs=None):
        del key
        if not isinstance(data, Factors):
            raise ValueError(f"ftrl needs Factors; got {type(data).__name__}.")
        available = available & jnp.isfinite(data.squared_norms())  # a row of nan would spoil the continuous design
        information = information_of(criterion.init(data, weights, population))
        options = {"weights": weights, "available": available, "population": population}
        z = solve(criterion, data, budget=batch_size, method=method, iterations=iterations, **options).weights
        # With fewer rows than the batch takes there is nothing to relax.
        z = jnp.where(jnp.isnan(z), 0, z).astype(weights.dtype)

        def one(eta: Array) -> tuple[Selection, Float[Array, ""]]:
            indices = regret(data, information, z, available, batch_size, eta, groups, costs)
            state = criterion.init(data, weights.at[indices].add(1, mode="drop"), population)
            return Selection(indices, losses(criterion, data, state, indices, costs)), criterion.value(state)

        ends, values = jax.lax.map(one, jnp.asarray(etas, weights.dtype))
        best = jnp.argmax(jnp.where(jnp.isnan(values), -jnp.inf, values))
        return jax.tree.map(lambda x: x[best], ends)

    return select
