"""Images [n, height, width, colours]: flip, rotate, crop, shift. Masks [n, height, width] move along.

What comes into view from outside repeats the edge. Images are interpolated linearly, masks take the nearest pixel.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Shaped

from alfi.augment.combine import Augment
from alfi.typing import PRNGKey

Images = Shaped[Array, "n h w colours"]


def flip(*, vertical: bool = True) -> Augment:
    """Left to right with probability 1/2, and top to bottom likewise unless ``vertical`` is false.

    Examples
    --------
    >>> x = jnp.arange(4.0).reshape(1, 2, 2, 1)
    >>> sorted(flip()(jax.random.key(0), x, jnp.zeros(1, int))[0].reshape(-1).tolist())
    [0.0, 1.0, 2.0, 3.0]
    """

    def move(key: PRNGKey, image: Array, linear: bool) -> Array:
        across, down = jax.random.bernoulli(key, shape=(2,))
        image = jnp.where(across, image[:, ::-1], image)
        return jnp.where(down & vertical, image[::-1], image)

    return _with_masks(move)


def shift(pixels: int) -> Augment:
    """By a whole number of pixels in ``-pixels ... pixels`` each way, uniformly.

    Raises
    ------
    ValueError
        If ``pixels`` is negative.

    Examples
    --------
    >>> shift(1)(jax.random.key(0), jnp.ones((2, 4, 4, 1)), jnp.zeros(2, int))[0].shape
    (2, 4, 4, 1)
    """
    if pixels < 0:
        raise ValueError(f"shift needs pixels >= 0; got {pixels}.")

    def move(key: PRNGKey, image: Array, linear: bool) -> Array:
        down, across = jax.random.randint(key, (2,), 0, 2 * pixels + 1)
        padded = jnp.pad(image, ((pixels, pixels), (pixels, pixels), (0, 0)), mode="edge")
        return jax.lax.dynamic_slice(padded, (down, across, jnp.zeros_like(down)), image.shape)

    return _with_masks(move)


def rotate(degrees: float = 15.0) -> Augment:
    """About the centre by an angle uniform in ``-degrees ... degrees``; by dm-pix.

    Raises
    ------
    ValueError
        If the angle is not in [0, 180].

    Examples
    --------
    >>> rotate(30)(jax.random.key(0), jnp.ones((2, 4, 4, 3)), jnp.zeros(2, int))[0].shape
    (2, 4, 4, 3)
    """
    if not 0 <= degrees <= 180:
        raise ValueError(f"rotate needs degrees in [0, 180]; got {degrees}.")

    def move(key: PRNGKey, image: Array, linear: bool) -> Array:
        import dm_pix

        bound = float(np.deg2rad(degrees))
        angle = jax.random.uniform(key, (), jnp.float32, -bound, bound)
        return jnp.asarray(dm_pix.rotate(image, angle, order=1 if linear else 0))

    return _with_masks(move)


def crop(smallest: float = 0.8) -> Augment:
    """A window of the image's shape, a share uniform in [smallest, 1] of each side, anywhere, enlarged to full size.

    By dm-pix.

    Raises
    ------
    ValueError
        If the share is not in (0, 1].

    Examples
    --------
    >>> crop(0.5)(jax.random.key(0), jnp.ones((2, 4, 4, 3)), jnp.zeros(2, int))[0].shape
    (2, 4, 4, 3)
    """
    if not 0 < smallest <= 1:
        raise ValueError(f"crop needs a share of each side in (0, 1]; got {smallest}.")

    def move(key: PRNGKey, image: Array, linear: bool) -> Array:
        import dm_pix

        key_share, key_place = jax.random.split(key)
        share = jax.random.uniform(key_share, (), jnp.float32, smallest, 1)
        free = (1 - share) * (jnp.asarray(image.shape[:2], jnp.float32) - 1)
        offset = jnp.append(free * jax.random.uniform(key_place, (2,), jnp.float32), 0)
        matrix = jnp.diag(jnp.stack([share, share, jnp.ones_like(share)]))
        return jnp.asarray(dm_pix.affine_transform(image, matrix, offset=offset, order=1 if linear else 0))

    return _with_masks(move)


def _with_masks(move: Callable[[PRNGKey, Array, bool], Array]) -> Augment:
    """``move(key, image[h, w, c], linear)`` over rows; labels of the images' height and width move by the same key."""

    def augment(key: PRNGKey, x: Images, y: Shaped[Array, "n ..."]) -> tuple[Images, Array]:
        keys = jax.random.split(key, x.shape[0])
        moved = jax.vmap(lambda key, image: move(key, image, True).astype(image.dtype))(keys, x)
        if y.ndim < 3 or y.shape[1:3] != x.shape[1:3]:
            return moved, y
        masks = y.reshape(*y.shape[:3], -1)
        masks = jax.vmap(lambda key, mask: move(key, mask, False).astype(y.dtype))(keys, masks)
        return moved, masks.reshape(y.shape)

    return augment
