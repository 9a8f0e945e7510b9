"""Plain features as factors, for criteria of distance."""

from alfi.fisher.factors import DenseFactors
from alfi.fisher.last_layer import require_features
from alfi.typing import FactorFn, Fitted, Model, Pool, PRNGKey


def embedding(model: Model, layer: str | None = None) -> FactorFn:
    r"""The features of an example as one row, ``A_i = features_i^T``, averaged over its sites.

    Parameters
    ----------
    layer
        A name in ``model.taps``, whose activations [n, ..., d] are averaged over all axes between (global average
        pooling). Default: the features that the last layer sees.

    Returns
    -------
    FactorFn giving DenseFactors[n, 1, d].

    Raises
    ------
    ValueError
        If the model has no ``features`` or ``taps``, or no layer of this name.

    Examples
    --------
    >>> import alfi, jax, jax.numpy as jnp
    >>> model = alfi.models.mlp(3, hidden=(6, 4))
    >>> pool = alfi.pool(jnp.ones((2, 5)))
    >>> fitted = alfi.Fitted(model.init(jax.random.key(0), pool.x))
    >>> embedding(model)(jax.random.key(1), fitted, pool).array.shape
    (2, 1, 4)
    >>> embedding(model, "hidden_1")(jax.random.key(1), fitted, pool).array.shape
    (2, 1, 6)
    """
    if layer is None:
        features_of = require_features(model)
    elif model.taps is None:
        raise ValueError(f"layer '{layer}' was asked for, but the model has no taps (named layers).")

    def factor_fn(key: PRNGKey, fitted: Fitted, pool: Pool, /) -> DenseFactors:
        del key
        if layer is None:
            features = features_of(fitted.variables, pool.x)
        else:
            taps = model.taps(fitted.variables, pool.x)
            if layer not in taps:
                raise ValueError(f"the model has no layer '{layer}'; its taps are {', '.join(taps)}.")
            features = taps[layer]
        sites = features.reshape(features.shape[0], -1, features.shape[-1])
        return DenseFactors(sites.mean(axis=1, keepdims=True))

    return factor_fn
