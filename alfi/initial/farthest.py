"""MedAL's initial set: a random example, then always the one farthest on average from all chosen."""

from alfi.criteria.mean_distance import mean_distance
from alfi.embeddings import Embedding, as_factors, inputs
from alfi.initial.cold import Initial, cold
from alfi.selection.greedy import greedy
from alfi.strategies.compose import compose


def farthest(embedding: Embedding | None = None) -> Initial:
    """Equations 1 and 2 of MedAL in an embedding; default the inputs. With ORB descriptors it is ``initial.orb``.

    Source: Smailagic et al. 2018, MedAL, doi 10.1109/ICMLA.2018.00078.

    Examples
    --------
    >>> import jax, jax.numpy as jnp
    >>> x = jnp.array([[0.0], [0.2], [5.0], [9.0]])
    >>> sorted(farthest()(jax.random.key(0), x, 4).tolist())
    [0, 1, 2, 3]
    """
    points = as_factors(inputs() if embedding is None else embedding)
    return cold(compose(points, mean_distance(), greedy()), random_first=True)
