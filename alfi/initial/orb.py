"""ORB descriptors of images by OpenCV, on the host: what MedAL chooses its first examples by."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

from alfi.initial.cold import Initial
from alfi.initial.farthest import farthest
from alfi.typing import Inputs, PRNGKey

# OpenCV measures in steps of 255; with its default of 20 smooth medical images have next to no corner.
FAST_THRESHOLD = 3


def orb(**options: Any) -> Initial:
    """A random image, then always the one farthest on average in pooled ORB descriptors. Not for use under jit.

    Parameters
    ----------
    options
        Of ``descriptors``. To draw several sets compute those once, and give them to ``initial.farthest()`` as x.

    Source: Smailagic et al. 2018, MedAL, doi 10.1109/ICMLA.2018.00078; Rublee et al. 2011, ORB,
    doi 10.1109/ICCV.2011.6126544.

    Examples
    --------
    >>> import jax
    >>> images = np.random.default_rng(0).integers(0, 255, (6, 32, 32), dtype=np.uint8)
    >>> len(set(orb()(jax.random.key(0), jnp.asarray(images), 3).tolist()))
    3
    """

    def choose(key: PRNGKey, x: Inputs, size: int) -> Int[Array, " size"]:
        return farthest()(key, jnp.asarray(descriptors(x, **options), float), size)

    return choose


def descriptors(x: Any, *, keypoints: int = 500, smallest: int = 128, rounded: bool = False) -> np.ndarray:
    """Mean over an image's keypoints of their ORB descriptors' 256 bits, [n, 256] of float32 in 0 ... 1.

    Parameters
    ----------
    x
        Images [n, height, width], or [n, height, width, c] with 1, 3 or 4 channels, on the host. Real numbers are
        scaled so that the least of all images is black and the largest white.
    keypoints
        At most, for each image.
    smallest
        Pixels of the shorter side: smaller images are enlarged to it, since ORB finds next to nothing in them.
    rounded
        To 0 and 1, as in code of the authors; the paper's average is not.

    Images without keypoints have the mean descriptor of the others: a vector of zeros would be an outlier, and be
    picked.

    Raises
    ------
    ValueError
        If x holds no such images, or no image has a keypoint.

    Cost: some 2 ms an image of 128 pixels.

    Examples
    --------
    >>> images = np.random.default_rng(0).random((2, 32, 32))
    >>> descriptors(images).shape
    (2, 256)
    """
    import cv2

    images = _grey(np.asarray(x))
    detector = cv2.ORB_create(nfeatures=keypoints, fastThreshold=FAST_THRESHOLD)
    pooled = np.full((len(images), 256), np.nan, np.float32)
    for row, image in zip(pooled, images, strict=True):
        factor = smallest / min(image.shape)
        if factor > 1:
            size = tuple(int(np.ceil(side * factor)) for side in image.shape[::-1])
            image = cv2.resize(image, size, interpolation=cv2.INTER_CUBIC)
        _, found = detector.detectAndCompute(image, None)
        if found is not None:
            row[:] = np.unpackbits(found, axis=1).mean(axis=0)
    empty = np.isnan(pooled[:, 0])
    if empty.all():
        raise ValueError(f"ORB finds no keypoint in any of {len(images)} images: are they blank?")
    pooled[empty] = pooled[~empty].mean(axis=0)
    return np.round(pooled) if rounded else pooled


def _grey(x: np.ndarray) -> np.ndarray:
    """Images [n, h, w] of bytes."""
    if x.ndim not in (3, 4) or (x.ndim == 4 and x.shape[3] not in (1, 3, 4)):
        raise ValueError(f"ORB needs images [n, height, width] or [n, height, width, 1, 3 or 4]; got shape {x.shape}.")
    if x.dtype != np.uint8:
        least, largest = float(x.min()), float(x.max())
        if not np.isfinite(largest - least):
            raise ValueError("ORB needs images of finite numbers.")
        span = largest - least if largest > least else 1.0
        x = np.round((x.astype(np.float32) - least) / span * 255).astype(np.uint8)
    if x.ndim == 3:
        return x
    if x.shape[3] == 1:
        return x[..., 0]
    # The luma of ITU-R BT.601, as OpenCV has it; a fourth channel is opacity.
    return np.round(x[..., :3] @ np.array([0.299, 0.587, 0.114], np.float32)).astype(np.uint8)
