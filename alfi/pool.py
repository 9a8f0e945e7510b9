"""Making a Pool from what a user has."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array

from alfi.typing import Pool


def pool(
    x: Any,
    y: Any = None,
    *,
    labelled: Any = (),
    available: Any = None,
    excluded: Any = (),
    population: Any = None,
    groups: Any = None,
    costs: Any = None,
) -> Pool:
    """A Pool from arrays; what is left out takes its natural value.

    Parameters
    ----------
    x
        [n, ...].
    y
        [n, ...], read only where labelled; default zeros.
    labelled
        Indices, or a mask [n]. Default: nothing is labelled.
    available
        Mask [n] of what may be asked; default everything that is not labelled and has ``population > 0``.
    excluded
        Indices, or a mask [n], of what must never be asked: inputs that ``fisher.fisher_form`` flags as unusual, say.
        They stay in the population, unless that is 0 too. Default: none.
    population
        [n], weight in means and normalisations; default 1.
    groups, costs
        [n], patient or lesion of each row (integers), and cost of each label; default none.

    Raises
    ------
    ValueError
        If lengths differ, or a labelled or excluded index is outside the pool.

    Examples
    --------
    >>> p = pool(jnp.ones((4, 2)), labelled=[1])
    >>> p.labelled.tolist(), p.available.tolist()
    ([False, True, False, False], [True, False, True, True])
    """
    x = jnp.asarray(x)
    n = x.shape[0]
    population = jnp.ones(n) if population is None else _row(population, n, "population")
    labelled = _mask(labelled, n, "labelled")
    available = ~labelled & (population > 0) if available is None else _mask(available, n, "available")
    available = available & ~_mask(excluded, n, "excluded")
    return Pool(
        x,
        jnp.zeros(n, jnp.int32) if y is None else _row(y, n, "y"),
        labelled,
        available,
        population,
        None if groups is None else _row(groups, n, "groups"),
        None if costs is None else _row(costs, n, "costs"),
    )


def _row(values: Any, n: int, name: str) -> Array:
    values = jnp.asarray(values)
    if values.ndim == 0 or values.shape[0] != n:
        raise ValueError(f"{name} must have one entry for each of the {n} rows of x; got shape {values.shape}.")
    return values


def _mask(members: Any, n: int, name: str) -> Array:
    members = jnp.asarray(members)
    if members.dtype == bool:
        return _row(members, n, name)
    if members.size and (int(members.min()) < 0 or int(members.max()) >= n):
        raise ValueError(f"{name} indices must be in 0 ... {n - 1}; got {int(members.min())} ... {int(members.max())}.")
    return jnp.zeros(n, bool).at[members.astype(int)].set(True)
