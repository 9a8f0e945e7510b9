"""Exact factors of the last layer of a segmentation network: as many rows as it has parameters, not as pixels."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from alfi.fisher.factors import DenseFactors, LastLayerFactors
from alfi.fisher.last_layer import in_contrasts, outputs_and_features, with_bias
from alfi.fisher.roots import matrix_root, site_roots, site_scale
from alfi.typing import FactorFn, Fitted, Likelihood, Model, Pool, PRNGKey


def summed_last_layer(
    model: Model,
    likelihood: Likelihood,
    *,
    temperature: float | Array = 1.0,
    chunk_size: int = 8,
    site_chunk_size: int = 4096,
) -> FactorFn:
    r"""A square root [p, p] of each example's ``sum_t F_t``, the Fisher information of its last layer over all sites.

    The same information as ``last_layer`` gives in t r rows, where t r > p: an image of 256 x 256 pixels has 65,536
    rows and a last layer perhaps 50 parameters. ``sum_t F_t`` is accumulated over chunks of sites, pair of outputs by
    pair of outputs, and its root taken from its eigenvectors; eigenvalues that rounding made negative are 0.
    Where t r <= p, the t r rows themselves.

    Parameters
    ----------
    model, likelihood, temperature
        As for ``last_layer``.
    chunk_size
        Images whose outputs and features are held at once.
    site_chunk_size
        Sites whose outputs are weighed at once.

    Returns
    -------
    FactorFn giving DenseFactors[n, min(t r, p), p], in the parameters of ``last_layer``: (c - 1)(d + 1).

    Raises
    ------
    ValueError
        If the model has no ``features``, or a chunk size is not positive.

    Cost: one forward pass, ``t d^2 c^2`` operations an example for its information and ``9 p^3`` for its root. Memory:
    outputs and features of a chunk of images; nothing has pixels x outputs x parameters.

    Examples
    --------
    >>> import alfi
    >>> pixels = alfi.models.from_function(lambda v, x: x @ v, features=lambda v, x: x)
    >>> images, fitted = alfi.pool(jnp.ones((2, 32, 32, 3))), alfi.Fitted(alfi.Variables(jnp.ones((3, 1))))
    >>> likelihood = alfi.likelihoods.segmentation(alfi.likelihoods.bernoulli(), effective_sites=50)
    >>> summed_last_layer(pixels, likelihood)(jax.random.key(0), fitted, images).array.shape
    (2, 4, 4)
    """
    if chunk_size < 1 or site_chunk_size < 1:
        raise ValueError(f"chunk sizes must be at least 1; got {chunk_size=}, {site_chunk_size=}.")
    read, pixel = outputs_and_features(model), likelihood._replace(effective_sites=None)

    def factor_fn(key: PRNGKey, fitted: Fitted, pool: Pool, /) -> DenseFactors:
        del key

        def pieces(outputs: Float[Array, "t c"], features: Float[Array, "t d"]) -> LastLayerFactors:
            roots = in_contrasts(pixel, site_roots(pixel, outputs / temperature) / temperature)
            return LastLayerFactors(roots[None], features[None])

        def one(x: Array) -> Float[Array, "r p"]:
            outputs, features = (piece[0] for piece in read(fitted.variables, x[None]))
            features, scale = with_bias(features), site_scale(likelihood, outputs.shape[0])
            whole = jax.eval_shape(pieces, outputs, features)
            if whole.r <= whole.p:
                return scale * pieces(outputs, features).dense().array[0]
            return scale * matrix_root(_summed(pieces, outputs, features, whole.p, site_chunk_size))

        return DenseFactors(jax.lax.map(one, pool.x, batch_size=min(chunk_size, pool.x.shape[0])))

    return factor_fn


def _summed(
    pieces: Callable[[Array, Array], LastLayerFactors], outputs: Array, features: Array, p: int, chunk: int
) -> Float[Array, "p p"]:
    """``sum_t F_t`` of one example, chunk of sites by chunk; sites that fill up the last one have zero features."""
    t = outputs.shape[0]
    chunk = min(chunk, t)
    chunks = [jnp.pad(x, ((0, -t % chunk), (0, 0))).reshape(-1, chunk, x.shape[1]) for x in (outputs, features)]

    def add(total: Array, sites: list[Array]) -> tuple[Array, None]:
        return total + pieces(*sites).dense_information(jnp.ones(1, total.dtype)), None

    return jax.lax.scan(add, jnp.zeros((p, p), features.dtype), chunks)[0]
