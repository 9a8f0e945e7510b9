"""The front door for notebooks: values are checked on the host, the work is compiled and quick from the second call.

With ``alfi.certified`` the only jit in the library. Whoever compiles larger programs uses the plain functions
underneath.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from alfi.criteria.posterior import find_information
from alfi.fisher.spectrum import spectrum as _spectrum
from alfi.selection.budgeted import budgeted
from alfi.selection.greedy import greedy
from alfi.typing import Criterion, Factors, PRNGKey, SelectFn, Selection


def score(
    criterion: Criterion, data: Any, *, weights: Any = None, population: Any = None, weight: float = 1.0
) -> Float[Array, " n"]:
    """Gain of every example of the pool, given what is labelled.

    Parameters
    ----------
    criterion
        For example ``alfi.criteria.v_optimal(prior_precision=1.0)``.
    data
        What the criterion reads: Factors, scores [n] ...
    weights
        The design so far [n]: a mask of the labelled rows, or real weights. Default: nothing is labelled.
    population
        [n], weight in means and normalisations; default 1.
    weight
        Mass moved onto each candidate: 1 adds it, -1 takes it away.

    Returns
    -------
    [n], in the criterion's own unit.

    Raises
    ------
    ValueError
        If data hold NaN or infinity, lengths differ, or the criterion needs the inverse of an information that has
        none: that of the rows with weight, without a prior.

    Examples
    --------
    >>> import alfi
    >>> factors = alfi.fisher.DenseFactors(jnp.array([[[1.0]], [[2.0]]]))
    >>> [f"{gain:.3f}" for gain in score(alfi.criteria.d_optimal(), factors)]
    ['0.693', '1.609']
    """
    n, weights, population = _check(data, weights, population)
    del n
    _check_rank(criterion, data, weights, population)
    return _score(criterion, data, weights, population, jnp.asarray(weight, weights.dtype))


def select(
    criterion: Criterion,
    data: Any,
    batch_size: int,
    *,
    rule: SelectFn | None = None,
    key: PRNGKey | None = None,
    weights: Any = None,
    available: Any = None,
    population: Any = None,
    groups: Any = None,
    costs: Any = None,
    budget: float | None = None,
) -> Selection:
    """The batch to label next.

    Parameters
    ----------
    criterion, data, weights, population
        As for ``score``.
    rule
        ``alfi.selection.greedy()`` (default), ``sample()``, ``top_k()``, ``forward_backward()`` ...
    key
        For rules that draw at random; default ``jax.random.key(0)``.
    available
        Mask [n] of what may be picked; default whatever has weight 0 and population > 0.
    groups
        Integers [n]: at most one pick from each group.
    costs
        Positive [n]: gains are per unit of cost.
    budget
        What the batch may cost; ``batch_size`` is then the most. Needs ``costs``.

    Returns
    -------
    Selection(indices, gains), in the order of picking; fewer than ``batch_size`` where the budget was spent before.

    Raises
    ------
    ValueError
        If data hold NaN or infinity, lengths differ, ``batch_size`` is not between 1 and the number available, the
        criterion needs the inverse of an information that has none, picks failed numerically, the gain of every
        example left is 0, at the start or later, or the budget pays for none.

    Examples
    --------
    >>> import alfi
    >>> factors = alfi.fisher.DenseFactors(jnp.array([[[1.0, 0.0]], [[2.0, 0.0]], [[0.0, 1.0]]]))
    >>> select(alfi.criteria.d_optimal(), factors, 2).indices.tolist()
    [1, 2]
    """
    n, weights, population = _check(data, weights, population)
    available = (weights == 0) & (population > 0) if available is None else jnp.asarray(available, bool)
    if available.shape != (n,):
        raise ValueError(f"available must be a mask of length {n}; got shape {available.shape}.")
    free = int(available.sum())
    if isinstance(batch_size, bool) or not isinstance(batch_size, int | np.integer) or batch_size < 1:
        raise ValueError(f"batch_size must be a positive integer; got {batch_size!r}.")
    if batch_size > free:
        raise ValueError(f"batch_size is {batch_size}, but only {free} of the {n} examples are available.")
    for name, values in (("groups", groups), ("costs", costs)):
        if values is not None and np.shape(values) != (n,):
            raise ValueError(f"{name} must have length {n}; got shape {np.shape(values)}.")
    if costs is not None and not np.all(np.asarray(costs) > 0):
        raise ValueError("costs must be positive.")
    if groups is not None:
        groups = jnp.asarray(groups)
        free = len(np.unique(np.asarray(groups)[np.asarray(available)]))
        if batch_size > free:
            raise ValueError(f"batch_size is {batch_size}, but the available examples form only {free} groups.")
    _check_rank(criterion, data, weights, population)
    key = jax.random.key(0) if key is None else key
    costs = None if costs is None else jnp.asarray(costs, weights.dtype)
    rule = greedy() if rule is None else rule
    if budget is not None:
        if costs is None:
            raise ValueError("a budget needs costs: what each label costs, in the unit of the budget.")
        cheapest = float(jnp.min(jnp.where(available, costs, jnp.inf)))
        if cheapest > budget:
            raise ValueError(f"the budget of {budget} pays for no label: the cheapest costs {cheapest}.")
        rule = budgeted(rule, float(budget))
    picked = _select(key, criterion, data, weights, available, population, groups, costs, rule, int(batch_size))
    failed = int(jnp.sum(picked.indices == n))
    if budget is not None and failed < batch_size:  # spent before the batch was full
        found = np.asarray(picked.indices) < n
        return Selection(picked.indices[found], picked.gains[found])
    if failed:
        raise ValueError(
            f"{failed} of {batch_size} picks failed: the criterion's gain was not a number for every example left. "
            "Is the prior precision positive and large enough for this precision of arithmetic?"
        )
    if isinstance(data, Factors) and bool(jnp.any(picked.gains == 0)):
        before = int(jnp.argmax(picked.gains == 0))
        kept = jax.eval_shape(lambda: find_information(criterion.init(data, weights, population)))
        before = 0 if kept is None else before  # distances to picked copies may well be 0
        chosen = picked.indices[:before]
        gains = _score(criterion, data, weights.at[chosen].add(1), population, jnp.ones((), weights.dtype))
        if not bool(jnp.any(available.at[chosen].set(False) & (gains != 0))):
            after = f" after {before} picks" if before else ""
            raise ValueError(
                f"the gain of every available example is 0{after}: the criterion does not tell them apart. With "
                "E-optimality no single example raises a smallest eigenvalue of higher multiplicity than its rank: use "
                "phi_p, or fisher.sketch the factors to no more parameters than the rank of the labelled information."
            )
    return picked


def spectrum(factors: Factors, weights: Any = None) -> Float[Array, " p"]:
    """Eigenvalues of the Fisher information of the pool (or of the rows with weight), largest first.

    Raises
    ------
    ValueError
        If factors hold NaN or infinity, or lengths differ.

    Examples
    --------
    >>> import alfi
    >>> spectrum(alfi.fisher.DenseFactors(jnp.array([[[1.0, 0.0]], [[0.0, 2.0]]]))).tolist()
    [4.0, 1.0]
    """
    weights = jnp.ones(factors.n) if weights is None else weights
    _, weights, _ = _check(factors, weights, None)
    return _jitted_spectrum(factors, weights)


def _check_rank(criterion: Criterion, data: Any, weights: Array, population: Array) -> None:
    """Refuse a singular information where it is inverted: rounding may hide that it is, and picks are then noise.

    A criterion whose value is no number without any design has no prior that makes its information regular.
    """
    if not isinstance(data, Factors) or bool(_prior_is_regular(criterion, data, weights, population)):
        return
    empty, values = _value_and_eigenvalues(criterion, data, weights, population)
    values = np.asarray(values, float)
    rank = int(np.min(np.sum(values > values.max() * values.shape[-1] * np.finfo(weights.dtype).eps, axis=-1)))
    if not np.isfinite(empty) and rank < values.shape[-1]:
        raise ValueError(
            "the criterion needs the inverse of the information, and has no prior to make it regular: that of the rows "
            f"with weight has rank {rank} of {values.shape[-1]}. Give a positive prior_precision, or more such rows."
        )


@jax.jit
def _prior_is_regular(criterion, data, weights, population):
    """Also where there is no information matrix in the criterion's state."""
    prior = find_information(criterion.init(data, jnp.zeros_like(weights), population))
    return jnp.ones((), bool) if prior is None else jnp.isfinite(jnp.linalg.cholesky(prior)).all()


