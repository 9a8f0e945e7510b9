"""A model that takes its rows in chunks."""

from collections.abc import Callable

import jax

from alfi.typing import Model


def chunked(model: Model, chunk_size: int | None) -> Model:
    """The same model, evaluated on at most ``chunk_size`` rows at once: memory for a pool's activations, bounded.

    Rows are independent in all but training mode, so nothing else changes. ``None``: all rows at once.

    Raises
    ------
    ValueError
        If the chunk size is not positive.

    Examples
    --------
    >>> import alfi, jax, jax.numpy as jnp
    >>> model, x = alfi.models.mlp(3), jnp.ones((10, 4))
    >>> variables = model.init(jax.random.key(0), x)
    >>> chunked(model, 4).apply(variables, x).shape
    (10, 3)
    """
    if chunk_size is None:
        return model
    if chunk_size < 1:
        raise ValueError(f"chunked needs chunk_size >= 1; got {chunk_size}.")

    def in_chunks(function: Callable | None) -> Callable | None:
        def call(*args):
            *first, x = args
            if x.shape[0] <= chunk_size:
                return function(*args)

            def one(row):
                return jax.tree.map(lambda out: out[0], function(*first, row[None]))

            return jax.lax.map(one, x, batch_size=chunk_size)

        return function and call

    fields = ("apply", "features", "taps", "stochastic")
    return model._replace(**{name: in_chunks(getattr(model, name)) for name in fields})
