"""What the data ask of a model: classes, real numbers, or a class for each pixel; with likelihood, loss and metrics."""

import dataclasses
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import alfi
from alfi import losses, metrics
from experiments.config import Config

CLASSIFIERS = {2: "mlp", 3: "resnet1d", 4: "cnn"}  # by the axes of x: tables, signals, images


class Units(NamedTuple):
    """Real labels are learnt as ``(y - location) / scale``: mean and standard deviation [m] of one seed's initial set.

    They are the labels that every strategy has paid for before the first round, so no other one is looked at.
    """

    location: Any
    scale: Any


class Kind(NamedTuple):
    """A kind of task, told from the labels.

    loss      what training descends; None: the negative log-likelihood
    measures  name -> (outputs, y) -> number, on the test split; the first is the default. Of real labels, in their
              units: ``measure`` converts
    """

    name: Literal["classification", "regression", "segmentation"]
    outputs: int
    likelihood: alfi.Likelihood
    loss: losses.LossFn | None
    measures: dict[str, Callable]


def kind_of(config: Config, dataset: alfi.Dataset) -> Kind:
    """Real labels are for regression, integers [n] for classification, integers [n, *sites] for segmentation.

    Raises ValueError for labels of another shape.
    """
    y, classes = np.asarray(dataset.y), len(dataset.classes)
    if np.issubdtype(y.dtype, np.floating) and y.ndim <= 2:
        likelihood, targets = alfi.likelihoods.gaussian(config.noise), 1 if y.ndim == 1 else y.shape[1]
        measures = {"rmse": metrics.rmse, "mae": metrics.mae}
        return Kind("regression", targets, likelihood, None, measures)
    if np.issubdtype(y.dtype, np.integer) and y.ndim == 1:
        names = ("accuracy", "balanced_accuracy", "auroc", "nll")
        measures = {name: getattr(metrics, name) for name in names}
        return Kind("classification", classes, alfi.likelihoods.categorical(), None, measures)
    if np.issubdtype(y.dtype, np.integer) and y.shape == dataset.x.shape[:-1]:
        likelihood = alfi.likelihoods.segmentation(effective_sites=config.effective_sites)
        each = losses.cross_entropy()  # averaged over the pixels
        measures = {"jaccard": metrics.jaccard, "dice": metrics.dice, "nll": lambda f, y: jnp.mean(each(f, y))}
        return Kind("segmentation", classes, likelihood, losses.add(each, losses.dice()), measures)
    raise ValueError(
        f"{config.data}: labels {y.dtype}{list(y.shape)} are neither classes [n], real numbers [n] or [n, m], nor a "
        f"class for each pixel of x {list(dataset.x.shape)}."
    )


def settled(config: Config, kind: Kind, dataset: alfi.Dataset) -> Config:
    """The configuration with network, metric and mode where they were left to the data and the device.

    Raises ValueError for a metric that this task has not, and for data that no network is made for.
    """
    model, metric, offered = config.model, config.metric, [*kind.measures, *(["nll"] * (kind.name == "regression"))]
    if metric == "auto":
        metric = offered[0]
    elif metric not in offered:
        raise ValueError(f"unknown metric '{metric}' of {kind.name}. Known: {', '.join(offered)}.")
    if model == "auto":
        if dataset.x.ndim not in CLASSIFIERS:
            raise ValueError(f"{config.data}: no network is made for x {list(dataset.x.shape)}: name one by --model.")
        model = "unet" if kind.name == "segmentation" else CLASSIFIERS[dataset.x.ndim]
    if model in ("cnn", "unet") and dataset.x.ndim != 4:
        raise ValueError(f"a {model} needs images [n, height, width, channels]; {config.data} has {dataset.x.shape}.")
    mode = config.mode
    if mode == "auto":  # convolutions of many seeds at once are slow on a CPU: the figures stand with the option
        mode = "loop" if jax.default_backend() == "cpu" and model not in ("linear", "mlp") else "vmap"
    return dataclasses.replace(config, model=model, metric=metric, mode=mode)


def units_of(kind: Kind, y: np.ndarray, initial: np.ndarray) -> Units | None:
    """Units [seeds, m] by the labels [n] of each seed's initial set; None where labels are classes."""
    if kind.name != "regression":
        return None
    first = y.reshape(len(y), -1)[initial]  # [seeds, initial, m]
    spread = first.std(axis=1)
    return Units(jnp.asarray(first.mean(axis=1)), jnp.asarray(np.where(spread > 0, spread, 1)))


def in_units(pool: alfi.Pool, units: Units | None) -> alfi.Pool:
    """The pool with labels as they are learnt."""
    if units is None:
        return pool
    y = (pool.y.reshape(pool.y.shape[0], -1) - units.location[None]) / units.scale[None]
    return pool._replace(y=y.reshape(pool.y.shape))


def measure(kind: Kind, outputs: jax.Array, y: jax.Array, units: Units | None) -> dict[str, jax.Array]:
    """Every metric of the task; errors of real predictions in the units of y, ``nll`` in nats an example (or pixel)."""
    if units is None:
        return {name: of(outputs, y) for name, of in kind.measures.items()}
    predicted = outputs * units.scale[None] + units.location[None]
    y = y.reshape(predicted.shape)
    each = jax.vmap(kind.likelihood.log_prob)(outputs, (y - units.location[None]) / units.scale[None])
    nll = jnp.sum(jnp.log(units.scale)) - jnp.mean(each)
    return {**{name: of(predicted, y) for name, of in kind.measures.items()}, "nll": nll}


def require_possible(config: Config, kind: Kind, make_query: Callable[[str], Callable], *arguments: Any) -> None:
    """Trace what every strategy would do, and tell which cannot be asked for this task. Nothing is compiled or run."""
    for name in config.strategies:
        try:
            jax.eval_shape(make_query(name), *arguments)
        except ValueError as error:
            raise ValueError(f"{name} cannot be asked for {kind.name}: {error}") from error