@jax.jit
def _value_and_eigenvalues(criterion, data, weights, population):
    """The value of no design at all, not finite if the criterion inverts its information; and the spectrum of this."""
    empty = criterion.value(criterion.init(data, jnp.zeros_like(weights), population))
    return empty, jnp.linalg.eigvalsh(find_information(criterion.init(data, weights, population)))


@jax.jit
def _score(criterion, data, weights, population, weight):
    return criterion.gain(data, criterion.init(data, weights, population), weight)


def _select_plain(key, criterion, data, weights, available, population, groups, costs, rule, batch_size):
    return rule(key, criterion, data, weights, available, batch_size, population=population, groups=groups, costs=costs)


_select = jax.jit(_select_plain, static_argnames=("rule", "batch_size"))
_jitted_spectrum = jax.jit(_spectrum)


def _check(data: Any, weights: Any, population: Any) -> tuple[int, Array, Array]:
    leaves = [leaf for leaf in jax.tree.leaves(data) if jnp.issubdtype(jnp.asarray(leaf).dtype, jnp.inexact)]
    if not leaves:
        raise ValueError("data hold no array of real numbers.")
    n, dtype = leaves[0].shape[0], leaves[0].dtype
    for leaf in leaves:
        bad = ~jnp.isfinite(leaf.reshape(leaf.shape[0], -1)).all(axis=1)
        if bool(bad.any()):
            rows = np.flatnonzero(np.asarray(bad))
            raise ValueError(f"{len(rows)} of {len(bad)} examples hold NaN or infinity, the first is number {rows[0]}.")
    vectors = []
    for name, values, default in (("weights", weights, jnp.zeros), ("population", population, jnp.ones)):
        vector = default(n, dtype) if values is None else jnp.asarray(values, dtype)
        if vector.shape != (n,):
            raise ValueError(f"{name} must have length {n}, one entry for each example; got shape {vector.shape}.")
        if not bool(jnp.isfinite(vector).all()):
            raise ValueError(f"{name} hold NaN or infinity.")
        vectors.append(vector)
    if not float(vectors[1].sum()) > 0:
        raise ValueError("population must have a positive sum.")
    return n, vectors[0], vectors[1]
