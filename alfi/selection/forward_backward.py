"""Over-select greedily, then take the least useful points out again: BAIT's search."""

import functools

import jax
import jax.numpy as jnp

from alfi.selection.sequential import point, sequential, take
from alfi.typing import SelectFn, Selection, State


@functools.cache  # one object, so that a compiled function taking it as a static argument is compiled once
def forward_backward(oversample: int = 2) -> SelectFn:
    """Pick ``oversample * batch_size`` points greedily, then remove one by one the point that is missed least.

    Better than greedy for criteria that are not submodular (V-optimality). Needs a criterion that can take points out
    (``weight = -1``). The removals look only at the points picked, so they cost next to nothing. ``Selection.gains``
    are what the criterion would lose without the point.

    Raises
    ------
    ValueError
        If ``oversample < 1``.

    Source: Ash et al. 2021, BAIT, arXiv 2106.09675.

    Examples
    --------
    >>> import alfi
    >>> factors = alfi.fisher.DenseFactors(jnp.array([[[1.0, 1.0]], [[3.0, 0.0]], [[0.0, 3.0]]]))
    >>> batch = alfi.select(alfi.criteria.v_optimal(), factors, 2, rule=forward_backward())
    >>> sorted(batch.indices.tolist())
    [1, 2]
    """
    if oversample < 1:
        raise ValueError(f"forward_backward needs oversample >= 1; got {oversample}.")

    def select(key, criterion, data, weights, available, batch_size, *, costs=None, **options):
        n = weights.shape[0]
        size = min(oversample * batch_size, n)
        forward, state = sequential(
            lambda _, gains: jnp.argmax(gains), key, criterion, data, weights, available, size, costs=costs, **options
        )
        found = forward.indices < n
        rows = jnp.minimum(forward.indices, n - 1)
        subset = take(data, rows)
        state = State(state.shared, jax.tree.map(lambda leaf: jnp.take(leaf, rows, axis=-1), state.local))

        def losses(state):
            gains = criterion.gain(subset, state, -1.0)
            return gains if costs is None else gains / jnp.take(costs, rows)

        def step(carry, _):
            state, kept = carry
            # Failed forward picks go first and change nothing; a point whose loss is nan is never taken out.
            gains = jnp.where(found, losses(state), jnp.inf)
            gains = jnp.where(kept & ~jnp.isnan(gains), gains, -jnp.inf)
            worst = jnp.argmax(gains)
            weight = -jnp.where(found[worst], 1.0, 0.0).astype(weights.dtype)
            state = criterion.update(subset, state, worst, point(subset, worst, found[worst]), weight)
            return (state, kept.at[worst].set(False)), None

        (state, kept), _ = jax.lax.scan(step, (state, jnp.ones(size, bool)), length=size - batch_size)
        order = jnp.argsort(~kept, stable=True)[:batch_size]
        lost = jnp.where(found, -criterion.gain(subset, state, -1.0), -jnp.inf)
        return Selection(forward.indices[order], lost[order])

    return select
