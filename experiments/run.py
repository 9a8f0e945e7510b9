"""Run an active-learning experiment: `python -m experiments.run quickstart [--data breastmnist] [--seeds 20] ...`.

Results go to `results/NAME/`. A run that was stopped goes on from its last finished round when the same command is
given again. Exit code 0: done; 1: done, but a strategy or a seed failed; 2: bad input, nothing changed; 130:
interrupted.
"""

import shlex
import sys
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from alfi import loop
from experiments import config as configs
from experiments import execution, listing, store
from experiments.config import Config

USAGE = """usage: python -m experiments.run NAME [--data DATA] [--OPTION VALUE ...]; NAME --help lists the options
       python -m experiments.run --list              every strategy: what it asks for, tasks, needs, source"""


def main(arguments: list[str] | None = None) -> int:
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        config = parse(arguments)
        return run(config, "python -m experiments.run " + shlex.join(arguments))
    except (ValueError, OSError) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from the last finished round", file=sys.stderr)
        return 130


def parse(arguments: list[str]) -> Config:
    """The file's configuration for the data set asked for, with what the command line changes."""
    import tyro

    if not arguments or arguments[0] in ("-h", "--help"):
        print(f"{USAGE}\nexperiments: {', '.join(configs.names())}")
        raise SystemExit(0 if arguments else 2)
    if arguments == ["--list"]:
        listing.show()
        raise SystemExit(0)
    name, *options = arguments
    data = None
    for i, option in enumerate(options):
        if option == "--data" and i + 1 < len(options):
            data = options[i + 1]
        elif option.startswith("--data="):
            data = option.removeprefix("--data=")
    default = configs.default(name, data)
    return tyro.cli(Config, args=options, default=default, prog=f"python -m experiments.run {name}")


def run(config: Config, command: str) -> int:
    """Everything from reading the data to the report; returns the exit code."""
    configs.validate(config)
    config, task = execution.load(config)
    folder, before = store.open_run(config, command)

    from rich.console import Console

    from experiments import report

    console = Console()
    width = configs.width(config)
    groups = [range(first, min(first + width, config.seeds)) for first in range(0, config.seeds, width)]
    kept, done = resume(config, before, groups)
    failures = complaints(kept)
    if all(done[name, group.start] > config.rounds for name in config.strategies for group in groups):
        console.print(f"{folder} is complete; rebuilding its report.")
    else:
        with console.status("compiling") as status:
            programs = execution.compile_programs(config, task, lambda name: status.update(f"compiling {name}"))
        store.write_atomically(folder / "environment.json", store.dumps(store.environment(config, programs.seconds)))
        console.print(f"compiled in {sum(programs.seconds.values()):.0f} s; results in {folder}")
        file = store.Appender(folder / "rounds.jsonl", kept)
        try:
            failures += execute(config, task, programs, groups, kept, done, file, console)
        finally:
            file.close()
    built = report.build(folder)
    report.print_table(folder)
    console.print(f"\nlearning curves: {built.figure}\nreport:          {built.page}")
    for failure in failures:
        print(f"failed: {failure}", file=sys.stderr)
    return 1 if failures else 0


