"""ProbCover from nothing: balls that cover as much of the pool as possible."""

from typing import Any

from alfi.embeddings import Embedding, as_factors, inputs
from alfi.initial.cold import Initial, cold
from alfi.strategies.prob_cover import by_coverage


def prob_cover(
    embedding: Embedding | None = None, *, radius: Any = None, clusters: int = 10, purity: float = 0.95
) -> Initial:
    """As the strategy of this name, in an embedding; default the inputs.

    Parameters
    ----------
    radius
        In the unit of the embedding; default by purity, for so many ``clusters`` as pseudo-labels (the number of
        classes, if it is known).

    Source: Yehuda, Dekel, Hacohen & Weinshall 2022, arXiv 2205.11320.

    Examples
    --------
    >>> import jax, jax.numpy as jnp
    >>> x = jnp.array([[0.0], [0.1], [0.2], [9.0], [9.1], [9.2]])
    >>> sorted((prob_cover(radius=0.5)(jax.random.key(0), x, 2) // 3).tolist())
    [0, 1]
    """
    points = as_factors(inputs() if embedding is None else embedding)
    return cold(by_coverage(points, radius=radius, clusters=clusters, purity=purity))
