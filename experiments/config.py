"""What an experiment is: one frozen dataclass, filled by a Python file in `configs/`, changed on the command line."""

import ast
import dataclasses
import difflib
import importlib
import inspect
import pkgutil
from typing import Any, Literal

from alfi import models as all_models
from alfi import strategies as all_strategies

# Those that are made of a model and a likelihood alone.
STRATEGIES = [name for name in all_strategies.__all__ if name not in ("compose", "deep_ensemble")]


@dataclasses.dataclass(frozen=True)
class Config:
    """One active-learning experiment: every strategy, from the same initial sets, over rounds and seeds."""

    name: str
    """Results are written to OUT/NAME."""
    data: str
    """Data set, as for `alfi.data.load`."""
    strategies: tuple[str, ...]
    """Names in `alfi.strategies`."""
    contrasts: tuple[str, ...]
    """Strategies whose difference to random is declared beforehand (Holm-corrected together)."""
    seeds: int
    """Repetitions: initial set, initialisation and minibatches, shared by all strategies."""
    initial: int
    """Examples labelled at the start."""
    rounds: int
    """Times that a batch is asked for; the curve has one point more."""
    batch_size: int
    """Examples asked for in a round."""
    model: str = "auto"
    """A network in `alfi.models`. auto: mlp for tables, resnet1d for signals, cnn for images, unet for masks."""
    options: tuple[str, ...] = ()
    """OF.NAME=VALUE, arguments of the data set, the model or a strategy: data.task=segmentation model.norm=group
    confident_coreset.alpha=.5."""
    predictor: bool = False
    """Train the network together with a module that predicts its loss, for all strategies alike; learning_loss needs
    it, and confident_coreset then takes predicted losses for its uncertainty."""
    initial_set: Literal[
        "random", "stratified", "farthest", "k_center", "k_means", "typiclust", "prob_cover", "orb"
    ] = "random"
    """How the examples labelled at the start are chosen (`alfi.initial`); stratified looks at all labels."""
    initial_embedding: Literal["inputs", "pca", "network"] = "pca"
    """What distances between examples are measured in, for initial sets other than random, stratified and orb; network:
    random weights."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """What the network computes in (`alfi.models.mixed_precision`); parameters are float32, selection too."""
    hidden: tuple[int, ...] = (128, 64)
    """Widths of the hidden layers (models that have them: mlp)."""
    channels: tuple[int, ...] = (16, 32, 64)
    """Channels of the blocks (models that have them: cnn, resnet1d, unet)."""
    resolution: int | None = None
    """Side of the images in pixels, where the data set can be had in several."""
    subset: int | None = None
    """Use only so many examples, where the data set can be cut down."""
    training: Literal["fixed_steps", "until_fitted"] = "fixed_steps"
    """A fixed number of steps, or until every labelled example is right (`steps` is then the cap)."""
    steps: int = 200
    minibatch_size: int = 32
    learning_rate: float = 2e-3
    """Of Adam."""
    weight_decay: float = 0.0
    """Coupled L2 on the mean loss."""
    warm_start: bool = False
    """Train on from the last round instead of from new random weights."""
    prior_precision: float | Literal["evidence", "weight_decay"] | None = None
    """Of the Fisher strategies; None: each strategy's own default. weight_decay: labelled examples x weight_decay."""
    temperature: float = 1.0
    """Of the predictions inside the Fisher information (D- and V-optimal)."""
    noise: float = 1.0
    """Standard deviation of real labels about their mean, for the likelihood; in that of the initial labels."""
    effective_sites: float | None = None
    """Of masks: as how many independent pixels an image counts in Fisher information; None: all of them."""
    metric: str = "auto"
    """The primary one, on the test split. auto: accuracy, rmse for real labels, jaccard for masks."""
    stopping: bool = False
    """Report each round what the best next batch would tell (nats) and the share of V it would remove; a quarter of a
    second for a round of digits."""
    mode: Literal["auto", "vmap", "loop"] = "auto"
    """How seeds run: all in one program, or one after another. The same for all strategies; recorded. auto: loop for
    convolutions on a CPU, else vmap.

    Ten seeds on two cores of a CPU, seconds of loop over vmap, medians of five alternating runs: mlp on digits 1.11 to
    train and 1.52 to select (V-optimal); cnn at BreastMNIST's size .75 and .92. On accelerators vmap fills the device;
    that was not measured."""
    chunk_size: int = 2048
    """Examples that pass through the network at once when the pool is scored."""
    out: str = "results"
    """Folder of results."""


