"""Convolution and pooling in the forms that are fast where they run."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def convolve(x: Float[Array, "n h w i"], kernel: Float[Array, "k k i o"]) -> Float[Array, "n h w o"]:
    """Convolution with zero padding and unit stride.

    ``out[n, a, b, o] = sum_uvi x[n, a + u - k // 2, b + v - k // 2, i] kernel[u, v, i, o]``.

    On a CPU, XLA runs a convolution inside ``scan``, ``map`` or ``vmap`` 5 to 13 times slower than a plain one: there
    it is one matrix product with the k^2 shifted images side by side. Elsewhere it is XLA's convolution. Which of both
    is decided when the program is lowered for its platform, so one traced function serves all.

    Parameters
    ----------
    kernel
        Odd k.

    Raises
    ------
    ValueError
        If k is even: there would be no centre.

    Cost: n h w k^2 i o multiplications; on a CPU k^2 copies of x.

    Examples
    --------
    >>> x = jnp.arange(9.0).reshape(1, 3, 3, 1)
    >>> convolve(x, jnp.ones((3, 3, 1, 1)))[0, :, :, 0].tolist()
    [[8.0, 15.0, 12.0], [21.0, 36.0, 27.0], [20.0, 33.0, 24.0]]
    """
    if kernel.shape[0] % 2 == 0:
        raise ValueError(f"convolve needs a kernel of odd size; got {kernel.shape[0]} x {kernel.shape[1]}.")
    # The patches are made again for the gradient: else they would be k^2 copies of x to keep, on every platform,
    # because both branches exist until the program is lowered.
    return jax.lax.platform_dependent(x, kernel, cpu=jax.checkpoint(by_patches, prevent_cse=False), default=by_xla)


def by_patches(x: Float[Array, "n h w i"], kernel: Float[Array, "k k i o"]) -> Float[Array, "n h w o"]:
    """``convolve`` as shifted images times a matrix."""
    h, w = x.shape[1:3]
    k = kernel.shape[0]
    padded = jnp.pad(x, ((0, 0), (k // 2, k // 2), (k // 2, k // 2), (0, 0)))
    patches = jnp.concatenate([padded[:, u : u + h, v : v + w] for u in range(k) for v in range(k)], axis=-1)
    return patches @ kernel.reshape(-1, kernel.shape[-1])


def by_xla(x: Float[Array, "n h w i"], kernel: Float[Array, "k k i o"]) -> Float[Array, "n h w o"]:
    """``convolve`` as XLA's own convolution."""
    return jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))


def max_pool(x: Float[Array, "n h w c"]) -> Float[Array, "n h//2 w//2 c"]:
    """The maximum of each 2 x 2 square; an odd last row or column is dropped.

    By a reshape, because the gradient of a windowed reduction is a scatter, which is slow on a CPU. Equal maxima share
    the gradient.

    Examples
    --------
    >>> max_pool(jnp.arange(16.0).reshape(1, 4, 4, 1))[0, :, :, 0].tolist()
    [[5.0, 7.0], [13.0, 15.0]]
    """
    n, h, w, c = x.shape
    return x[:, : h // 2 * 2, : w // 2 * 2].reshape(n, h // 2, 2, w // 2, 2, c).max(axis=(2, 4))
