"""Signals [n, time] or [n, time, leads], such as an ECG: shift in time, amplitude, noise. The labels stay."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Shaped

from alfi.augment.combine import Augment
from alfi.typing import Inputs, PRNGKey


def time_shift(samples: int) -> Augment:
    """By a whole number of samples in ``-samples ... samples``, uniformly; the ends repeat. All leads together.

    Raises
    ------
    ValueError
        If ``samples`` is negative.

    Examples
    --------
    >>> time_shift(2)(jax.random.key(0), jnp.ones((3, 9, 2)), jnp.zeros(3, int))[0].shape
    (3, 9, 2)
    """
    if samples < 0:
        raise ValueError(f"time_shift needs samples >= 0; got {samples}.")

    def augment(key: PRNGKey, x: Inputs, y: Shaped[Array, "n ..."]) -> tuple[Array, Array]:
        moves = jax.random.randint(key, (x.shape[0], 1), -samples, samples + 1)
        places = jnp.clip(jnp.arange(x.shape[1])[None] + moves, 0, x.shape[1] - 1)
        return jax.vmap(lambda signal, place: signal[place])(x, places), y

    return augment


def amplitude(spread: float = 0.1) -> Augment:
    """Times ``exp(spread z)``, z standard normal, one for each example: ratios of leads stay.

    Raises
    ------
    ValueError
        If ``spread`` is negative.

    Examples
    --------
    >>> amplitude(0.2)(jax.random.key(0), jnp.ones((3, 9)), jnp.zeros(3, int))[0].shape
    (3, 9)
    """
    if spread < 0:
        raise ValueError(f"amplitude needs spread >= 0; got {spread}.")

    def augment(key: PRNGKey, x: Inputs, y: Shaped[Array, "n ..."]) -> tuple[Array, Array]:
        return x * jnp.exp(spread * jax.random.normal(key, (x.shape[0], *[1] * (x.ndim - 1)), x.dtype)), y

    return augment


def noise(deviation: float) -> Augment:
    """Plus white normal noise of this standard deviation, in the units of x.

    Raises
    ------
    ValueError
        If ``deviation`` is negative.

    Examples
    --------
    >>> noise(0.1)(jax.random.key(0), jnp.ones((3, 9)), jnp.zeros(3, int))[0].shape
    (3, 9)
    """
    if deviation < 0:
        raise ValueError(f"noise needs deviation >= 0; got {deviation}.")

    def augment(key: PRNGKey, x: Inputs, y: Shaped[Array, "n ..."]) -> tuple[Array, Array]:
        return x + deviation * jax.random.normal(key, x.shape, x.dtype), y

    return augment
