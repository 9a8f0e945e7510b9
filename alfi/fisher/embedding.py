"""Plain features as factors, for criteria of distance."""

from alfi.fisher.factors import DenseFactors
from alfi.fisher.last_layer import require_features
from alfi.typing import FactorFn, Fitted, Model, Pool, PRNGKey


def embedding(model: Model) -> FactorFn:
    r"""The features that the last layer sees, ``A_i = features_i^T``; several sites of an example are averaged.

    Returns
    -------
    FactorFn giving DenseFactors[n, 1, d].

    Raises
    ------
    ValueError
        If the model has no ``features``.

    Examples
    --------
    >>> import alfi, jax, jax.numpy as jnp
    >>> model = alfi.models.mlp(3, hidden=(4,))
    >>> pool = alfi.pool(jnp.ones((2, 5)))
    >>> fitted = alfi.Fitted(model.init(jax.random.key(0), pool.x))
    >>> embedding(model)(jax.random.key(1), fitted, pool).array.shape
    (2, 1, 4)
    """
    features_of = require_features(model)

    def factor_fn(key: PRNGKey, fitted: Fitted, pool: Pool, /) -> DenseFactors:
        del key
        features = features_of(fitted.variables, pool.x)
        sites = features.reshape(features.shape[0], -1, features.shape[-1])
        return DenseFactors(sites.mean(axis=1, keepdims=True))

    return factor_fn
