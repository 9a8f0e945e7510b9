"""From a configuration and a data set to compiled functions: one `learn` for all strategies, one `query` for each."""

import functools
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
from alfi.strategies.learning_loss import predicted_losses
from experiments import initial_sets, tasks
from experiments.config import Config, known, read_options, width


class Task(NamedTuple):
    """What is to be learnt: the kind of task, the pool, the test split, and the initial set of every seed."""

    kind: tasks.Kind
    pool: alfi.Pool
    test_x: jax.Array
    test_y: jax.Array
    ids: np.ndarray  # [n], of the pool
    initial: np.ndarray  # [seeds, initial], rows of the pool
    units: tasks.Units | None  # [seeds, m], of real labels


class Programs(NamedTuple):
    """Compiled for `width` seeds at once: the leading axis of keys, states and units."""

    width: int
    begin: Callable[[Any], Any]  # initial rows [width, k] -> states
    learn: Callable  # (keys, states, units, pool)
    query: dict[str, Callable]
    seconds: dict[str, float]  # spent compiling each


def load(config: Config) -> tuple[Config, Task]:
    """Read the data and draw the initial sets; every complaint about them is made here, before anything is compiled.

    The configuration comes back with what it had left to the data (``tasks.settled``).
    """
    options = {name: getattr(config, name) for name in ("resolution", "subset") if getattr(config, name) is not None}
    dataset = alfi.data.load(config.data, **options, **read_options(config).get("data", {}))
    kind = tasks.kind_of(config, dataset)
    config = tasks.settled(config, kind, dataset)
    rows, test = dataset.split == "train", dataset.split == "test"
    n, asked = int(rows.sum()), config.initial + config.rounds * config.batch_size
    if asked > n:
        raise ValueError(
            f"the budget is larger than the pool: {config.initial} initial + {config.rounds} rounds of "
            f"{config.batch_size} = {asked} labels, but {config.data} has {n} training examples."
        )
    x, y = np.asarray(dataset.x, np.float32), np.asarray(dataset.y)
    if x.ndim > 2:  # channels to mean 0 and standard deviation 1 over the pool; no label is needed for that
        axes = tuple(range(x.ndim - 1))
        mean, spread = x[rows].mean(axis=axes), x[rows].std(axis=axes)
        x = (x - mean) / np.where(spread > 0, spread, 1)
    model = _model(config, kind)
    initial = initial_sets.draw(config, np.asarray(dataset.x)[rows], x[rows], y[rows], model)
    for seed, members in enumerate(initial):
        if kind.name == "classification" and len(np.unique(y[rows][members])) < 2:
            raise ValueError(
                f"the initial set of seed {seed} ({config.initial} of {n} examples) holds one class only: "
                "take a larger --initial."
            )
    pool, units = alfi.pool(x[rows], y[rows]), tasks.units_of(kind, y[rows], initial)
    task = Task(kind, pool, jnp.asarray(x[test]), jnp.asarray(y[test]), np.asarray(dataset.ids)[rows], initial, units)
    if kind.name != "classification":  # strategies know best what they cannot read; a trace makes them say it
        queries = functools.partial(_query, config, model, kind)
        state = jax.eval_shape(lambda: loop.start(model, pool, jnp.asarray(initial[0]), asked))
        one = None if units is None else jax.tree.map(lambda leaf: leaf[0], units)
        tasks.require_possible(config, kind, queries, jax.random.key(0), state, one, pool)
    return config, task


def compile_programs(config: Config, task: Task, progress: Callable[[str], None] = lambda name: None) -> Programs:
    """Compile everything ahead, so that no later round compiles and the seconds are known."""
    kind, model = task.kind, _model(config, task.kind)
    loss = kind.loss or alfi.losses.negative_log_likelihood(kind.likelihood)
    train = getattr(alfi.training, config.training)(
        model,
        kind.likelihood,
        optax.adam(config.learning_rate),
        steps=config.steps,
        minibatch_size=config.minibatch_size,
        weight_decay=config.weight_decay,
        loss=alfi.models.predictor_loss(loss) if config.predictor else loss,
    )
    diagnose = _diagnose(config, model, kind)

    def learn_one(key, state, units, pool):
        def evaluate(variables):
            return tasks.measure(kind, model.apply(variables, task.test_x), task.test_y, units)

        learn = loop.make_learn(model, train, evaluate, diagnose=diagnose, warm_start=config.warm_start)
        return learn(key, state, tasks.in_units(pool, units))

    together = width(config)
    capacity = config.initial + config.rounds * config.batch_size
    begin = jax.vmap(lambda rows: loop.start(model, task.pool, rows, capacity))
    keys = jax.random.split(jax.random.key(0), together)
    states = begin(jnp.asarray(task.initial[:together]))
    units = jax.tree.map(lambda leaf: leaf[:together], task.units)
    seconds = {}

    def compile_one(name, function):
        progress(name)
        start = time.perf_counter()
        each = jax.vmap(function, in_axes=(0, 0, 0, None))
        compiled = jax.jit(each).lower(keys, states, units, task.pool).compile()
        seconds[name] = time.perf_counter() - start
        return compiled

    learn = compile_one("learn", learn_one)
    query = {name: compile_one(name, _query(config, model, kind, name)) for name in config.strategies}
    return Programs(together, begin, learn, query, seconds)


def _query(config: Config, model: alfi.Model, kind: tasks.Kind, name: str) -> Callable:
    """``(key, state, units, pool) -> (state, picks)`` of one seed."""
    query = loop.make_query(_strategy(config, name, model, kind.likelihood), config.batch_size)
    return lambda key, state, units, pool: query(key, state, tasks.in_units(pool, units))


def _diagnose(config: Config, model: alfi.Model, kind: tasks.Kind) -> Callable:
    """What is recorded of each round, by name."""
    reports = [diagnostics.diagnostics(model, kind.likelihood)]
    if config.stopping:
        reports.append(stopping.stopping(model, kind.likelihood, config.batch_size))
    # log c bounds the information of a class alone; a map of classes has many, and of masks no batch is sampled.
    meaningless = () if kind.name == "classification" else ("above_log_c", "batch_information")

    def diagnose(fitted, pool):
        found = {name: value for report in reports for name, value in report(fitted, pool)._asdict().items()}
        return {name: value for name, value in found.items() if name not in meaningless}

    return diagnose


def _model(config: Config, kind: tasks.Kind) -> alfi.Model:
    factory = getattr(alfi.models, config.model)
    accepted = inspect.signature(factory).parameters
    settings = {name: getattr(config, name) for name in ("hidden", "channels") if name in accepted}
    options = read_options(config).get("model", {})
    for name in options:
        known(name, [name for name in accepted if name != "outputs"], f"option of {config.model}")
    model = factory(kind.outputs, **{**settings, **options})
    if config.precision != "float32":
        model = alfi.models.mixed_precision(model, config.precision)
    if config.predictor:
        model = alfi.models.predictor(model, steps=config.steps)
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
    if config.predictor:
        settings["uncertainty"] = predicted_losses(model)
    options = read_options(config).get(name, {})
    for option in options:
        known(option, [name for name in accepted if name not in ("model", "likelihood")], f"option of {name}")
    taken = {key: value for key, value in settings.items() if key in accepted}
    return factory(model, likelihood, **{**taken, **options})
