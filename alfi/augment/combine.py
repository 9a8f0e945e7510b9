"""Several augmentations in a row, or one for some classes only."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Shaped

from alfi.typing import Inputs, PRNGKey

Augment = Callable[[PRNGKey, Inputs, Array], tuple[Inputs, Array]]


def chain(*augments: Augment) -> Augment:
    """One after another, each with a key of its own.

    Examples
    --------
    >>> import alfi
    >>> both = chain(alfi.augment.flip(), alfi.augment.shift(2))
    >>> both(jax.random.key(0), jnp.ones((3, 8, 8, 1)), jnp.arange(3))[0].shape
    (3, 8, 8, 1)
    """

    def augment(key: PRNGKey, x: Inputs, y: Shaped[Array, "n ..."]) -> tuple[Array, Array]:
        for number, each in enumerate(augments):
            x, y = each(jax.random.fold_in(key, number), x, y)
        return x, y

    return augment


def only(inner: Augment, classes: tuple[int, ...]) -> Augment:
    """Examples of these classes are augmented, all others stay: MedAL augments the positives alone. y is [n].

    Examples
    --------
    >>> import alfi
    >>> louder = only(alfi.augment.noise(1.0), (1,))
    >>> x, _ = louder(jax.random.key(0), jnp.zeros((2, 9)), jnp.array([0, 1]))
    >>> (x != 0).any(axis=1).tolist()
    [False, True]
    """

    def augment(key: PRNGKey, x: Inputs, y: Shaped[Array, " n"]) -> tuple[Array, Array]:
        changed, labels = inner(key, x, y)
        chosen = jnp.isin(y, jnp.asarray(classes))
        return jnp.where(chosen.reshape(-1, *[1] * (x.ndim - 1)), changed, x), jnp.where(chosen, labels, y)

    return augment
