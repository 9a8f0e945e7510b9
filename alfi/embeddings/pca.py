"""Principal components of the inputs, such as the pixels of images."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from alfi.embeddings.as_factors import Embedding
from alfi.embeddings.inputs import inputs
from alfi.typing import Inputs, PRNGKey

# More directions than are asked for, and passes over the inputs: then those asked for are as good as exact.
SPARE, PASSES = 8, 6


def pca(components: int = 32) -> Embedding:
    """Coordinates along the directions of largest variance over the population, by subspace iteration.

    Parameters
    ----------
    components
        d; of inputs with fewer numbers, all.

    Returns
    -------
    Embedding; where it keeps all directions, distances are those of the inputs.

    Raises
    ------
    ValueError
        If ``components`` is not positive.

    Cost: ``14 n D (d + 8)`` for inputs of D numbers; the D x D covariance is not formed.

    Source: Halko, Martinsson & Tropp 2011, doi 10.1137/090771806.

    Examples
    --------
    >>> x = jnp.array([[0.0, 1.0], [2.0, 1.0], [4.0, 1.1]])
    >>> pca(1)(jax.random.key(0), x, jnp.ones(3)).shape
    (3, 1)
    """
    if components < 1:
        raise ValueError(f"pca needs components >= 1; got {components}.")

    def embed(key: PRNGKey, x: Inputs, population: Float[Array, " n"]) -> Float[Array, "n d"]:
        flat = inputs()(key, x, population)
        weights = population.astype(flat.dtype)[:, None] / jnp.sum(population).astype(flat.dtype)
        real = weights > 0
        centred = jnp.where(real, flat - jnp.sum(weights * jnp.where(real, flat, 0), axis=0, keepdims=True), 0)
        width = flat.shape[1]
        basis = jax.random.normal(key, (width, min(components + SPARE, width)), flat.dtype)

        def step(basis: Array, _) -> tuple[Array, None]:
            seen = jnp.matmul(centred, jnp.linalg.qr(basis)[0], precision="highest")
            return jnp.matmul(centred.T, weights * seen, precision="highest"), None

        basis = jnp.linalg.qr(jax.lax.scan(step, basis, length=PASSES)[0])[0]
        seen = jnp.matmul(centred, basis, precision="highest")
        _, vectors = jnp.linalg.eigh(jnp.matmul(seen.T, weights * seen, precision="highest"))
        return jnp.matmul(seen, vectors[:, ::-1][:, :components], precision="highest")

    return embed
