"""k-center: a random example, then always the farthest from all chosen."""

from alfi.criteria.min_distance import min_distance
from alfi.embeddings import Embedding, as_factors, inputs
from alfi.initial.cold import Initial, cold
from alfi.selection.greedy import greedy
from alfi.strategies.compose import compose


def k_center(embedding: Embedding | None = None) -> Initial:
    """Greedy k-center in an embedding; default the inputs. It covers the pool, and picks outliers.

    Source: Gonzalez 1985, doi 10.1016/0304-3975(85)90224-5.

    Examples
    --------
    >>> import jax, jax.numpy as jnp
    >>> x = jnp.array([[0.0], [0.2], [5.0], [9.0]])
    >>> len(set(k_center()(jax.random.key(0), x, 3).tolist()))
    3
    """
    points = as_factors(inputs() if embedding is None else embedding)
    return cold(compose(points, min_distance(), greedy()), random_first=True)
