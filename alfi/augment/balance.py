"""Classes made equally frequent among what is labelled, with augmented copies: MedAL's skin task."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, Shaped

from alfi.augment.combine import Augment
from alfi.typing import Inputs, PRNGKey


def balanced(classes: int, share: float = 1.0) -> Callable[..., Array]:
    """For ``draw=`` of a rule of training: minibatches in which every class that is labelled is equally likely.

    With ``augment=`` it is, in expectation, training on a set filled up to parity by augmented copies, with new copies
    in each step and no memory for them. Labels y [n] in ``0 ... classes - 1``. Cost: sorting m labels.

    Parameters
    ----------
    share
        Of the minibatch that is drawn so, in [0, 1]; the rest is drawn uniformly from all examples.

    Raises
    ------
    ValueError
        If the share is not in [0, 1].

    Examples
    --------
    >>> y, indices = jnp.array([0, 0, 0, 1]), jnp.arange(4)
    >>> slots = balanced(2)(jax.random.key(0), y, indices, 4, (4000,))
    >>> round(float(y[slots].mean()), 1)
    0.5
    """
    if not 0 <= share <= 1:
        raise ValueError(f"balanced needs a share in [0, 1]; got {share}.")

    def draw(
        key: PRNGKey, y: Int[Array, " n"], indices: Int[Array, " m"], count: Any, shape: tuple[int, ...]
    ) -> Int[Array, "..."]:
        key_class, key_member = jax.random.split(key)
        order, starts, sizes = _by_class(y, indices, count, classes)
        present = jnp.argsort(sizes == 0, stable=True)
        chosen = present[jax.random.randint(key_class, shape, 0, jnp.sum(sizes > 0))]
        member = jax.random.randint(key_member, shape, 0, jnp.iinfo(jnp.int32).max) % sizes[chosen]
        alike = order[starts[chosen] + member].astype(indices.dtype)
        if share == 1:
            return alike
        key_share, key_any = jax.random.split(jax.random.fold_in(key, 1))
        anyone = jax.random.randint(key_any, shape, 0, count, indices.dtype)
        return jnp.where(jax.random.bernoulli(key_share, share, shape), alike, anyone)

    return draw


def balance(
    key: PRNGKey,
    x: Inputs,
    y: Int[Array, " n"],
    indices: Int[Array, " m"],
    count: int | Int[Array, ""],
    *,
    classes: int,
    augment: Augment,
    capacity: int,
) -> tuple[Shaped[Array, "k ..."], Shaped[Array, " k"], Int[Array, " k"], Int[Array, ""]]:
    """The labelled set, and behind it augmented copies of random members of the smaller classes, up to parity.

    Returns
    -------
    ``x[k], y[k], indices[k], count`` with k = ``capacity``, the arguments of a ``Train`` after key and variables: first
    the ``count`` originals as they are, then the copies. Classes times m always suffices; with less, the last are
    missing. What stands behind the new count is not meant to be read.

    Raises
    ------
    ValueError
        If the capacity is below m.

    Cost: ``capacity`` examples augmented, and their memory; ``balanced`` needs none.

    Source: MedAL (Smailagic et al. 2018, arXiv 1809.09287): positives cropped, flipped and translated in each round;
    that they reach parity is our reading.

    Examples
    --------
    >>> import alfi
    >>> x, y = jnp.ones((4, 8, 8, 1)), jnp.array([0, 0, 0, 1])
    >>> _, labels, _, count = balance(
    ...     jax.random.key(0), x, y, jnp.arange(4), 4, classes=2, augment=alfi.augment.flip(), capacity=8
    ... )
    >>> labels[: int(count)].tolist()
    [0, 0, 0, 1, 1, 1]
    """
    m = indices.shape[0]
    if capacity < m:
        raise ValueError(f"balance needs capacity >= {m}, the labelled set; got {capacity}.")
    key_member, key_augment = jax.random.split(key)
    order, starts, sizes = _by_class(y, indices, count, classes)
    missing = jnp.where(sizes > 0, jnp.max(sizes) - sizes, 0)
    ends = jnp.cumsum(missing)
    slots = jnp.arange(capacity)
    class_of = jnp.minimum(jnp.searchsorted(ends, slots - count, side="right"), classes - 1)
    draws = jax.random.randint(key_member, (capacity,), 0, jnp.iinfo(jnp.int32).max)
    copied = order[starts[class_of] + draws % jnp.maximum(sizes[class_of], 1)]
    total = jnp.minimum(count + ends[-1], capacity)
    original = slots < count
    chosen = jnp.where(original, jnp.minimum(slots, m - 1), jnp.where(slots < total, copied, 0))
    rows = indices[chosen]
    new_x, new_y = augment(key_augment, x[rows], y[rows])
    keep = original.reshape(-1, *[1] * (x.ndim - 1))
    return jnp.where(keep, x[rows], new_x), jnp.where(original, y[rows], new_y), slots, total


def _by_class(y, indices, count, classes):
    """Slots ordered by class, where each class begins, and how many it has; what is not labelled stands last."""
    known = jnp.arange(indices.shape[0]) < count
    labels = jnp.where(known, y[jnp.where(known, indices, indices[0])], classes)
    sizes = jnp.sum(labels[:, None] == jnp.arange(classes)[None], axis=0)
    return jnp.argsort(labels, stable=True), jnp.cumsum(sizes) - sizes, sizes
