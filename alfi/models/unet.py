"""U-Nets: segmentation networks whose outputs have a site for each pixel."""

from typing import Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from alfi.models.adapters import from_nnx
from alfi.models.convolution import max_pool, upsample
from alfi.models.for_shape import for_shape
from alfi.models.layers import ConvNorm, Norm, drop_channels
from alfi.models.resnet import DEPTHS, Encoder, require
from alfi.typing import Inputs, Model


class Double(nnx.Module):
    """Twice a 3x3 convolution, normalisation and ReLU; dropout of channels after it."""

    def __init__(self, inputs: int, outputs: int, norm: Norm, dropout: float = 0.0, *, rngs: nnx.Rngs):
        self.conv_1 = ConvNorm(inputs, outputs, (3, 3), 1, norm, rngs=rngs)
        self.conv_2 = ConvNorm(outputs, outputs, (3, 3), 1, norm, rngs=rngs)
        self.dropout = drop_channels(dropout, rngs)

    def __call__(self, x: Float[Array, "n h w i"]) -> Float[Array, "n h w o"]:
        x = jax.nn.relu(self.conv_2(jax.nn.relu(self.conv_1(x))))
        return self.dropout(x) if self.dropout else x


class Contracting(nnx.Module):
    """The encoder of the plain U-Net: double convolutions, each at half the resolution of the one before."""

    def __init__(self, inputs: int, channels: tuple[int, ...], norm: Norm, dropout: float, *, rngs: nnx.Rngs):
        widths = zip((inputs, *channels), channels, strict=False)
        self.blocks = nnx.Dict({f"down_{i}": Double(a, b, norm, dropout, rngs=rngs) for i, (a, b) in enumerate(widths)})

    def __call__(self, x: Float[Array, "n h w i"]) -> dict[str, Array]:
        activations = {}
        for name, block in self.blocks.items():
            x = activations[name] = block(max_pool(x) if activations else x)
        return activations


class UNet(nnx.Module):
    """An encoder, a decoder that joins its activations from the coarsest to the finest, and a linear ``head``.

    ``skips`` are the activations used, coarsest first: (name, channels); without a name, nothing is joined to the image
    at its full resolution.
    """

    def __init__(
        self,
        outputs: int,
        encoder: nnx.Module,
        bottom: tuple[str, int],
        skips: tuple[tuple[str | None, int], ...],
        widths: tuple[int, ...],
        norm: Norm,
        *,
        rngs: nnx.Rngs,
    ):
        self.encoder = encoder
        self.bottom, self.joined = bottom[0], tuple(name for name, _ in skips)
        inputs = zip((bottom[1], *widths), skips, widths, strict=False)
        self.decoder = nnx.Dict(
            {f"up_{i}": Double(a + skip, b, norm, rngs=rngs) for i, (a, (_, skip), b) in enumerate(inputs)}
        )
        self.head = nnx.Linear(widths[-1], outputs, rngs=rngs)

    def both(self, x: Inputs) -> tuple[Float[Array, "n h w d"], dict[str, Array]]:
        x = x.astype(jnp.result_type(x, self.head.kernel[...]))
        activations = self.encoder(x)
        sizes, y = x.shape[1:3], activations[self.bottom]
        for name, block in zip(self.joined, self.decoder.values(), strict=True):
            if name is None:
                y = block(upsample(y, sizes))
            else:
                skip = activations[name]
                y = block(jnp.concatenate([upsample(y, skip.shape[1:3]), skip], axis=-1))
        taps = {name: value for name, value in activations.items() if name not in ("stem", self.bottom)}
        return y, {**taps, "bottleneck": activations[self.bottom]}

    def features(self, x: Inputs) -> Float[Array, "n h w d"]:
        return self.both(x)[0]

    def taps(self, x: Inputs) -> dict[str, Array]:
        return self.both(x)[1]

    def with_taps(self, x: Inputs) -> tuple[Float[Array, "n h w c"], dict[str, Array]]:
        features, taps = self.both(x)
        return self.head(features), taps

    def __call__(self, x: Inputs) -> Float[Array, "n h w c"]:
        return self.with_taps(x)[0]


