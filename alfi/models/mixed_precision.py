"""A model that computes in a short format and keeps its parameters in a long one."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from alfi.typing import Model


def mixed_precision(model: Model, dtype: Any = jnp.bfloat16) -> Model:
    """The same model, computed in ``dtype``; parameters, state and whatever comes out keep the precision of ``init``.

    Parameters and real inputs are rounded on their way in, outputs, features and taps are widened on their way out.
    So gradients and the optimiser stay in float32, and small steps are not lost. Running statistics are never rounded:
    a change of a hundredth is less than bfloat16 can tell. Where the model has ``features`` and a ``head``, ``apply``
    rounds the features alone, not the last layer: eight bits of a logit would be ties among the most certain examples.

    Parameters
    ----------
    dtype
        A real format, shorter than that of the parameters. bfloat16 has the range of float32 and needs no scaling of
        the loss; float16 would.

    Raises
    ------
    ValueError
        If the format is not real.

    Cost: half the memory of activations. Faster where the hardware has the format (GPU, TPU), slower on most CPUs.

    Source: Micikevicius et al. 2018, arXiv 1710.03740; bfloat16: Kalamkar et al. 2019, arXiv 1905.12322.

    Examples
    --------
    >>> import alfi
    >>> model, x = mixed_precision(alfi.models.mlp(3)), jnp.ones((5, 4))
    >>> variables = model.init(jax.random.key(0), x)
    >>> {leaf.dtype.name for leaf in jax.tree.leaves(variables.params)}, model.apply(variables, x).dtype.name
    ({'float32'}, 'float32')
    """
    if not jnp.issubdtype(dtype, jnp.floating):
        raise ValueError(f"mixed_precision needs a real format such as jnp.bfloat16; got {jnp.dtype(dtype).name}.")

    def short(function: Callable | None, *, keeps_state: bool = False) -> Callable | None:
        def call(*args):
            *key, variables, x = args
            reals = [leaf.dtype for leaf in jax.tree.leaves(variables.params) if _is_real(leaf)]
            long = jnp.result_type(*reals) if reals else x.dtype
            result = function(*key, variables._replace(params=_cast(variables.params, dtype)), _cast(x, dtype))
            if not keeps_state:
                return _cast(result, long)
            *results, state = result
            state = jax.tree.map(lambda new, old: new.astype(old.dtype), state, variables.state)
            return *_cast(results, long), state

        return function and call

    features = short(model.features)

    def by_head(variables, x):
        kernel, bias = model.head(variables)
        rows = features(variables, x)
        return jnp.matmul(rows, kernel) + bias.reshape((1,) * (rows.ndim - 1) + (-1,))

    return model._replace(
        apply=by_head if model.features and model.head else short(model.apply),
        features=features,
        taps=short(model.taps),
        stochastic=short(model.stochastic),
        train=short(model.train, keeps_state=True),
        train_taps=short(model.train_taps, keeps_state=True),
    )


def _is_real(leaf: Any) -> bool:
    return jnp.issubdtype(leaf.dtype, jnp.floating)


def _cast(tree: PyTree, dtype: Any) -> PyTree:
    """Real leaves in another format; integers, keys and booleans as they are."""
    return jax.tree.map(lambda leaf: leaf.astype(dtype) if _is_real(leaf) else leaf, tree)
