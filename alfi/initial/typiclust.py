"""TypiClust from nothing: a typical example of each of as many clusters as there will be labels."""

from alfi.embeddings import Embedding, as_factors, inputs
from alfi.initial.cold import Initial, cold
from alfi.strategies.typiclust import by_typicality


def typiclust(embedding: Embedding | None = None, *, neighbours: int = 20, smallest: int = 5) -> Initial:
    """As the strategy of this name, in an embedding; default the inputs.

    Source: Hacohen, Dekel & Weinshall 2022, arXiv 2202.02794.

    Examples
    --------
    >>> import jax, jax.numpy as jnp
    >>> x = jnp.concatenate([jnp.linspace(0, 1, 9), jnp.linspace(9, 10, 9)])[:, None]
    >>> sorted((typiclust()(jax.random.key(0), x, 2) // 9).tolist())
    [0, 1]
    """
    points = as_factors(inputs() if embedding is None else embedding)
    return cold(by_typicality(points, neighbours=neighbours, smallest=smallest))