def unet(
    outputs: int, *, channels: tuple[int, ...] = (16, 32, 64, 128), norm: Norm = "group", dropout: float = 0.0
) -> Model:
    """A U-Net: x[n, height, width, colours] -> outputs[n, height, width, c], each pixel a site.

    Parameters
    ----------
    outputs
        c, of the linear ``head`` (a 1x1 convolution) of every pixel.
    channels
        Of the resolutions, each half of the one before; the last is the bottleneck. ``features`` [n, h, w, d] has the
        first of them, ``taps`` are ``down_0`` ... and ``bottleneck``. Images of any size from ``2 ** (levels - 1)``.
    norm
        ``"group"`` or ``"batch"``, as for ``resnet``.
    dropout
        Probability of dropping a channel, after each resolution of the way down; 0: the model has no ``stochastic``.

    Raises
    ------
    ValueError
        If there are fewer than two resolutions, a width is not positive, or x is too small or no image.

    Source: Ronneberger, Fischer & Brox 2015, arXiv 1505.04597; here with zero padding, normalisation, and upsampling
    by repetition.

    Examples
    --------
    >>> model, x = unet(2, channels=(4, 8)), jnp.ones((3, 9, 12, 1))
    >>> variables = jax.eval_shape(model.init, jax.random.key(0), x)
    >>> jax.eval_shape(model.apply, variables, x).shape, jax.eval_shape(model.features, variables, x).shape
    ((3, 9, 12, 2), (3, 9, 12, 4))
    """
    require(outputs=outputs, channels=channels, norm=norm, dropout=dropout)
    if len(channels) < 2:
        raise ValueError(f"unet needs two resolutions or more; got {channels=}.")
    last = len(channels) - 1
    skips = tuple((f"down_{i}", channels[i]) for i in reversed(range(last)))

    def build(shape: tuple[int, ...]) -> Model:
        if len(shape) != 3 or min(shape[:2]) < 2**last:
            raise ValueError(f"unet needs x[n, height, width, colours] of {2**last} pixels a side; got {shape}.")

        def constructor(rngs: nnx.Rngs) -> UNet:
            encoder = Contracting(shape[-1], tuple(channels), norm, dropout, rngs=rngs)
            bottom, widths = (f"down_{last}", channels[-1]), tuple(channel for _, channel in skips)
            return UNet(outputs, encoder, bottom, skips, widths, norm, rngs=rngs)

        return from_nnx(constructor)

    return for_shape(build, (2**last, 2**last, 1))


def resnet_unet(
    outputs: int,
    *,
    stem: Literal["imagenet", "small"] = "imagenet",
    norm: Norm = "batch",
    width: int = 64,
    dropout: float = 0.0,
) -> Model:
    """A residual U-Net: ``unet`` with the encoder of ``resnet18``; ``torchvision_weights(..., head=False)`` fit it.

    Parameters
    ----------
    outputs
        c, of the linear ``head`` of every pixel.
    stem, norm, width, dropout
        As for ``resnet18``. ``features`` [n, h, w, d] have d = width / 4 with the ``"imagenet"`` stem, width with the
        other; ``taps`` are ``layer_1``, ``layer_2``, ``layer_3`` and ``bottleneck``, the stages of the encoder.

    Raises
    ------
    ValueError
        If an argument is none of those above, or x is no image.

    Source: the network of Confident Coreset (arXiv 2004.02200); decoder of widths 256 to 16.

    Examples
    --------
    >>> model, x = resnet_unet(1, width=4), jnp.ones((2, 40, 33, 3))
    >>> variables = jax.eval_shape(model.init, jax.random.key(0), x)
    >>> jax.eval_shape(model.apply, variables, x).shape, jax.eval_shape(model.features, variables, x).shape
    ((2, 40, 33, 1), (2, 40, 33, 1))
    """
    require(outputs=outputs, channels=(width,), norm=norm, dropout=dropout, stem=stem)
    is_small = stem == "small"
    stages = tuple(width * 2**s for s in range(4))
    skips = (("layer_3", stages[2]), ("layer_2", stages[1]), ("layer_1", stages[0]))
    widths = (stages[2], stages[1], stages[0])
    if not is_small:
        skips, widths = (*skips, ("stem", width), (None, 0)), (*widths, max(1, width // 2), max(1, width // 4))

    def build(shape: tuple[int, ...]) -> Model:
        if len(shape) != 3:
            raise ValueError(f"resnet_unet needs x[n, height, width, colours]; got rows of shape {shape}.")

        def constructor(rngs: nnx.Rngs) -> UNet:
            options = {"is_small": is_small, "norm": norm, "dropout": dropout}
            encoder = Encoder(shape[-1], stages, DEPTHS[18][0], **options, rngs=rngs)
            return UNet(outputs, encoder, ("layer_4", stages[3]), skips, widths, norm, rngs=rngs)

        return from_nnx(constructor)

    return for_shape(build, (32, 32, 3))