def execute(config, task, programs, groups, kept, done, file, console) -> list[str]:
    """All rounds not yet done, recorded as they end; returns what failed.

    One strategy after another: programs called from several threads at once can hang in XLA's CPU thread pool.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    failures, first = [], {}
    columns = TextColumn("{task.description:<12}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=console) as progress:
        total = len(groups) * (config.rounds + 1)
        bars = {name: progress.add_task(name, total=total, start=False) for name in config.strategies}
        for name, bar in bars.items():
            progress.start_task(bar)
            try:
                for group in groups:
                    finished = done[name, group.start]
                    progress.advance(bar, finished)
                    history = [record for record in kept if record["strategy"] == name and record["seed"] in group]
                    for records in rounds(config, task, programs, name, group, history, finished, first):
                        file.append(records)
                        progress.advance(bar)
                        failures += complaints(records)
            except OSError:  # nothing can be recorded any more
                raise
            except Exception as error:  # one strategy that fails does not stop the others
                failures.append(f"{name}: {type(error).__name__}: {error}")
            progress.stop_task(bar)
    return failures


def resume(config: Config, before: list[dict[str, Any]], groups: list[range]):
    """Which records to keep, and how many rounds each strategy has finished for each group of seeds.

    A round counts when all seeds of the group have it. A warm start needs weights, which are not on disk: it begins
    again unless it was finished.
    """
    recorded: dict[tuple[str, int], set[int]] = {}
    for record in before:
        recorded.setdefault((record["strategy"], record["seed"]), set()).add(record["round"])
    done = {}
    for name in config.strategies:
        for group in groups:
            rows = [recorded.get((name, seed), set()) for seed in group]
            finished = next(i for i in range(config.rounds + 2) if any(i not in row for row in rows))
            done[name, group.start] = 0 if config.warm_start and finished <= config.rounds else finished
    start = {seed: group.start for group in groups for seed in group}
    kept, seen = [], set()
    for record in before:
        identity = record["strategy"], record["seed"], record["round"]
        if identity not in seen and record["round"] < done.get((record["strategy"], start.get(record["seed"])), 0):
            seen.add(identity)
            kept.append(record)
    return kept, done


def rounds(config, task, programs, name: str, group: range, history: list[dict], finished: int, first: dict):
    """Yield the records of one round after another for one strategy and one group of seeds.

    All strategies begin alike: what is learnt from the initial set is computed once and kept in ``first``.
    """
    pool, width = task.pool, len(group)
    states = programs.begin(jnp.asarray(task.initial[group.start : group.stop]))
    states = replay(states, task, group, history)
    units = jax.tree.map(lambda leaf: leaf[group.start : group.stop], task.units)
    seed_keys = jax.vmap(jax.random.key)(jnp.asarray(group))
    for number in range(finished, config.rounds + 1):
        keys = jax.vmap(loop.round_keys, in_axes=(0, None))(seed_keys, jnp.asarray(number))
        count = np.asarray(states.count)
        begin = time.perf_counter()
        if number == 0 and group.start in first:
            states, learned, seconds = first[group.start]
        else:
            states, learned = jax.block_until_ready(programs.learn(keys[0], states, units, pool))
            seconds = {"train": (time.perf_counter() - begin) / width}
        if number == 0:
            first[group.start] = states, learned, seconds
        picked = None
        if number < config.rounds:
            begin = time.perf_counter()
            states, picked = jax.block_until_ready(programs.query[name](keys[1], states, units, pool))
            seconds = {**seconds, "select": (time.perf_counter() - begin) / width}
        yield [
            {
                "strategy": name,
                "seed": seed,
                "round": number,
                "labels": int(count[i]),
                "metrics": {key: float(value[i]) for key, value in learned.metrics.items()},
                "picked": [] if picked is None else [str(task.ids[j]) for j in picked.indices[i] if j < len(task.ids)],
                "gains": [] if picked is None else [float(gain) for gain in picked.gains[i] if gain > -np.inf],
                "diagnostics": {key: float(value[i]) for key, value in learned.diagnostics.items()},
                "train_accuracy": float(learned.accuracy[i]),
                "steps": int(learned.steps[i]),
                "seconds": seconds,
            }
            for i, seed in enumerate(group)
        ]


def replay(states, task, group: range, history: list[dict]):
    """The states after the rounds already recorded: the labelled rows, in the order in which they were picked."""
    if not history:
        return states
    position = {str(name): i for i, name in enumerate(task.ids)}
    labelled, count = np.array(states.labelled), np.array(states.count)
    for record in sorted(history, key=lambda record: record["round"]):
        i = record["seed"] - group.start
        rows = [position[name] for name in record["picked"]]
        labelled[i, count[i] : count[i] + len(rows)] = rows
        count[i] += len(rows)
    return states._replace(labelled=jnp.asarray(labelled), count=jnp.asarray(count))


def complaints(records: list[dict[str, Any]]) -> list[str]:
    """Numerical failure is data; here it becomes a sentence."""
    found = []
    for record in records:
        where = f"{record['strategy']}, seed {record['seed']}, round {record['round']}"
        nll = record["metrics"]["nll"]
        if nll is None or not np.isfinite(nll):
            found.append(f"{where}: training gave a loss that is not a number")
        if "select" in record["seconds"] and not record["picked"]:
            found.append(f"{where}: no example could be picked (the criterion's gains were not numbers)")
    return found


if __name__ == "__main__":
    sys.exit(main())
