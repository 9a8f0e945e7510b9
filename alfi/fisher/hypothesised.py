"""BADGE's gradient embedding: the last-layer gradient at the label the model itself would give."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from alfi.fisher.factors import LastLayerFactors
from alfi.fisher.last_layer import outputs_and_features
from alfi.typing import FactorFn, Fitted, Likelihood, Model, Pool, PRNGKey


def hypothesised(model: Model, likelihood: Likelihood) -> FactorFn:
    r"""Gradient of ``-log p(y^ | x)`` in the last layer's kernel, at ``y^ = argmax f``.

    For classes, ``A_i = (p - e_y^)^T (x) features_i``: a rank-1 surrogate of the Fisher information: one label, the
    most probable, instead of the expectation over labels. For likelihoods of discrete labels only. No bias, as
    published.

    Returns
    -------
    FactorFn giving LastLayerFactors: roots [n, t, 1, c], features [n, t, d].

    Raises
    ------
    ValueError
        If the model has no ``features``.

    Source: Ash et al. 2020, BADGE, arXiv 1906.03671.

    Examples
    --------
    >>> import alfi
    >>> model = alfi.models.mlp(3, hidden=(4,))
    >>> pool = alfi.pool(jnp.ones((2, 5)))
    >>> fitted = alfi.Fitted(model.init(jax.random.key(0), pool.x))
    >>> hypothesised(model, alfi.likelihoods.categorical())(jax.random.key(1), fitted, pool).roots.shape
    (2, 1, 1, 3)
    """
    read = outputs_and_features(model)

    def root(f: Float[Array, " c"]) -> Float[Array, "1 c"]:
        return -jax.grad(likelihood.log_prob)(f, jnp.argmax(f))[None]

    def factor_fn(key: PRNGKey, fitted: Fitted, pool: Pool, /) -> LastLayerFactors:
        del key
        outputs, features = read(fitted.variables, pool.x)
        return LastLayerFactors(jax.vmap(jax.vmap(root))(outputs), features)

    return factor_fn
