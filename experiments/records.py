"""What an experiment wrote, read back: `rounds.jsonl` through DuckDB into arrays [strategy, seed, round]."""

import json
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

COLUMNS = {
    "strategy": "VARCHAR",
    "seed": "BIGINT",
    "round": "BIGINT",
    "labels": "BIGINT",
    "metrics": "MAP(VARCHAR, DOUBLE)",
    "picked": "VARCHAR[]",
    "gains": "DOUBLE[]",
    "diagnostics": "MAP(VARCHAR, DOUBLE)",
    "train_accuracy": "DOUBLE",
    "steps": "DOUBLE",
    "seconds": "MAP(VARCHAR, DOUBLE)",
}
REQUIRED = ("strategy", "seed", "round", "labels", "metrics")
SETTINGS = ("name", "data", "strategies", "seeds", "initial", "rounds", "batch_size", "metric", "contrasts", "command")

# Every number of a round in one tidy view, (kind, name) telling which.
MEASUREMENTS = """
create view measurements as
select strategy, seed, round, labels, kind, entry.key as name, entry.value as value from (
    select strategy, seed, round, labels, 'metrics' as kind, unnest(map_entries(metrics)) as entry from rounds union all
    select strategy, seed, round, labels, 'diagnostics', unnest(map_entries(diagnostics)) from rounds union all
    select strategy, seed, round, labels, 'seconds', unnest(map_entries(seconds)) from rounds
) union all
select strategy, seed, round, labels, 'training', 'accuracy', train_accuracy from rounds union all
select strategy, seed, round, labels, 'training', 'steps', steps from rounds
"""
ORDER = "order by list_position($strategies, strategy), strategy, seed, round"


class Records(NamedTuple):
    """The part of an experiment that is complete for all strategies at the same rounds, and everything as tidy rows."""

    config: dict[str, Any]
    environment: dict[str, Any]
    strategies: list[str]  # those with a complete round, in the order of the configuration
    baseline: str
    seeds: list[int]
    labels: np.ndarray  # [k]
    values: dict[str, dict[str, np.ndarray]]  # kind -> name -> [strategy, seed, k], NaN where nothing was recorded
    notes: list[str]  # what is missing, in sentences
    curves: list[tuple]  # strategy, seed, round, labels, metric, value
    picks: list[tuple]  # strategy, seed, round, order, id, gain
    timings: list[tuple]  # strategy, seed, round, phase, seconds


def read(folder: Path) -> Records:
    """Read the results of one experiment: `config.json`, `environment.json`, `rounds.jsonl`.

    A truncated last line (a killed run) is left out with a note, a round recorded twice (a resumed run) counts as
    recorded last, and NaN metrics (a failed training) end a run. Of the rest, the largest block `seeds x rounds` that
    is complete for every strategy is kept: comparisons are paired by seed, so what fails for one strategy leaves all.

    Raises FileNotFoundError for a missing folder or file, ValueError for a broken file or where no round is complete.
    """
    import duckdb

    if not folder.is_dir():
        raise FileNotFoundError(f"no folder {folder}")
    config, environment = _json(folder / "config.json"), _json(folder / "environment.json")
    if missing := [key for key in SETTINGS if key not in config]:
        raise ValueError(f"{folder / 'config.json'} lacks {', '.join(missing)}")
    if not config["strategies"]:
        raise ValueError(f"{folder / 'config.json'} names no strategy")
    lines, notes = _lines(folder / "rounds.jsonl")

    with tempfile.TemporaryDirectory() as scratch, duckdb.connect() as connection:
        good = Path(scratch, "rounds.jsonl")  # a name without the wild cards that DuckDB would expand
        good.write_text("\n".join(lines) + "\n", encoding="utf-8")
        try:
            connection.read_json(str(good), format="newline_delimited", columns=COLUMNS).create("raw")
        except duckdb.Error as error:
            raise ValueError(str(error).splitlines()[0].replace(str(good), str(folder / "rounds.jsonl"))) from error
        connection.execute("create table lines as select *, row_number() over () as line from raw")
        latest = "row_number() over (partition by strategy, seed, round order by line desc) = 1"
        connection.execute(f"create table rounds as select * exclude line from lines qualify {latest}")
        connection.execute(MEASUREMENTS)

        def rows(columns, source):
            query = f"select strategy, seed, round, {columns} from {source} {ORDER}"
            return connection.execute(query, {"strategies": config["strategies"]}).fetchall()

        measurements = rows("kind, name, value", "measurements")
        labels = dict(connection.execute("select round, mode(labels) from rounds group by round").fetchall())
        agreeing = {row[:3] for row in rows("labels", "rounds") if row[3] == labels[row[2]]}
        curves = rows("labels, name, value", "measurements where kind = 'metrics'")
        timings = rows("name, value", "measurements where kind = 'seconds'")
        picks = rows("unnest(range(len(picked))), unnest(picked), unnest(gains)", "rounds")

    strategies, seeds, rounds, more = _complete(config, measurements, agreeing, labels)
    baseline = "random" if "random" in config["strategies"] else config["strategies"][0]
    if baseline not in strategies:
        raise ValueError(f"{folder}: no complete round of {baseline}, to which all others are compared")
    return Records(
        config=config,
        environment=environment,
        strategies=strategies,
        baseline=baseline,
        seeds=seeds,
        labels=np.array([labels[round] for round in range(rounds)]),
        values=_arrays(measurements, strategies, seeds, rounds),
        notes=notes + more,
        curves=curves,
        picks=picks,
        timings=timings,
    )


