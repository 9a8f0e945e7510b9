"""The layers that the networks share: convolution, normalisation, dropout of channels, the residual block."""

import math
from typing import Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from alfi.models.convolution import convolve

Norm = Literal["batch", "group"]


class Conv(nnx.Module):
    """``convolve`` with a kernel, without bias: a normalisation follows."""

    def __init__(self, inputs: int, outputs: int, window: tuple[int, ...], stride: int = 1, *, rngs: nnx.Rngs):
        # Random numbers are drawn as matrices: XLA needs seven times as long to compile a draw of four axes.
        kernel = nnx.initializers.he_normal()(rngs.params(), (math.prod(window) * inputs, outputs), jnp.float32)
        self.kernel = nnx.Param(kernel.reshape(*window, inputs, outputs))
        self.stride = stride

    def __call__(self, x: Float[Array, "n *sites i"]) -> Float[Array, "n *out o"]:
        return convolve(x, self.kernel[...].astype(x.dtype), self.stride)


def normalisation(kind: Norm, channels: int, rngs: nnx.Rngs) -> nnx.Module:
    """Batch or group normalisation of the last axis, computed in the precision of its statistics.

    Batch statistics move by a tenth of the way in each training step (PyTorch's momentum 0.1), and their variance is
    that about the mean: ``E x^2 - (E x)^2`` loses its digits in float32. Groups are of 16 channels (Wu & He 2018, arXiv
    1803.08494), so that not even a single pixel is normalised to nothing.
    """
    if kind == "batch":
        return nnx.BatchNorm(channels, momentum=0.9, epsilon=1e-5, use_fast_variance=False, rngs=rngs)
    groups = math.gcd(channels, max(1, channels // 16))
    return nnx.GroupNorm(channels, num_groups=groups, epsilon=1e-5, use_fast_variance=False, rngs=rngs)


class ConvNorm(nnx.Module):
    """Convolution and normalisation, in the dtype of x."""

    def __init__(self, inputs: int, outputs: int, window: tuple[int, ...], stride: int, norm: Norm, *, rngs: nnx.Rngs):
        self.conv = Conv(inputs, outputs, window, stride, rngs=rngs)
        self.norm = normalisation(norm, outputs, rngs)

    def __call__(self, x: Float[Array, "n *sites i"]) -> Float[Array, "n *out o"]:
        return self.norm(self.conv(x)).astype(x.dtype)


class DropChannels(nnx.Module):
    """Dropout of whole channels: neighbouring pixels tell the same, so dropping some of them drops nothing."""

    def __init__(self, rate: float, *, rngs: nnx.Rngs):
        self.dropout = nnx.Dropout(rate, rngs=rngs)

    def __call__(self, x: Float[Array, "n *sites c"]) -> Float[Array, "n *sites c"]:
        kept = self.dropout(jnp.ones((x.shape[0], x.shape[-1]), x.dtype))
        return x * kept.reshape(x.shape[0], *(1 for _ in x.shape[1:-1]), x.shape[-1])


def drop_channels(rate: float, rngs: nnx.Rngs) -> DropChannels | None:
    """The layer, or none: a model without random numbers knows that it is not stochastic."""
    return DropChannels(rate, rngs=rngs) if rate else None


class Residual(nnx.Module):
    """A residual block: ``relu(x + f(x))``, with ``f`` two convolutions, or 1 x 1, the window, and 1 x 1 (bottleneck).

    The stride is that of the (first) convolution with the window; where shapes change, x passes a strided 1 x 1
    convolution. Source: He et al. 2016, CVPR, in the form of torchvision ("v1.5").
    """

    def __init__(
        self,
        inputs: int,
        width: int,
        window: tuple[int, ...],
        stride: int,
        norm: Norm,
        bottleneck: bool = False,
        *,
        rngs: nnx.Rngs,
    ):
        point = tuple(1 for _ in window)
        outputs = 4 * width if bottleneck else width
        widths = (inputs, width, width, outputs) if bottleneck else (inputs, width, outputs)
        windows = (point, window, point) if bottleneck else (window, window)
        strides = (1, stride, 1) if bottleneck else (stride, 1)
        self.convs = nnx.Dict(
            {
                f"conv_{i + 1}": ConvNorm(widths[i], widths[i + 1], windows[i], strides[i], norm, rngs=rngs)
                for i in range(len(windows))
            }
        )
        same = stride == 1 and inputs == outputs
        self.shortcut = None if same else ConvNorm(inputs, outputs, point, stride, norm, rngs=rngs)

    def __call__(self, x: Float[Array, "n *sites i"]) -> Float[Array, "n *out o"]:
        *first, last = self.convs.values()
        y = x
        for conv in first:
            y = jax.nn.relu(conv(y))
        return jax.nn.relu(last(y) + (self.shortcut(x) if self.shortcut else x))
