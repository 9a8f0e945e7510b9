"""Residual networks for images and signals: their encoder, and a linear head on the mean over the sites."""

from typing import Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from alfi.models.adapters import from_nnx
from alfi.models.convolution import max_pool_overlapping
from alfi.models.for_shape import for_shape
from alfi.models.layers import ConvNorm, Norm, Residual, drop_channels
from alfi.typing import Inputs, Model

# Blocks in each of the four stages, and whether they are bottlenecks.
DEPTHS = {18: ((2, 2, 2, 2), False), 34: ((3, 4, 6, 3), False), 50: ((3, 4, 6, 3), True)}


class Encoder(nnx.Module):
    """A stem and stages of residual blocks, each stage at half the resolution of the one before."""

    def __init__(
        self,
        inputs: int,
        widths: tuple[int, ...],
        blocks: tuple[int, ...],
        *,
        window: tuple[int, ...] = (3, 3),
        stem_window: tuple[int, ...] = (7, 7),
        is_small: bool = False,
        bottleneck: bool = False,
        norm: Norm = "batch",
        dropout: float = 0.0,
        rngs: nnx.Rngs,
    ):
        self.is_small = is_small
        stem = (window, 1) if is_small else (stem_window, 2)
        self.stem = ConvNorm(inputs, widths[0], *stem, norm, rngs=rngs)
        self.stages = nnx.Dict()
        channels = widths[0]
        for s, (width, count) in enumerate(zip(widths, blocks, strict=True)):
            stage = nnx.Dict()
            for b in range(count):
                stride = 2 if s and not b else 1
                stage[f"block_{b + 1}"] = Residual(channels, width, window, stride, norm, bottleneck, rngs=rngs)
                channels = 4 * width if bottleneck else width
            self.stages[f"layer_{s + 1}"] = stage
        self.channels = channels
        self.dropout = drop_channels(dropout, rngs)

    def __call__(self, x: Float[Array, "n *sites i"]) -> dict[str, Array]:
        activations = {"stem": jax.nn.relu(self.stem(x))}
        x = activations["stem"] if self.is_small else max_pool_overlapping(activations["stem"])
        for name, stage in self.stages.items():
            for block in stage.values():
                x = block(x)
            x = activations[name] = self.dropout(x) if self.dropout else x
        return activations


class ResNet(nnx.Module):
    """An ``encoder``, the mean over the sites of its last stage, and a linear ``head``."""

    def __init__(self, outputs: int, encoder: Encoder, *, rngs: nnx.Rngs):
        self.encoder = encoder
        self.head = nnx.Linear(encoder.channels, outputs, rngs=rngs)

    def taps(self, x: Inputs) -> dict[str, Array]:
        activations = self.encoder(x.astype(jnp.result_type(x, self.head.kernel[...])))
        return {name: activation for name, activation in activations.items() if name != "stem"}

    def features(self, x: Inputs) -> Float[Array, "n d"]:
        return _mean(self.taps(x))

    def with_taps(self, x: Inputs) -> tuple[Float[Array, "n c"], dict[str, Array]]:
        taps = self.taps(x)
        return self.head(_mean(taps)), taps

    def __call__(self, x: Inputs) -> Float[Array, "n c"]:
        return self.with_taps(x)[0]


def resnet(
    outputs: int,
    *,
    depth: Literal[18, 34, 50] = 18,
    stem: Literal["imagenet", "small"] = "imagenet",
    norm: Norm = "batch",
    width: int = 64,
    dropout: float = 0.0,
) -> Model:
    """A residual network for images: torchvision's, number for number (``torchvision_weights`` loads its weights).

    Parameters
    ----------
    outputs
        c, the outputs of the linear ``head``. With 1000 of them and three colours, ResNet-18 has 11,689,512 parameters,
        34 has 21,797,672 and 50 has 25,557,032.
    depth
        Layers; 50 has bottleneck blocks.
    stem
        ``"imagenet"``: 7x7 convolution of stride 2 and 3x3 pooling of stride 2, the whole network divides an image's
        side by 32. ``"small"``: one 3x3 convolution, and by 8, for images of 28 or 32 pixels (as in He et al.'s CIFAR).
    norm
        ``"batch"``: batch statistics are state, learnt in training alone; ``apply``, ``features``, ``taps`` and every
        Jacobian use them as they are, so rows are independent. ``"group"``: rows are independent in training too.
    width
        Channels of the first stage; the four have 1, 2, 4, 8 times as many (4 times that with bottlenecks).
    dropout
        Probability of dropping a channel, after each stage; 0: the model has no ``stochastic``.

    Returns
    -------
    Model of x[n, height, width, colours]. ``features`` [n, d] are the mean over the last stage (d = 512 for 18 and 34,
    2048 for 50), ``taps`` are ``layer_1`` to ``layer_4``, one for each stage.

    Raises
    ------
    ValueError
        If an argument is none of those above, or x is no image.

    Source: He et al. 2016, "Deep residual learning for image recognition", CVPR, doi 10.1109/CVPR.2016.90.

    Examples
    --------
    >>> model, x = resnet(7, width=2, norm="group"), jnp.ones((2, 64, 64, 3))
    >>> variables = jax.eval_shape(model.init, jax.random.key(0), x)
    >>> {name: tap.shape for name, tap in jax.eval_shape(model.taps, variables, x).items()}
    {'layer_1': (2, 16, 16, 2), 'layer_2': (2, 8, 8, 4), 'layer_3': (2, 4, 4, 8), 'layer_4': (2, 2, 2, 16)}
    """
    if depth not in DEPTHS:
        raise ValueError(f"resnet needs a depth of {sorted(DEPTHS)}; got {depth}.")
    require(outputs=outputs, channels=(width,), norm=norm, dropout=dropout, stem=stem)
    blocks, bottleneck = DEPTHS[depth]
    options = {"is_small": stem == "small", "bottleneck": bottleneck, "norm": norm, "dropout": dropout}

    def build(shape: tuple[int, ...]) -> Model:
        if len(shape) != 3:
            raise ValueError(f"resnet needs x[n, height, width, colours]; got rows of shape {shape}.")
        widths = tuple(width * 2**stage for stage in range(4))
        return from_nnx(
            lambda rngs: ResNet(outputs, Encoder(shape[-1], widths, blocks, **options, rngs=rngs), rngs=rngs)
        )

    return for_shape(build, (32, 32, 3))