def _json(path):
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path} holds no JSON object")
    return content


def _lines(path):
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}")
    numbered = [(i, line) for i, line in enumerate(path.read_bytes().split(b"\n"), 1) if line.strip()]
    good, notes = [], []
    for i, line in numbered:
        try:
            content = json.loads(line)
        except ValueError as error:  # of JSON, or a character cut in two
            if i != numbered[-1][0]:
                raise ValueError(f"{path} line {i} is not JSON: {error}") from error
            notes.append(f"Line {i} of {path.name}, the last, is truncated and was ignored.")
            continue
        if not isinstance(content, dict) or any(content.get(key) is None for key in REQUIRED):
            raise ValueError(f"{path} line {i} lacks one of {', '.join(REQUIRED)}")
        good.append(line.decode())
    if not good:
        raise ValueError(f"{path} holds no round")
    return good, notes


def _arrays(measurements, strategies, seeds, rounds):
    position, seed_position = ({name: i for i, name in enumerate(names)} for names in (strategies, seeds))
    values = {kind: {} for kind in ("metrics", "diagnostics", "seconds", "training")}
    for strategy, seed, round, kind, name, value in measurements:
        if strategy in position and seed in seed_position and round < rounds and value is not None:
            shape = len(strategies), len(seeds), rounds
            array = values[kind].setdefault(name, np.full(shape, np.nan))
            array[position[strategy], seed_position[seed], round] = value
    return values


def _complete(config, measurements, agreeing, labels):
    """The largest block of rounds that all strategies have, and sentences about the rest."""
    metric, strategies, notes = config["metric"], list(config["strategies"]), []
    seeds, rounds = sorted({key[1] for key in agreeing}), max(labels) + 1
    if unknown := sorted({key[0] for key in agreeing} - set(strategies)):
        notes.append(f"Not in the configuration, and left out: {', '.join(unknown)}.")
    usable = [row for row in measurements if row[:3] in agreeing and row[3:5] == ("metrics", metric)]
    primary = _arrays(usable, strategies, seeds, rounds)["metrics"].get(metric)
    if primary is None or not np.isfinite(primary[:, :, 0]).any():
        raise ValueError(f"no complete round: {metric} of {', '.join(strategies)} is nowhere a number in round 0")
    length = np.cumprod(np.isfinite(primary), axis=2).sum(axis=2)  # [strategy, seed], rounds before the first gap
    kept = [i for i in range(len(strategies)) if length[i].any()]
    notes += [f"{name} has no complete round and is left out." for i, name in enumerate(strategies) if i not in kept]

    common = length[kept].min(axis=0)  # [seed]
    depths = [(depth * int((common >= depth).sum()), depth) for depth in range(1, rounds + 1)]
    size, depth = max(depths)  # of equally large blocks the one with more rounds
    if size == 0:
        raise ValueError("no complete round: no seed has round 0 of all strategies")
    chosen = [seed for seed, shortest in zip(seeds, common, strict=True) if shortest >= depth]
    for j, seed in enumerate(seeds):
        if ends := [f"{strategies[i]} has {length[i, j]}" for i in kept if length[i, j] < depth]:
            notes.append(f"Seed {seed} is left out, having fewer than {depth} complete rounds: {', '.join(ends)}.")
    if depth < rounds:
        short = [strategies[i] for i in kept if (length[i, common >= depth] < rounds).any()]
        notes.append(f"Rounds {depth} to {rounds - 1} are left out, not being complete for {', '.join(short)}.")
    if rounds < config["rounds"] + 1:  # a curve has a point more than batches are asked for
        notes.append(f"Only {rounds} of {config['rounds'] + 1} points of the curves were recorded.")
    if len(seeds) < config["seeds"]:
        notes.append(f"Only {len(seeds)} of {config['seeds']} seeds were recorded.")
    return [strategies[i] for i in kept], chosen, depth, notes
