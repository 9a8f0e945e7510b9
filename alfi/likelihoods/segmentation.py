"""A label for each pixel."""

from typing import Any

import numpy as np

from alfi.likelihoods.categorical import categorical
from alfi.typing import Likelihood


def segmentation(pixel: Likelihood | None = None, *, effective_sites: Any = None) -> Likelihood:
    r"""A label for each of the t pixels (sites) of an image, independent given the outputs.

    The Fisher information of an image is the sum over its pixels. Neighbouring pixels are not independent, though, and
    the sum of 10^5 of them would make every image worth 10^5 labels: ``effective_sites`` m scales it to
    ``m / t sum_t F_t``, the information of m independent pixels of the image's average kind. Log-probability, samples
    and entropy remain those of the pixels, which training and scores sum or average as they did.

    Parameters
    ----------
    pixel
        Likelihood of a pixel: ``categorical()`` (default) or ``bernoulli()``, or any other.
    effective_sites
        m, in pixels, positive and at most t. Default: all t.

    Raises
    ------
    ValueError
        If m is not positive and finite; and, once t is known, if it exceeds t.

    Examples
    --------
    >>> import alfi, jax, jax.numpy as jnp
    >>> pixels = alfi.models.from_function(lambda v, x: x @ v, features=lambda v, x: x)
    >>> images, kernel = alfi.pool(jnp.ones((2, 8, 8, 3))), alfi.Fitted(alfi.Variables(jnp.ones((3, 1))))
    >>> for m in (None, 16):
    ...     likelihood = segmentation(alfi.likelihoods.bernoulli(), effective_sites=m)
    ...     factors = alfi.fisher.last_layer(pixels, likelihood)(jax.random.key(0), kernel, images)
    ...     print(f"{factors.squared_norms()[0]:.3f}")
    11.565
    2.891
    """
    pixel = categorical() if pixel is None else pixel
    if effective_sites is None:
        return pixel
    if not (np.isfinite(effective_sites) and effective_sites > 0):
        raise ValueError(f"effective_sites must be a positive number of pixels; got {effective_sites}.")
    return pixel._replace(effective_sites=float(effective_sites))
