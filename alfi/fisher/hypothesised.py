"""BADGE's gradient embedding: the last-layer gradient at the label the model itself would give."""

import jax
from jaxtyping import Array, Float

from alfi.fisher.factors import LastLayerFactors
from alfi.fisher.last_layer import outputs_and_features
from alfi.fisher.roots import site_scale
from alfi.typing import FactorFn, Fitted, Likelihood, Model, Pool, PRNGKey


def hypothesised(model: Model, likelihood: Likelihood) -> FactorFn:
    r"""Gradient of ``-log p(y^ | x)`` in the last layer's kernel, at the most probable label ``y^``.

    For classes, ``A_i = (p - e_y^)^T (x) features_i``: a rank-1 surrogate of the Fisher information: one label, the
    most probable, instead of the expectation over labels. No bias, as published.

    Returns
    -------
    FactorFn giving LastLayerFactors: roots [n, t, 1, c], features [n, t, d].

    Raises
    ------
    ValueError
        If the model has no ``features``, or the likelihood no most probable label (``mode``): only discrete labels do.

    Source: Ash et al. 2020, BADGE, arXiv 1906.03671.

    Examples
    --------
    >>> import alfi, jax.numpy as jnp
    >>> model = alfi.models.mlp(3, hidden=(4,))
    >>> pool = alfi.pool(jnp.ones((2, 5)))
    >>> fitted = alfi.Fitted(model.init(jax.random.key(0), pool.x))
    >>> hypothesised(model, alfi.likelihoods.categorical())(jax.random.key(1), fitted, pool).roots.shape
    (2, 1, 1, 3)
    """
    read = outputs_and_features(model)
    if likelihood.mode is None:
        raise ValueError(
            "hypothesised labels are the most probable ones, and this likelihood has no `mode`: its labels are no "
            "finite choice. Use `fisher.last_layer`, or `fisher.monte_carlo_last_layer` for labels drawn at random."
        )
    mode = likelihood.mode

    def root(f: Float[Array, " c"]) -> Float[Array, "1 c"]:
        return -jax.grad(likelihood.log_prob)(f, mode(f))[None]

    def factor_fn(key: PRNGKey, fitted: Fitted, pool: Pool, /) -> LastLayerFactors:
        del key
        outputs, features = read(fitted.variables, pool.x)
        scale = site_scale(likelihood, outputs.shape[1])
        return LastLayerFactors(scale * jax.vmap(jax.vmap(root))(outputs), features)

    return factor_fn
