"""Train a network on all labels: `python -m experiments.fit NAME [--seeds 3] [--steps N] [--resolution R]`.

What a data set and a network give when no label is missing: the ceiling of every learning curve, and the proof that the
network learns. NAME is a file in `experiments/fits/`. Writes OUT/fits/NAME.json: every seed's metrics on the test
split, the configuration, versions and device. Exit code 0; 2: bad input, told in one line.
"""

import dataclasses
import importlib
import pkgutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

import alfi
from alfi.descent import Options, descent
from experiments.config import known
from experiments.store import dumps, machine, write_atomically

BLOCK = 50  # steps compiled together; progress is shown between


@dataclasses.dataclass(frozen=True)
class Fit:
    """A data set, a network and how it is trained."""

    data: str
    """As for `alfi.data.load`."""
    model: Callable[[alfi.Dataset], alfi.Model]
    likelihood: alfi.Likelihood
    metrics: dict[str, Callable[[Any, Any], Any]]
    """name: (outputs[n, ...], y[n, ...]) -> number, on the test split."""
    options: dict[str, Any] = dataclasses.field(default_factory=dict)
    """Of `alfi.data.load`."""
    training: Options = dataclasses.field(default_factory=lambda: Options())
    """Loss, augmentation, draw, minibatch size: see `alfi.descent.Options`."""
    steps: int = 2000
    learning_rate: float = 3e-3
    """The largest of a one-cycle schedule of AdamW."""
    weight_decay: float = 1e-2
    """Of AdamW, decoupled."""
    yardstick: Callable[[alfi.Dataset], dict[str, float]] = lambda dataset: {}
    """What else is known of the test split, to compare with."""


def names() -> list[str]:
    import experiments.fits

    return sorted(module.name for module in pkgutil.iter_modules(experiments.fits.__path__))


def fit(config: Fit, seed: int, progress: Callable[[int], None] = lambda done: None) -> dict[str, float]:
    """Train from one seed; the metrics on the test split, and the seconds that training took."""
    dataset = alfi.data.load(config.data, **config.options)
    train, test = dataset.split == "train", dataset.split == "test"
    x, y = standardised(np.asarray(dataset.x, np.float32), train), jnp.asarray(dataset.y)
    model = config.model(dataset)
    schedule = optax.cosine_onecycle_schedule(config.steps, config.learning_rate)
    optimizer = optax.adamw(schedule, weight_decay=config.weight_decay)
    parts = descent(model, config.likelihood, optimizer, **config.training)
    pool = jnp.asarray(x[train]), y[train], jnp.arange(train.sum()), int(train.sum())
    key_init, key_train = jax.random.split(jax.random.key(seed))
    advance = jax.jit(lambda key, learnt: parts.descend(key, learnt, pool, BLOCK))
    start = time.perf_counter()
    learnt = parts.begin(jax.jit(model.init)(key_init, pool[0][:1]))
    for done in range(0, config.steps, BLOCK):
        learnt = advance(jax.random.fold_in(key_train, done), learnt)
        progress(done + BLOCK)
    jax.block_until_ready(learnt)
    seconds = time.perf_counter() - start
    outputs = predict(model, learnt[0], x[test])
    measured = {name: float(metric(outputs, y[test])) for name, metric in config.metrics.items()}
    if not all(np.isfinite(list(measured.values()))):
        raise ValueError(
            f"seed {seed}: training failed, a metric is not a number: {measured}. A smaller learning rate?"
        )
    return {**measured, "seconds": round(seconds, 1)}


def standardised(x: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Channels (or features) to mean 0 and standard deviation 1 over the training split."""
    axes = tuple(range(x.ndim - 1))
    mean, spread = x[train].mean(axis=axes), x[train].std(axis=axes)
    return (x - mean) / np.where(spread > 0, spread, 1)


def predict(model: alfi.Model, variables: alfi.Variables, x: np.ndarray, chunk_size: int = 256) -> jax.Array:
    """Outputs of all rows, some at a time."""
    apply = jax.jit(model.apply)
    return jnp.concatenate([apply(variables, jnp.asarray(x[i : i + chunk_size])) for i in range(0, len(x), chunk_size)])


def main(arguments: list[str] | None = None) -> int:
    import argparse

    from rich.console import Console
    from rich.progress import Progress

    parser = argparse.ArgumentParser(prog="python -m experiments.fit", description=__doc__.partition("\n")[0])
    parser.add_argument("name", metavar="NAME", help=f"one of {', '.join(names())}")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, help=f"instead of the configuration's; a multiple of {BLOCK}")
    parser.add_argument("--resolution", type=int, help="side of the images in pixels")
    parser.add_argument("--out", type=Path, default=Path("results"))
    asked = parser.parse_args(arguments)
    console = Console(stderr=True)
    try:
        known(asked.name, names(), "fit")
        config = importlib.import_module(f"experiments.fits.{asked.name}").get_fit()
        if asked.resolution is not None:
            config = dataclasses.replace(config, options={**config.options, "resolution": asked.resolution})
        config = dataclasses.replace(config, steps=asked.steps or config.steps)
        if asked.seeds < 1 or config.steps < BLOCK or config.steps % BLOCK:
            raise ValueError(f"need seeds >= 1 and steps a multiple of {BLOCK}; got {asked.seeds} and {config.steps}.")
        runs = []
        with Progress(console=console, disable=not console.is_terminal) as bar:
            for seed in range(asked.seeds):
                task = bar.add_task(f"{asked.name}, seed {seed}", total=config.steps)
                runs.append(fit(config, seed, lambda done, task=task: bar.update(task, completed=done)))
                console.print(f"seed {seed}: " + ", ".join(f"{name} {value:.4g}" for name, value in runs[-1].items()))
        yardstick = config.yardstick(alfi.data.load(config.data, **config.options))
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    summary = {name: mean_and_error([run[name] for run in runs]) for name in runs[0]}
    record = {
        "name": asked.name,
        "command": f"python -m experiments.fit {asked.name} --seeds {asked.seeds}",
        "data": {"name": config.data, **config.options},
        "steps": config.steps,
        "minibatch_size": config.training.get("minibatch_size", 32),
        "learning_rate": config.learning_rate,
        "weight_decay": config.weight_decay,
        "runs": runs,
        "yardstick": yardstick,
        "environment": machine(),
    }
    path = asked.out / "fits" / f"{asked.name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, dumps(record))
    for name, (mean, error) in summary.items():
        print(f"{name:>20} {mean:.4g} ± {error:.2g}" if len(runs) > 1 else f"{name:>20} {mean:.4g}")
    for name, value in yardstick.items():
        print(f"{name:>20} {value:.4g}")
    print(path)
    return 0


def mean_and_error(values: list[float]) -> tuple[float, float]:
    """Mean over the seeds and its standard error."""
    return float(np.mean(values)), float(np.std(values, ddof=1) / len(values) ** 0.5) if len(values) > 1 else 0.0


if __name__ == "__main__":
    sys.exit(main())
