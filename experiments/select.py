"""Choose from a file of embeddings: `python -m experiments.select embeddings.npy --batch 100 --strategy d_optimal`.

Embeddings [n, d] come from any network, run once over the pool; the .npy is read through a memory map, in pieces.
Without labels, strategies that need none can be asked (an optimal design for a linear model on the embeddings). With
`--labels` a linear model is fitted first. The answer is a table `index, gain, rank`. Exit code 0: done; 2: bad input.

On two cores, 100 of 100,000 x 128: .4 s by d_optimal (and 5 s for all the rest), 16 s with labels of 10 classes.
"""

import csv
import dataclasses
import inspect
import io
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import tyro

import alfi
from experiments import files
from experiments.config import known
from experiments.store import write_atomically

WITHOUT_LABELS = (
    "d_optimal", "v_optimal", "bait", "core_set", "gs_x", "max_herding", "prob_cover", "random", "typiclust"
)  # fmt: skip
# These compare all pairs: a pool above this would take hours, or not fit.
PAIRS, LARGEST = ("max_herding", "prob_cover", "typiclust"), 100_000


@dataclasses.dataclass(frozen=True)
class Options:
    """Which examples of a pool of embeddings to label next."""

    embeddings: Annotated[Path, tyro.conf.Positional]
    """.npy of real numbers [n, d]."""
    batch: int = 100
    """How many to choose."""
    strategy: str = "d_optimal"
    """Name in `alfi.strategies`; `python -m experiments.run --list` tells them."""
    labels: Path | None = None
    """.npy [n]: classes as integers, -1 where not labelled; or real numbers [n] or [n, c], NaN where not labelled."""
    exclude: Path | None = None
    """.npy [n] of booleans: true for what must not be asked."""
    groups: Path | None = None
    """.npy [n] of integers: at most one of each group (patient, lesion) is chosen."""
    costs: Path | None = None
    """.npy [n], positive: gain per cost decides."""
    budget: float | None = None
    """What the batch may cost; `batch` is then the most. Needs --costs."""
    prior_precision: float | None = None
    """Of Fisher strategies, embeddings having root mean square 1. Default: by evidence with labels, 1 without."""
    steps: int = 1000
    """Of Adam, for the linear model."""
    seed: int = 0
    out: Path = Path("indices.csv")
    """Where the table is written."""


def main(arguments: list[str] | None = None) -> int:
    try:
        options = tyro.cli(Options, args=arguments, prog="python -m experiments.select", description=__doc__)
        return choose(options)
    except (ValueError, OSError) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; nothing was written", file=sys.stderr)
        return 130


def choose(options: Options) -> int:
    """Everything from reading to writing."""
    from rich.console import Console

    validate(options)
    console = Console(stderr=True)
    start = time.perf_counter()
    x = files.read(options.embeddings, console)
    pool, likelihood, outputs = files.make_pool(options, x)
    size = batch_size(options, pool)
    console.print(f"read {x.shape[0]:,} x {x.shape[1]} in {time.perf_counter() - start:.1f} s")
    model, key = alfi.models.linear(outputs), jax.random.key(options.seed)
    key_fit, key_strategy, key_select = jax.random.split(key, 3)
    strategy = build(options, model, likelihood)
    with console.status("fitting the linear model") as status:
        start = time.perf_counter()
        fitted = fit(options, model, likelihood, key_fit, pool)
        fitted = jax.jit(strategy.fit)(key_strategy, fitted, pool)
        if options.labels is not None:
            labelled = int(pool.labelled.sum())
            console.print(f"fitted to {labelled:,} labels in {time.perf_counter() - start:.1f} s")
        status.update(f"compiling {options.strategy}")
        start = time.perf_counter()
        select = jax.jit(strategy.select, static_argnums=3).lower(key_select, fitted, pool, size).compile()
        compiled = time.perf_counter()
        status.update(f"choosing {size} of {x.shape[0]:,} by {options.strategy}")
        picked = jax.block_until_ready(select(key_select, fitted, pool))
    seconds = f"{time.perf_counter() - compiled:.1f} s (and {compiled - start:.1f} s to compile)"
    indices, gains = np.asarray(picked.indices), np.asarray(picked.gains)
    if options.budget is not None:
        bill = jnp.where(indices < len(x), pool.costs[np.minimum(indices, len(x) - 1)], jnp.inf)
        kept = np.asarray(alfi.selection.affordable(bill, options.budget))
        indices, gains = indices[kept], gains[kept]
    if np.any(indices == x.shape[0]):
        raise ValueError(
            f"{np.sum(indices == x.shape[0])} of {size} picks failed: {options.strategy}'s gains are not "
            "numbers. Is the prior precision large enough?"
        )
    write(options.out, indices, gains)
    console.print(f"chose {len(indices)} by {options.strategy} in {seconds}: {options.out}")
    return 0


