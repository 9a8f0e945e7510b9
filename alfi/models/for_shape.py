"""A model that takes its sizes from the first input."""

import functools
from collections.abc import Callable

from alfi.typing import Model


def for_shape(build: Callable[[tuple[int, ...]], Model], example: tuple[int, ...]) -> Model:
    """A ``Model`` whose architecture is fixed by the first input it sees: ``build(x.shape[1:])``.

    So ``mlp(10)`` needs no input size. Each shape is built once.

    Parameters
    ----------
    build
        Shape of one row of ``x`` -> ``Model``.
    example
        Any shape that ``build`` takes; it tells which fields the model has.

    Examples
    --------
    >>> import jax, jax.numpy as jnp
    >>> from flax import nnx
    >>> from alfi.models import from_nnx
    >>> model = for_shape(lambda shape: from_nnx(lambda rngs: nnx.Linear(shape[-1], 2, rngs=rngs)), (1,))
    >>> model.init(jax.random.key(0), jnp.ones((5, 3))).params["kernel"].shape
    (3, 2)
    """
    build = functools.cache(build)
    template = build(example)

    def field(name):
        def call(*args):
            return getattr(build(args[-1].shape[1:]), name)(*args)

        return None if getattr(template, name) is None else call

    # The head is read from the variables alone: there is no input to take a shape from, and none is needed.
    return Model(**{name: field(name) for name in Model._fields if name != "head"}, head=template.head)
