"""From a configuration and a data set to compiled functions: one `learn` for all strategies, one `query` for each."""

import inspect
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

import alfi
from alfi import diagnostics, loop, stopping
from experiments import initial_sets
from experiments.config import Config

METRICS = {name: getattr(alfi.metrics, name) for name in ("accuracy", "balanced_accuracy", "auroc", "nll")}


class Task(NamedTuple):
    """What is to be learnt: the pool, the test split, and the initial set of every seed."""

    pool: alfi.Pool
    test_x: jax.Array
    test_y: jax.Array
    ids: np.ndarray  # [n], of the pool
    classes: tuple[str, ...]
    initial: np.ndarray  # [seeds, initial], rows of the pool


class Programs(NamedTuple):
    """Compiled for `width` seeds at once: the leading axis of keys and states."""

    width: int
    begin: Callable[[Any], Any]  # initial rows [width, k] -> states
    learn: Callable
    query: dict[str, Callable]
    seconds: dict[str, float]  # spent compiling each


def load(config: Config) -> Task:
    """Read the data and draw the initial sets; every complaint about them is made here, before anything is compiled."""
    options = {name: getattr(config, name) for name in ("resolution", "subset") if getattr(config, name) is not None}
    dataset = alfi.data.load(config.data, **options)
    rows, test = dataset.split == "train", dataset.split == "test"
    n, asked = int(rows.sum()), config.initial + config.rounds * config.batch_size
    if asked > n:
        raise ValueError(
            f"the budget is larger than the pool: {config.initial} initial + {config.rounds} rounds of "
            f"{config.batch_size} = {asked} labels, but {config.data} has {n} training examples."
        )
    if dataset.x.ndim != 4 and config.model == "cnn":
        raise ValueError(f"a cnn needs images [n, height, width, channels]; {config.data} has shape {dataset.x.shape}.")
    x, y = np.asarray(dataset.x, np.float32), np.asarray(dataset.y)
    if x.ndim == 4:  # channels to mean 0 and standard deviation 1 over the pool; no label is needed for that
        mean, spread = x[rows].mean(axis=(0, 1, 2)), x[rows].std(axis=(0, 1, 2))
        x = (x - mean) / np.where(spread > 0, spread, 1)
    initial = initial_sets.draw(
        config, np.asarray(dataset.x)[rows], x[rows], y[rows], _model(config, len(dataset.classes))
    )
    for seed, members in enumerate(initial):
        if len(np.unique(y[rows][members])) < 2:
            raise ValueError(
                f"the initial set of seed {seed} ({config.initial} of {n} examples) holds one class only: "
                "take a larger --initial."
            )
    pool = alfi.pool(x[rows], y[rows])
    return Task(
        pool, jnp.asarray(x[test]), jnp.asarray(y[test]), np.asarray(dataset.ids)[rows], dataset.classes, initial
    )


def compile_programs(config: Config, task: Task, progress: Callable[[str], None] = lambda name: None) -> Programs:
    """Compile everything ahead, so that no later round compiles and the seconds are known."""
    model = _model(config, len(task.classes))
    likelihood = alfi.likelihoods.categorical()
    optimizer = optax.adam(config.learning_rate)
    train = getattr(alfi.training, config.training)(
        model,
        likelihood,
        optimizer,
        steps=config.steps,
        minibatch_size=config.minibatch_size,
        weight_decay=config.weight_decay,
    )

    def evaluate(variables):
        outputs = model.apply(variables, task.test_x)
        return {name: metric(outputs, task.test_y) for name, metric in METRICS.items()}

    diagnose = _diagnose(config, model, likelihood)
    learn = loop.make_learn(model, train, evaluate, diagnose=diagnose, warm_start=config.warm_start)
    width = config.seeds if config.mode == "vmap" else 1
    capacity = config.initial + config.rounds * config.batch_size
    begin = jax.vmap(lambda rows: loop.start(model, task.pool, rows, capacity))
    keys = jax.random.split(jax.random.key(0), width)
    states = begin(jnp.asarray(task.initial[:width]))
    seconds = {}

    def compile_one(name, function):
        progress(name)
        start = time.perf_counter()
        compiled = jax.jit(jax.vmap(function, in_axes=(0, 0, None))).lower(keys, states, task.pool).compile()
        seconds[name] = time.perf_counter() - start
        return compiled

    learn = compile_one("learn", learn)
    query = {}
    for name in config.strategies:
        query[name] = compile_one(name, loop.make_query(_strategy(config, name, model, likelihood), config.batch_size))
    return Programs(width, begin, learn, query, seconds)


def _diagnose(config: Config, model: alfi.Model, likelihood: alfi.Likelihood) -> Callable:
    """What is recorded of each round, by name."""
    reports = [diagnostics.diagnostics(model, likelihood)]
    if config.stopping:
        reports.append(stopping.stopping(model, likelihood, config.batch_size))

    def diagnose(fitted, pool):
        return {name: value for report in reports for name, value in report(fitted, pool)._asdict().items()}

    return diagnose


def _model(config: Config, classes: int) -> alfi.Model:
    if config.model == "mlp":
        model = alfi.models.mlp(classes, hidden=config.hidden)
    else:
        model = alfi.models.cnn(classes, channels=config.channels)
    return alfi.models.chunked(model, config.chunk_size)


def _strategy(config: Config, name: str, model: alfi.Model, likelihood: alfi.Likelihood) -> alfi.Strategy:
    """A strategy with those settings of the configuration that it takes."""
    factory = getattr(alfi.strategies, name)
    accepted = inspect.signature(factory).parameters
    settings: dict[str, Any] = {"temperature": config.temperature}
    if config.prior_precision == "weight_decay":
        settings["prior_precision"] = alfi.fisher.weight_decay(config.weight_decay)
    elif config.prior_precision is not None:
        settings["prior_precision"] = config.prior_precision
    return factory(model, likelihood, **{key: value for key, value in settings.items() if key in accepted})
