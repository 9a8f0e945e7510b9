"""A linear model, for features that were computed elsewhere."""

import jax
import jax.numpy as jnp
from jaxtyping import Array

from alfi.models.function import from_function
from alfi.typing import Inputs, Model, PRNGKey


def linear(outputs: int) -> Model:
    """``f(x) = x W + b``: the last layer alone, on embeddings of any network; inputs of any shape are flattened.

    Its last-layer Fisher information is that of all its parameters, so every design is exact for it.

    Parameters
    ----------
    outputs
        c.

    Raises
    ------
    ValueError
        If ``outputs`` is not positive.

    Examples
    --------
    >>> model, x = linear(3), jnp.ones((5, 8))
    >>> variables = model.init(jax.random.key(0), x)
    >>> model.apply(variables, x).shape, model.features(variables, x).shape
    ((5, 3), (5, 8))
    """
    if outputs < 1:
        raise ValueError(f"linear needs outputs >= 1; got {outputs}.")

    def init(key: PRNGKey, x: Inputs) -> dict[str, Array]:
        flat = _features({}, x)
        kernel = jax.random.normal(key, (flat.shape[1], outputs), flat.dtype) / jnp.sqrt(flat.shape[1])
        return {"kernel": kernel.astype(flat.dtype), "bias": jnp.zeros(outputs, flat.dtype)}

    return from_function(_apply, init=init, features=_features, head=lambda params: (params["kernel"], params["bias"]))


def _features(params: dict[str, Array], x: Inputs) -> Array:
    del params
    flat = x.reshape(x.shape[0], -1)
    return flat if jnp.issubdtype(flat.dtype, jnp.floating) else flat.astype(float)


def _apply(params: dict[str, Array], x: Inputs) -> Array:
    return jnp.matmul(_features(params, x), params["kernel"]) + params["bias"][None]