def validate(options: Options) -> None:
    """Errors that need no file."""
    known(options.strategy, [name for name in alfi.strategies.__all__ if name != "compose"], "strategy")
    if options.labels is None and options.strategy not in WITHOUT_LABELS:
        raise ValueError(
            f"{options.strategy} needs a trained model: give --labels. Without labels: {', '.join(WITHOUT_LABELS)}."
        )
    if options.batch < 1 or options.steps < 1:
        raise ValueError(f"batch and steps must be at least 1; got {options.batch} and {options.steps}.")
    if options.prior_precision is not None and not 0 < options.prior_precision < float("inf"):
        raise ValueError(f"prior-precision must be positive and finite; got {options.prior_precision}.")
    if options.budget is not None and (options.costs is None or not 0 < options.budget < float("inf")):
        raise ValueError(f"a budget must be positive and needs --costs; got {options.budget} and {options.costs}.")
    if options.out.is_dir():
        raise ValueError(f"out must be a file; {options.out} is a folder.")


def batch_size(options: Options, pool: alfi.Pool) -> int:
    """How many can be chosen; complaints if that is less than was asked for. With a budget, fewer may do."""
    n, free, labelled = pool.x.shape[0], int(pool.available.sum()), int(pool.labelled.sum())
    excluded, units = n - labelled - free, "rows"
    if pool.groups is not None:
        free, units = len(np.unique(np.asarray(pool.groups)[np.asarray(pool.available)])), "groups"
    if options.batch > free and (options.budget is None or free == 0):
        raise ValueError(
            f"the batch of {options.batch} is larger than the pool: {free} {units} may be asked ({n} rows, "
            f"{labelled} labelled, {excluded} excluded)."
        )
    if options.strategy in PAIRS and n > LARGEST:
        raise ValueError(f"{options.strategy} compares all pairs: at most {LARGEST:,} rows; got {n:,}.")
    return min(options.batch, free)


def build(options: Options, model: alfi.Model, likelihood: alfi.Likelihood) -> alfi.Strategy:
    factory = getattr(alfi.strategies, options.strategy)
    settings: dict[str, Any] = {}
    precision = options.prior_precision
    if precision is None and options.labels is None:
        precision = 1.0  # there is nothing that evidence could speak of
    if precision is not None and "prior_precision" in inspect.signature(factory).parameters:
        settings["prior_precision"] = precision
    return factory(model, likelihood, **settings)


def fit(
    options: Options, model: alfi.Model, likelihood: alfi.Likelihood, key: jax.Array, pool: alfi.Pool
) -> alfi.Fitted:
    """The linear model on the labelled rows; random weights without any, of which nothing may depend."""
    key_init, key_train = jax.random.split(key)
    variables = model.init(key_init, pool.x[:1])
    if options.labels is None:
        return alfi.Fitted(variables)
    rows = jnp.flatnonzero(pool.labelled)
    train = alfi.training.fixed_steps(
        model, likelihood, optax.adam(1e-2), steps=options.steps, minibatch_size=min(128, len(rows)), weight_decay=1e-4
    )
    return alfi.Fitted(jax.jit(train)(key_train, variables, pool.x, pool.y, rows, len(rows)).variables)


def write(path: Path, indices: np.ndarray, gains: np.ndarray) -> None:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["index", "gain", "rank"])
    table.writerows(
        [int(index), float(gain), rank] for rank, (index, gain) in enumerate(zip(indices, gains, strict=True), 1)
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, text.getvalue())


if __name__ == "__main__":
    sys.exit(main())
