"""The features of a network: pretrained, or of random weights."""

from jaxtyping import Array, Float

from alfi.embeddings.as_factors import Embedding
from alfi.fisher.last_layer import require_features
from alfi.typing import Inputs, Model, PRNGKey, Variables


def network(model: Model, variables: Variables | None = None) -> Embedding:
    """What the last layer of a network sees; several sites of an example are averaged.

    Parameters
    ----------
    variables
        Those of a pretrained network. Default: random ones, drawn anew from each key: a random-feature network.

    Raises
    ------
    ValueError
        If the model has no ``features``.

    Examples
    --------
    >>> import alfi, jax, jax.numpy as jnp
    >>> embed = network(alfi.models.mlp(2, hidden=(16,)))
    >>> embed(jax.random.key(0), jnp.ones((3, 4)), jnp.ones(3)).shape
    (3, 16)
    """
    features_of = require_features(model)

    def embed(key: PRNGKey, x: Inputs, population: Float[Array, " n"]) -> Float[Array, "n d"]:
        del population
        weights = model.init(key, x[:1]) if variables is None else variables
        features = features_of(weights, x)
        return features.reshape(features.shape[0], -1, features.shape[-1]).mean(axis=1)

    return embed
