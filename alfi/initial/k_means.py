"""k-means: as many clusters as there will be labels, and of each the example nearest to its centre."""

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from alfi.clustering import k_means as cluster
from alfi.criteria.score import score
from alfi.embeddings import Embedding, inputs
from alfi.initial.cold import Initial, require_size
from alfi.selection.greedy import greedy
from alfi.selection.in_turn import in_turn
from alfi.typing import Inputs, PRNGKey


def k_means(embedding: Embedding | None = None) -> Initial:
    """The examples nearest to the centres of ``size`` clusters in an embedding; default the inputs.

    Where a cluster has lost its examples, the largest one gives a second.

    Cost: ``size n d`` a step of Lloyd's.

    Source: Zhu et al. 2008 (sampling by clustering), Coling 2008, 1137-1144.

    Examples
    --------
    >>> import jax, jax.numpy as jnp
    >>> x = jnp.array([[0.0], [0.1], [0.2], [9.0], [9.1], [9.2]])
    >>> sorted(k_means()(jax.random.key(0), x, 2).tolist())
    [1, 4]
    """
    embed = inputs() if embedding is None else embedding

    def choose(key: PRNGKey, x: Inputs, size: int) -> Int[Array, " size"]:
        n = x.shape[0]
        require_size(size, n)
        everything = jnp.ones(n)
        points: Float[Array, "n d"] = embed(key, x, everything)
        centres, members = cluster(key, points, size)
        central = -jnp.sum((points - centres[members]) ** 2, axis=1)
        nothing, free = jnp.zeros(n, points.dtype), jnp.ones(n, bool)
        rule = in_turn(greedy())
        return rule(key, score(), (members, central), nothing, free, size, population=nothing + 1).indices

    return choose
