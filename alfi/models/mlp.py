"""A multi-layer perceptron."""

import math

import jax
from flax import nnx
from jaxtyping import Array, Float

from alfi.models.adapters import from_nnx
from alfi.models.for_shape import for_shape
from alfi.typing import Inputs, Model


class MLP(nnx.Module):
    """Linear layers with ReLU and dropout after each, and a linear ``head``."""

    def __init__(self, inputs: int, outputs: int, hidden: tuple[int, ...], dropout: float, *, rngs: nnx.Rngs):
        widths = zip((inputs, *hidden), hidden, strict=False)
        self.layers = nnx.Dict({f"hidden_{i}": nnx.Linear(a, b, rngs=rngs) for i, (a, b) in enumerate(widths, 1)})
        # Without a rate there is no layer, so that the model knows it has no dropout.
        self.dropout = nnx.Dropout(dropout, rngs=rngs) if dropout else None
        self.head = nnx.Linear((inputs, *hidden)[-1], outputs, rngs=rngs)

    def taps(self, x: Inputs) -> dict[str, Array]:
        activations = {}
        x = x.reshape(x.shape[0], -1)
        for name, layer in self.layers.items():
            x = jax.nn.relu(layer(x))
            x = activations[name] = self.dropout(x) if self.dropout else x
        return activations

    def features(self, x: Inputs) -> Float[Array, "n d"]:
        return list({"inputs": x.reshape(x.shape[0], -1), **self.taps(x)}.values())[-1]

    def with_taps(self, x: Inputs) -> tuple[Float[Array, "n c"], dict[str, Array]]:
        taps = self.taps(x)
        return self.head(list({"inputs": x.reshape(x.shape[0], -1), **taps}.values())[-1]), taps

    def __call__(self, x: Inputs) -> Float[Array, "n c"]:
        return self.with_taps(x)[0]


def mlp(outputs: int, *, hidden: tuple[int, ...] = (128, 64), dropout: float = 0.0) -> Model:
    """A multi-layer perceptron with ReLU; inputs of any shape are flattened, their size is taken from the first ``x``.

    Parameters
    ----------
    outputs
        c, the outputs of the last layer (``head``).
    hidden
        Widths of the hidden layers. ``features`` is the last of them, ``taps`` are all: ``hidden_1``, ``hidden_2`` ...
        Empty: a linear model, whose features are the inputs.
    dropout
        Probability of dropping a unit, after each hidden layer; 0: the model has no ``stochastic``.

    Raises
    ------
    ValueError
        If a width is not positive, or the dropout is not in [0, 1).

    Examples
    --------
    >>> import jax, jax.numpy as jnp
    >>> model, x = mlp(10), jnp.ones((5, 8, 8))
    >>> variables = model.init(jax.random.key(0), x)
    >>> model.apply(variables, x).shape, model.features(variables, x).shape
    ((5, 10), (5, 64))
    """
    if outputs < 1 or any(width < 1 for width in hidden) or not 0 <= dropout < 1:
        raise ValueError(f"mlp needs widths > 0 and dropout in [0, 1); got {outputs=}, {hidden=}, {dropout=}.")

    def build(shape: tuple[int, ...]) -> Model:
        return from_nnx(lambda rngs: MLP(math.prod(shape), outputs, tuple(hidden), dropout, rngs=rngs))

    return for_shape(build, (1,))
