"""A variational auto-encoder for images and vectors, and a discriminator of its codes: the networks of VAAL."""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, PyTree

from alfi.models.convolution import convolve, max_pool
from alfi.typing import Inputs, PRNGKey

# An image is halved until a side is shorter than this.
SMALLEST = 8


class AutoEncoder(NamedTuple):
    """Pure functions; parameters are plain nested dicts.

    init     (key, x[n, ...]) -> params
    encode   (params, x[n, ...]) -> (mean[n, l], log_variance[n, l]) of the code
    decode   (params, code[n, l]) -> x[n, ...]
    """

    init: Callable[[PRNGKey, Inputs], PyTree]
    encode: Callable[[PyTree, Inputs], tuple[Float[Array, "n l"], Float[Array, "n l"]]]
    decode: Callable[[PyTree, Float[Array, "n l"]], Float[Array, "n ..."]]


class Layer(nnx.Module):
    """3x3 convolution and ReLU."""

    def __init__(self, inputs: int, channels: int, *, rngs: nnx.Rngs):
        kernel = nnx.initializers.he_normal()(rngs.params(), (9 * inputs, channels), jnp.float32)
        self.kernel = nnx.Param(kernel.reshape(3, 3, inputs, channels))
        self.bias = nnx.Param(jnp.zeros(channels))

    def __call__(self, x: Float[Array, "n h w i"]) -> Float[Array, "n h w o"]:
        return jax.nn.relu(convolve(x, self.kernel[...]) + self.bias[...].reshape(1, 1, 1, -1))


class Network(nnx.Module):
    """Halving blocks of convolutions and their mirror image for images, one hidden layer each way for the rest."""

    def __init__(self, shape: tuple[int, ...], latent: int, width: int, *, rngs: nnx.Rngs):
        sides = [shape[:2]] if len(shape) == 3 else []
        while sides and min(sides[-1]) >= SMALLEST:
            sides.append((sides[-1][0] // 2, sides[-1][1] // 2))
        self.sides, self.shape = tuple(sides), shape
        widths = [width * 2**i for i in range(len(sides) - 1)]
        inputs = (shape[-1], *widths)
        self.down = nnx.List([Layer(a, b, rngs=rngs) for a, b in zip(inputs, widths, strict=False)])
        self.up = nnx.List([Layer(b, a, rngs=rngs) for a, b in zip((width, *widths), widths, strict=False)])
        self.core = (*sides[-1], inputs[-1]) if len(sides) > 1 else (math.prod(shape),)
        hidden = 8 * width
        self.enter = nnx.Linear(math.prod(self.core), hidden, rngs=rngs)
        self.code = nnx.Linear(hidden, 2 * latent, rngs=rngs)
        self.leave = nnx.Linear(latent, hidden, rngs=rngs)
        self.expand = nnx.Linear(hidden, math.prod(self.core), rngs=rngs)
        self.paint = nnx.Linear(width, shape[-1], rngs=rngs) if self.down else None

    def encode(self, x: Inputs) -> tuple[Array, Array]:
        x = x.astype(jnp.result_type(x, self.enter.kernel[...]))
        for layer in self.down:
            x = max_pool(layer(x))
        hidden = jax.nn.relu(self.enter(x.reshape(x.shape[0], -1)))
        mean, log_variance = jnp.split(self.code(hidden), 2, axis=-1)
        return mean, log_variance

    def decode(self, code: Array) -> Array:
        x = self.expand(jax.nn.relu(self.leave(code)))
        if self.paint is None:
            return x.reshape(-1, *self.shape)
        x = jax.nn.relu(x).reshape(-1, *self.core)
        for layer, (h, w) in zip(reversed(self.up), reversed(self.sides[:-1]), strict=True):
            x = layer(_enlarge(x, h, w))
        return self.paint(x)


def auto_encoder(shape: tuple[int, ...], *, latent: int = 32, width: int = 16) -> AutoEncoder:
    """A variational auto-encoder of examples of one shape.

    Parameters
    ----------
    shape
        Of one example: (height, width, colours) is halved by convolutions, doubling the channels, until a side is
        below 8 pixels; anything else is a vector.
    latent
        l, numbers in a code.
    width
        Channels of the first convolution; the dense layers have 8 times as many.

    Raises
    ------
    ValueError
        If a size is not positive.

    Source: Kingma & Welling 2014, arXiv 1312.6114.

    Examples
    --------
    >>> network, x = auto_encoder((28, 28, 1), latent=5), jnp.ones((3, 28, 28, 1))
    >>> params = network.init(jax.random.key(0), x)
    >>> mean, log_variance = network.encode(params, x)
    >>> mean.shape, network.decode(params, mean).shape
    ((3, 5), (3, 28, 28, 1))
    """
    if min((*shape, latent, width)) < 1:
        raise ValueError(f"auto_encoder needs sizes of at least 1; got {shape=}, {latent=}, {width=}.")
    graph = nnx.split(nnx.eval_shape(lambda: Network(shape, latent, width, rngs=nnx.Rngs(0))))[0]

    def init(key: PRNGKey, x: Inputs) -> PyTree:
        params = nnx.to_pure_dict(nnx.split(Network(shape, latent, width, rngs=nnx.Rngs(key)), nnx.Param)[1])
        return jax.tree.map(lambda leaf: leaf.astype(jnp.result_type(x.dtype, jnp.float32)), params)

    return AutoEncoder(
        init,
        lambda params, x: nnx.merge(graph, params).encode(x),
        lambda params, code: nnx.merge(graph, params).decode(code),
    )


def _enlarge(x: Float[Array, "n h w c"], height: int, width: int) -> Float[Array, "n H W c"]:
    """Twice the size by repetition, its last row or column once more where the size is odd."""
    x = jnp.repeat(jnp.repeat(x, 2, axis=1), 2, axis=2)
    rest = (height - x.shape[1], width - x.shape[2])
    return jnp.pad(x, ((0, 0), (0, rest[0]), (0, rest[1]), (0, 0)), mode="edge")