def resnet18(
    outputs: int,
    *,
    stem: Literal["imagenet", "small"] = "imagenet",
    norm: Norm = "batch",
    width: int = 64,
    dropout: float = 0.0,
) -> Model:
    """``resnet`` of 18 layers.

    Examples
    --------
    >>> model = resnet18(1000)
    >>> params = jax.eval_shape(model.init, jax.random.key(0), jnp.ones((1, 224, 224, 3))).params
    >>> sum(leaf.size for leaf in jax.tree.leaves(params))
    11689512
    """
    return resnet(outputs, depth=18, stem=stem, norm=norm, width=width, dropout=dropout)


def resnet1d(
    outputs: int,
    *,
    channels: tuple[int, ...] = (32, 64, 128),
    blocks: int = 2,
    window: int = 7,
    stem: Literal["imagenet", "small"] = "small",
    norm: Norm = "batch",
    dropout: float = 0.0,
) -> Model:
    """A residual network for signals such as an electrocardiogram, x[n, time, leads].

    Parameters
    ----------
    outputs
        c, the outputs of the linear ``head``.
    channels
        Of the stages, each at half the sampling rate of the one before; ``features`` [n, d = the last of them] are
        the mean over time, ``taps`` are ``layer_1`` ...
    blocks
        Residual blocks in each stage.
    window
        Samples that a convolution sees; odd.
    stem
        ``"small"``: a convolution at the full rate (beats); ``"imagenet"``: of 15 samples at every second one, and
        pooling: a quarter of the rate (records of 10 s).
    norm, dropout
        As for ``resnet``.

    Raises
    ------
    ValueError
        If a number is not positive, the window even, or x is no signal.

    Source: the residual blocks of He et al. 2016, along time as in Hannun et al. 2019, doi 10.1038/s41591-018-0268-3.

    Examples
    --------
    >>> model, x = resnet1d(4, channels=(4, 8), blocks=1), jnp.ones((3, 64, 2))
    >>> variables = jax.eval_shape(model.init, jax.random.key(0), x)
    >>> jax.eval_shape(model.apply, variables, x).shape, jax.eval_shape(model.features, variables, x).shape
    ((3, 4), (3, 8))
    """
    require(outputs=outputs, channels=channels, norm=norm, dropout=dropout, stem=stem)
    if blocks < 1 or window < 1 or window % 2 == 0:
        raise ValueError(f"resnet1d needs blocks >= 1 and an odd window; got {blocks=}, {window=}.")
    options = {"window": (window,), "stem_window": (15,), "is_small": stem == "small", "norm": norm, "dropout": dropout}

    def build(shape: tuple[int, ...]) -> Model:
        if len(shape) != 2:
            raise ValueError(f"resnet1d needs x[n, time, leads]; got rows of shape {shape}.")

        def constructor(rngs: nnx.Rngs) -> ResNet:
            counts = (blocks,) * len(channels)
            return ResNet(outputs, Encoder(shape[-1], tuple(channels), counts, **options, rngs=rngs), rngs=rngs)

        return from_nnx(constructor)

    return for_shape(build, (8, 1))


def _mean(taps: dict[str, Array]) -> Float[Array, "n d"]:
    last = list(taps.values())[-1]
    return last.mean(axis=tuple(range(1, last.ndim - 1)))


def require(*, outputs: int, channels: tuple[int, ...], norm: str, dropout: float, stem: str = "imagenet") -> None:
    """Refuse what no network can be made of."""
    if outputs < 1 or not channels or min(channels) < 1 or not 0 <= dropout < 1:
        raise ValueError(f"a network needs widths > 0 and dropout in [0, 1); got {outputs=}, {channels=}, {dropout=}.")
    if norm not in ("batch", "group") or stem not in ("imagenet", "small"):
        raise ValueError(f"a network needs norm 'batch' or 'group', stem 'imagenet' or 'small'; got {norm=}, {stem=}.")
