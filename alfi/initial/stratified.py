"""Stratified: random within classes. It needs the labels, so it is for benchmarks."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

from alfi.initial.cold import Initial, require_size
from alfi.typing import Inputs, PRNGKey


def stratified(labels: Any, *, balanced: bool = False) -> Initial:
    """Random examples, of each class in proportion to its size, or (``balanced``) as many of each as possible.

    In proportion means the j-th random example of a class of m comes in the order of ``(j - 1/2) / m``.

    Parameters
    ----------
    labels
        Integers [n], 0 ... c - 1.

    Raises
    ------
    ValueError
        If labels are not integers, or (in use) of another number than the examples.

    Source: the order is Sainte-Lague's, with which parliaments share seats.

    Examples
    --------
    >>> labels = jnp.array([0, 0, 0, 0, 1, 1])
    >>> labels[stratified(labels)(jax.random.key(0), labels[:, None], 3)].tolist()
    [0, 1, 0]
    """
    labels = jnp.asarray(labels)
    if labels.ndim != 1 or not jnp.issubdtype(labels.dtype, jnp.integer):
        raise ValueError(f"stratified needs integer labels [n]; got {labels.dtype} of shape {labels.shape}.")

    def choose(key: PRNGKey, x: Inputs, size: int) -> Int[Array, " size"]:
        n = x.shape[0]
        require_size(size, n)
        if labels.shape[0] != n:
            raise ValueError(f"stratified has {labels.shape[0]} labels for {n} examples.")
        shuffled = jax.random.permutation(key, n)
        of_class = labels[shuffled]
        order = jnp.argsort(of_class, stable=True)  # class by class, at random within each
        sorted_labels = of_class[order]
        starts = jnp.searchsorted(sorted_labels, sorted_labels, side="left")
        ends = jnp.searchsorted(sorted_labels, sorted_labels, side="right")
        position = jnp.arange(n) - starts
        turn = position if balanced else (position + 0.5) / (ends - starts)
        # Ties between classes: in the order of the shuffle, which favours none.
        return shuffled[order][jnp.lexsort((order, turn))[:size]]

    return choose
