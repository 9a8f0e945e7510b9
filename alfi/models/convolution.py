"""Convolution and pooling in the forms that are fast where they run, for signals (one site axis) and images (two)."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float


def convolve(
    x: Float[Array, "n *sites i"], kernel: Float[Array, "*window i o"], stride: int = 1
) -> Float[Array, "n *out o"]:
    """Convolution with symmetric zero padding: the output at ``a`` is centred on input ``a * stride``.

    ``out[n, a, b, o] = sum_uvi x[n, s a + u - k // 2, s b + v - k // 2, i] kernel[u, v, i, o]``, of size ceil(h / s).

    On a CPU, XLA runs a convolution inside ``scan``, ``map`` or ``vmap`` 5 to 13 times slower than a plain one: there
    it is one matrix product with the k^2 shifted images side by side. Elsewhere it is XLA's convolution. Which of both
    is decided when the program is lowered for its platform, so one traced function serves all.

    Parameters
    ----------
    kernel
        Odd sizes: there has to be a centre.
    stride
        s. Padding is that of PyTorch's ``padding=k // 2``, not XLA's "SAME", which for s > 1 is not symmetric.

    Raises
    ------
    ValueError
        If a size is even, or the number of site axes differs.

    Cost: n h w k^2 i o / s^2 multiplications; on a CPU k^2 / s^2 copies of x.

    Examples
    --------
    >>> x = jnp.arange(9.0).reshape(1, 3, 3, 1)
    >>> convolve(x, jnp.ones((3, 3, 1, 1)))[0, :, :, 0].tolist()
    [[8.0, 15.0, 12.0], [21.0, 36.0, 27.0], [20.0, 33.0, 24.0]]
    >>> convolve(x, jnp.ones((3, 3, 1, 1)), 2)[0, :, :, 0].tolist()
    [[8.0, 12.0], [20.0, 24.0]]
    """
    if x.ndim != kernel.ndim or any(size % 2 == 0 for size in kernel.shape[:-2]):
        raise ValueError(
            f"convolve needs a kernel of odd size in each of the {x.ndim - 2} site axes; got {kernel.shape[:-2]}."
        )
    # The patches are made again for the gradient: else they would be k^2 copies of x to keep, on every platform,
    # because both branches exist until the program is lowered.
    patches = jax.checkpoint(functools.partial(by_patches, stride=stride), prevent_cse=False)
    return jax.lax.platform_dependent(x, kernel, cpu=patches, default=functools.partial(by_xla, stride=stride))


def by_patches(
    x: Float[Array, "n *sites i"], kernel: Float[Array, "*window i o"], stride: int = 1
) -> Float[Array, "n *out o"]:
    """``convolve`` as shifted images times a matrix."""
    patches = jnp.concatenate(_shifted(x, kernel.shape[:-2], stride, 0.0), axis=-1)
    return patches @ kernel.reshape(-1, kernel.shape[-1])


def by_xla(
    x: Float[Array, "n *sites i"], kernel: Float[Array, "*window i o"], stride: int = 1
) -> Float[Array, "n *out o"]:
    """``convolve`` as XLA's own convolution."""
    sites = x.ndim - 2
    borders = [(size // 2, size // 2) for size in kernel.shape[:-2]]
    letters = "HW"[-sites:]
    numbers = (f"N{letters}C", f"{letters}IO", f"N{letters}C")
    return jax.lax.conv_general_dilated(x, kernel, (stride,) * sites, borders, dimension_numbers=numbers)


def max_pool(x: Float[Array, "n *sites c"]) -> Float[Array, "n *out c"]:
    """The maximum of each 2 x 2 square, or of each pair of a signal; an odd last row or column is dropped.

    By a reshape, because the gradient of a windowed reduction is a scatter, which is slow on a CPU. Equal maxima share
    the gradient.

    Examples
    --------
    >>> max_pool(jnp.arange(16.0).reshape(1, 4, 4, 1))[0, :, :, 0].tolist()
    [[5.0, 7.0], [13.0, 15.0]]
    """
    n, *sizes, c = x.shape
    x = x[(slice(None), *(slice(size // 2 * 2) for size in sizes))]
    pairs = itertools.chain.from_iterable((size // 2, 2) for size in sizes)
    return x.reshape(n, *pairs, c).max(axis=tuple(range(2, 2 * len(sizes) + 1, 2)))


def max_pool_overlapping(x: Float[Array, "n *sites c"]) -> Float[Array, "n *out c"]:
    """The maximum of the 3 x 3 square about every second pixel: the pooling of a ResNet's stem.

    As PyTorch's ``max_pool2d(3, stride=2, padding=1)``; by shifted images, for the reason given in ``max_pool``.

    Examples
    --------
    >>> max_pool_overlapping(jnp.arange(16.0).reshape(1, 4, 4, 1))[0, :, :, 0].tolist()
    [[5.0, 7.0], [13.0, 15.0]]
    """
    return functools.reduce(jnp.maximum, _shifted(x, (3,) * (x.ndim - 2), 2, -jnp.inf))


def upsample(x: Float[Array, "n *sites c"], sizes: tuple[int, ...]) -> Float[Array, "n *out c"]:
    """Every site twice in each direction, cut to ``sizes``, or its border repeated where that is one site short.

    The way back from a halving, whichever way it rounded.

    Examples
    --------
    >>> upsample(jnp.arange(2.0).reshape(1, 2, 1), (5,))[0, :, 0].tolist()
    [0.0, 0.0, 1.0, 1.0, 1.0]
    """
    for axis, size in enumerate(sizes, 1):
        x = jax.lax.slice_in_dim(jnp.repeat(x, 2, axis=axis), 0, min(size, 2 * x.shape[axis]), axis=axis)
        short = size - x.shape[axis]
        if short:
            last = jax.lax.slice_in_dim(x, x.shape[axis] - 1, None, axis=axis)
            x = jnp.concatenate([x, *[last] * short], axis=axis)
    return x


def _shifted(x: Array, window: tuple[int, ...], stride: int, fill: float) -> list[Array]:
    """The images that a window's places see: one for each place, all of the output's size."""
    borders = [(0, 0), *((size // 2, size // 2) for size in window), (0, 0)]
    padded = jnp.pad(x, borders, constant_values=fill)
    spans = [(size - 1) // stride * stride + 1 for size in x.shape[1:-1]]

    def at(place: tuple[int, ...]) -> Array:
        start = (0, *place, 0)
        stop = (x.shape[0], *(a + span for a, span in zip(place, spans, strict=True)), x.shape[-1])
        return jax.lax.slice(padded, start, stop, (1, *(stride for _ in window), 1))

    return [at(place) for place in np.ndindex(window)]
