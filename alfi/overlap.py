"""How well a predicted region covers the true one: Jaccard index and Dice coefficient, of each image, then averaged.

``outputs[n, *sites, c]`` and ``y[n, *sites]``. One output: foreground where it is positive, y in {0, 1}. Several: the
largest, y in 0 ... c - 1; class 0 is the background, and the mean is over the others. An image in which a class neither
is nor is predicted counts 1. ``weights[n]`` as in ``alfi.metrics``.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Shaped

from alfi.typing import Outputs


def jaccard(
    outputs: Outputs, y: Int[Array, "n *sites"], weights: Shaped[Array, " n"] | None = None
) -> Float[Array, ""]:
    """``mean_i |P_i and G_i| / |P_i or G_i|``, P the predicted and G the true region; in [0, 1]. Cost ``n t c``.

    Source: Jaccard 1912, doi:10.1111/j.1469-8137.1912.tb05611.x; averaged over images as the ISIC challenges do.

    Examples
    --------
    >>> mask = jnp.array([[0, 1, 1, 0]])
    >>> jaccard(jnp.array([[-1.0, 2.0, -1.0, -1.0]])[..., None], mask).item()
    0.5
    """
    both, predicted, true = _areas(outputs, y)
    return _mean_over_images(both, predicted + true - both, outputs, weights)


def dice(outputs: Outputs, y: Int[Array, "n *sites"], weights: Shaped[Array, " n"] | None = None) -> Float[Array, ""]:
    """``mean_i 2 |P_i and G_i| / (|P_i| + |G_i|)``, the F1 score of each image; in [0, 1]. Cost ``n t c``.

    Source: Dice 1945, doi:10.2307/1932409.

    Examples
    --------
    >>> mask = jnp.array([[0, 1, 1, 0]])
    >>> round(dice(jnp.array([[-1.0, 2.0, -1.0, -1.0]])[..., None], mask).item(), 4)
    0.6667
    """
    both, predicted, true = _areas(outputs, y)
    return _mean_over_images(2 * both, predicted + true, outputs, weights)


def _areas(outputs, y):
    if outputs.ndim < 3 or y.shape != outputs.shape[:-1]:
        raise ValueError(f"expected outputs [n, *sites, c] and y [n, *sites], got {outputs.shape} and {y.shape}")
    c = outputs.shape[-1]
    guess = (outputs[..., 0] > 0).astype(jnp.int32) if c == 1 else jnp.argmax(outputs, axis=-1)
    regions = [jax.nn.one_hot(labels, max(c, 2), dtype=jnp.float32)[..., 1:] for labels in (guess, y)]
    sites = tuple(range(1, outputs.ndim - 1))
    return [jnp.sum(region, axis=sites) for region in (regions[0] * regions[1], *regions)]


def _mean_over_images(numerators, denominators, outputs, weights):
    ratios = jnp.where(denominators > 0, numerators / jnp.maximum(denominators, 1), 1).mean(axis=1)
    failed = jnp.any(jnp.isnan(outputs), axis=tuple(range(1, outputs.ndim)))
    ratios = jnp.where(failed, jnp.nan, ratios)  # a failed training must not pass for a bad segmentation
    if weights is None:
        return jnp.mean(ratios)
    if weights.shape != ratios.shape:
        raise ValueError(f"expected weights {ratios.shape}, one per image, got {weights.shape}")
    return jnp.sum(jnp.where(weights > 0, weights * ratios, 0)) / jnp.sum(weights)