def names() -> list[str]:
    import experiments.configs

    return sorted(module.name for module in pkgutil.iter_modules(experiments.configs.__path__))


def default(name: str, data: str | None) -> Config:
    """The configuration of a file in `configs/`, for a data set (each has its own budget)."""
    known(name, names(), "experiment")
    make = importlib.import_module(f"experiments.configs.{name}").get_config
    return make() if data is None else make(data)


def validate(config: Config) -> None:
    """Errors that need no data: before anything is loaded or compiled."""
    for name in (*config.strategies, *config.contrasts):
        known(name, STRATEGIES, "strategy")
    for name in config.contrasts:
        if name not in config.strategies:
            raise ValueError(f"contrast '{name}' is not among the strategies {', '.join(config.strategies)}.")
    if len(set(config.strategies)) != len(config.strategies):
        raise ValueError(f"a strategy is named twice in {', '.join(config.strategies)}.")
    if config.model != "auto":
        known(config.model, networks(), "model")
    if "learning_loss" in config.strategies and not config.predictor:
        raise ValueError("learning_loss asks by predicted losses: train all networks with --predictor.")
    for of in read_options(config):
        known(of, ["data", "model", *config.strategies], "owner of an option")
    positive = ("seeds", "initial", "rounds", "batch_size", "steps", "minibatch_size", "chunk_size")
    for field in positive:
        if getattr(config, field) < 1:
            raise ValueError(f"{field.replace('_', '-')} must be at least 1; got {getattr(config, field)}.")
    for field in ("learning_rate", "temperature", "noise"):
        if not 0 < getattr(config, field) < float("inf"):
            raise ValueError(f"{field.replace('_', '-')} must be positive and finite; got {getattr(config, field)}.")
    if not 0 <= config.weight_decay < float("inf"):
        raise ValueError(f"weight-decay must not be negative; got {config.weight_decay}.")
    if config.training == "until_fitted" and config.steps % 20:
        raise ValueError(f"steps must be a multiple of 20 with --training until_fitted; got {config.steps}.")
    precision = config.prior_precision
    if isinstance(precision, float | int) and not 0 < precision < float("inf"):
        raise ValueError(f"prior-precision must be positive and finite; got {precision}.")
    if precision == "weight_decay" and config.weight_decay == 0:
        raise ValueError("prior-precision weight_decay needs a weight-decay above 0.")
    if config.name in ("", ".", "..") or "/" in config.name or "\\" in config.name:
        raise ValueError(f"name becomes a folder in '{config.out}': it must not be a path; got '{config.name}'.")


def width(config: Config) -> int:
    """How many seeds one program runs; `mode` has to be settled."""
    return config.seeds if config.mode == "vmap" else 1


def networks() -> list[str]:
    """The factories `outputs -> Model` of `alfi.models`."""
    return [
        name
        for name in all_models.__all__
        if next(iter(inspect.signature(getattr(all_models, name)).parameters)) == "outputs"
    ]


def read_options(config: Config) -> dict[str, dict[str, Any]]:
    """`options` by owner; a value is a Python literal, or else text.

    Raises ValueError for what is not OF.NAME=VALUE.
    """
    found: dict[str, dict[str, Any]] = {}
    for option in config.options:
        key, equals, text = option.partition("=")
        of, dot, name = key.partition(".")
        if not (equals and dot and of and name.isidentifier()):
            raise ValueError(f"an option is OF.NAME=VALUE, model.norm=group say; got '{option}'.")
        try:
            value = ast.literal_eval(text)
        except (ValueError, SyntaxError):
            value = text
        found.setdefault(of, {})[name] = value
    return found


def known(name: str, offered: list[str], what: str) -> None:
    """Raise for a name that is not offered, with the nearest one that is."""
    if name not in offered:
        near = difflib.get_close_matches(name, offered, n=1)
        hint = f" Did you mean '{near[0]}'?" if near else ""
        raise ValueError(f"unknown {what} '{name}'.{hint} Known: {', '.join(offered)}.")
