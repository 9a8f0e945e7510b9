"""A small convolutional network for small images and few labels."""

import math

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from alfi.models.adapters import from_nnx
from alfi.models.convolution import convolve, max_pool
from alfi.models.for_shape import for_shape
from alfi.typing import Inputs, Model


class Block(nnx.Module):
    """3x3 convolution, group normalisation, ReLU, 2x2 max pooling, dropout of whole channels."""

    def __init__(self, inputs: int, channels: int, dropout: float, *, rngs: nnx.Rngs):
        # Random numbers are drawn as matrices: XLA needs seven times as long to compile a draw of four axes.
        kernel = nnx.initializers.he_normal()(rngs.params(), (9 * inputs, channels), jnp.float32)
        self.kernel = nnx.Param(kernel.reshape(3, 3, inputs, channels))
        # Of groups of an example's own channels: rows stay independent in training too, and there is no state.
        self.norm = nnx.GroupNorm(channels, num_groups=math.gcd(8, channels), rngs=rngs)
        self.dropout = nnx.Dropout(dropout, rngs=rngs) if dropout else None

    def __call__(self, x: Float[Array, "n h w i"]) -> Float[Array, "n h//2 w//2 o"]:
        x = max_pool(jax.nn.relu(self.norm(convolve(x, self.kernel[...].astype(x.dtype)))))
        return x * self.dropout(jnp.ones_like(x[:, 0, 0]))[:, None, None] if self.dropout else x


class CNN(nnx.Module):
    """Blocks, the mean over the image, and a linear ``head``."""

    def __init__(self, inputs: int, outputs: int, channels: tuple[int, ...], dropout: float, *, rngs: nnx.Rngs):
        widths = zip((inputs, *channels), channels, strict=False)
        self.blocks = nnx.Dict({f"block_{i}": Block(a, b, dropout, rngs=rngs) for i, (a, b) in enumerate(widths, 1)})
        self.head = nnx.Linear(channels[-1], outputs, rngs=rngs)

    def taps(self, x: Inputs) -> dict[str, Array]:
        activations = {}
        x = x.astype(jnp.result_type(x, self.head.kernel[...]))
        for name, block in self.blocks.items():
            x = activations[name] = block(x)
        return activations

    def features(self, x: Inputs) -> Float[Array, "n d"]:
        return list(self.taps(x).values())[-1].mean(axis=(1, 2))

    def with_taps(self, x: Inputs) -> tuple[Float[Array, "n c"], dict[str, Array]]:
        taps = self.taps(x)
        return self.head(list(taps.values())[-1].mean(axis=(1, 2))), taps

    def __call__(self, x: Inputs) -> Float[Array, "n c"]:
        return self.with_taps(x)[0]


def cnn(outputs: int, *, channels: tuple[int, ...] = (16, 32, 64), dropout: float = 0.0) -> Model:
    """A convolutional network: blocks that halve the image, the mean over what is left, and a linear ``head``.

    A block is a 3x3 convolution, group normalisation, ReLU and 2x2 max pooling.

    Parameters
    ----------
    outputs
        c, the outputs of the last layer.
    channels
        Of the blocks; ``features`` (d = the last of them) is the mean over the image, ``taps`` are ``block_1`` ...
        ``x`` is [n, height, width, colours] with at least ``2 ** len(channels)`` pixels a side.
    dropout
        Probability of dropping a channel, after each block; 0: the model has no ``stochastic``.

    Raises
    ------
    ValueError
        If a width is not positive, the dropout is not in [0, 1), or x is too small or no image.

    Examples
    --------
    >>> import jax, jax.numpy as jnp
    >>> model, x = cnn(2), jnp.ones((5, 28, 28, 1))
    >>> variables = model.init(jax.random.key(0), x)
    >>> {name: tap.shape for name, tap in model.taps(variables, x).items()}
    {'block_1': (5, 14, 14, 16), 'block_2': (5, 7, 7, 32), 'block_3': (5, 3, 3, 64)}
    """
    if outputs < 1 or not channels or any(width < 1 for width in channels) or not 0 <= dropout < 1:
        raise ValueError(f"cnn needs channels > 0 and dropout in [0, 1); got {outputs=}, {channels=}, {dropout=}.")
    smallest = 2 ** len(channels)

    def build(shape: tuple[int, ...]) -> Model:
        if len(shape) != 3 or min(shape[:2]) < smallest:
            raise ValueError(
                f"{len(channels)} blocks need x[n, height, width, colours] of {smallest} pixels a side; got {shape}."
            )
        return from_nnx(lambda rngs: CNN(shape[-1], outputs, tuple(channels), dropout, rngs=rngs))

    return for_shape(build, (smallest, smallest, 1))
