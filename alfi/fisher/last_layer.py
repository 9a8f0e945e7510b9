"""Exact factors of a network's last layer, from its outputs and features alone."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from alfi.fisher.factors import LastLayerFactors
from alfi.fisher.roots import site_roots
from alfi.typing import FactorFn, Fitted, Inputs, Likelihood, Model, Pool, PRNGKey


def last_layer(model: Model, likelihood: Likelihood, *, temperature: float | Array = 1.0) -> FactorFn:
    r"""Factors of the last layer, ``A_i = B(f_i)^T C (x) [features_i, 1]``, as pieces that are never multiplied out.

    The last layer's parameters are its kernel and bias, written in the likelihood's orthonormal output contrasts C
    where it has any: the softmax's null space, in which A-, E- and Phi_p-optimality would measure only the prior, is
    gone, and p is ``(c - 1)(d + 1)``. D- and V-gains are the same in either form.

    Parameters
    ----------
    model
        With ``features``; ``apply`` is affine in them.
    temperature
        T > 0: the Fisher information of the tempered likelihood ``p(y | f / T)``. Above 1 it softens the predictions
        of an over-trained network, whose Fisher information otherwise collapses where it is sure.

    Returns
    -------
    FactorFn giving LastLayerFactors: roots [n, t, r, c - 1], features [n, t, d + 1].

    Raises
    ------
    ValueError
        If the model has no ``features``.

    Cost: one forward pass, and ``n t (c^2 + d)`` numbers.

    Examples
    --------
    >>> import alfi
    >>> model = alfi.models.mlp(10, hidden=(32, 16))
    >>> pool = alfi.pool(jnp.ones((5, 64)))
    >>> fitted = alfi.Fitted(model.init(jax.random.key(0), pool.x))
    >>> factors = last_layer(model, alfi.likelihoods.categorical())(jax.random.key(1), fitted, pool)
    >>> factors.n, factors.r, factors.p
    (5, 9, 153)
    """
    read = outputs_and_features(model)

    def root(f: Float[Array, "t c"]) -> Float[Array, "t r q"]:
        return in_contrasts(likelihood, site_roots(likelihood, f / temperature) / temperature)

    def factor_fn(key: PRNGKey, fitted: Fitted, pool: Pool, /) -> LastLayerFactors:
        del key
        outputs, features = read(fitted.variables, pool.x)
        return LastLayerFactors(jax.vmap(root)(outputs), with_bias(features))

    return factor_fn


def in_contrasts(likelihood: Likelihood, roots: Float[Array, "t r c"]) -> Float[Array, "t r q"]:
    """Roots in the likelihood's orthonormal output contrasts, where it has any."""
    if likelihood.contrasts is None:
        return roots
    contrasts = likelihood.contrasts(roots.shape[-1]).astype(roots.dtype)
    return jnp.matmul(roots, contrasts, precision="highest")


def with_bias(features: Float[Array, "*sites d"]) -> Float[Array, "*sites e"]:
    """Features with a one at the end, ``e = d + 1``: the bias is one parameter more of each output."""
    return jnp.concatenate([features, jnp.ones_like(features[..., :1])], axis=-1)


def outputs_and_features(model: Model) -> Callable[[Any, Inputs], tuple[Float[Array, "n t c"], Float[Array, "n t d"]]]:
    """A function ``(variables, x)`` giving both, with one site axis; one forward pass if the model has a ``head``."""
    features_of = require_features(model)

    def read(variables: Any, x: Inputs) -> tuple[Array, Array]:
        features = features_of(variables, x)
        if model.head is None:
            outputs = model.apply(variables, x)
        else:
            kernel, bias = model.head(variables)
            outputs = jnp.matmul(features, kernel, precision="highest")
            outputs = outputs + jnp.reshape(bias, (1,) * (outputs.ndim - 1) + (-1,))
        n = features.shape[0]
        return outputs.reshape(n, -1, outputs.shape[-1]), features.reshape(n, -1, features.shape[-1])

    return read


def require_features(model: Model) -> Callable:
    """The model's ``features``, or an error that says what to do."""
    if model.features is None:
        raise ValueError(
            "this model has no `features`: give them (`from_function(apply, features=...)`, or a `features` method "
            "for `from_nnx`), or use `fisher.jacobian`, which needs only `apply`."
        )
    return model.features
