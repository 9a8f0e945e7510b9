"""The command, as a user meets it: a whole tiny run, going on after a kill, and every kind of bad input."""

import json

import numpy as np
import pytest

from experiments import execution, run, store
from experiments.config import Config

TINY = ["quickstart", "--seeds", "2", "--rounds", "2", "--initial", "12", "--batch-size", "3"]
TINY += ["--steps", "20", "--hidden", "16", "8"]


def command(tmp_path, *more):
    return run.main([*TINY, "--out", str(tmp_path), *more])


def records(folder):
    return [json.loads(line) for line in (folder / "rounds.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    assert command(folder) == 0
    return folder / "quickstart"


def test_a_run_leaves_everything_it_should(finished):
    written = {path.name for path in finished.iterdir()}
    assert {"config.json", "environment.json", "rounds.jsonl", "curves.csv", "table.md", "report.html"} <= written
    rows = records(finished)
    config = json.loads((finished / "config.json").read_text())
    assert len(rows) == len(config["strategies"]) * 2 * 3
    for row in rows:
        assert row["labels"] == 12 + 3 * row["round"]
        assert len(row["picked"]) == (3 if row["round"] < 2 else 0)
        assert 0 <= row["metrics"]["accuracy"] <= 1
        assert np.isfinite(list(row["diagnostics"].values())).all()
    for name in config["strategies"]:  # nothing is asked for twice
        picked = [i for row in rows if row["strategy"] == name and row["seed"] == 0 for i in row["picked"]]
        assert len(picked) == len(set(picked)) == 6


def test_strategies_share_initial_sets_and_training_keys(finished):
    first = [row for row in records(finished) if row["round"] == 0 and row["seed"] == 1]
    assert len({row["metrics"]["accuracy"] for row in first}) == 1
    assert len({tuple(row["picked"]) for row in first}) > 1


def test_a_finished_run_only_rebuilds_its_report(finished, capsys):
    before = (finished / "rounds.jsonl").read_bytes()
    (finished / "table.md").unlink()
    assert command(finished.parent) == 0
    assert (finished / "rounds.jsonl").read_bytes() == before
    assert (finished / "table.md").is_file()
    assert "complete" in capsys.readouterr().out


@pytest.mark.slow
def test_a_killed_run_goes_on_to_the_same_end(finished, tmp_path):
    """Cut at a random byte, as a kill does: the rest is done again, identically in all but the seconds."""
    folder = tmp_path / "quickstart"
    folder.mkdir()
    (folder / "config.json").write_bytes((finished / "config.json").read_bytes())
    whole = (finished / "rounds.jsonl").read_bytes()
    (folder / "rounds.jsonl").write_bytes(whole[: int(len(whole) * 0.47)])
    assert command(tmp_path) == 0

    def comparable(folder):
        rows = [{key: row[key] for key in row if key != "seconds"} for row in records(folder)]
        return sorted(rows, key=lambda row: (row["strategy"], row["seed"], row["round"]))

    assert comparable(folder) == comparable(finished)


def test_one_compilation_serves_all_rounds(tmp_path):
    """Programs are compiled ahead for fixed shapes: another round cannot compile, it could only fail."""
    config = run.parse(
        [*TINY, "--strategies", "random", "v_optimal", "--contrasts", "v_optimal", "--out", str(tmp_path)]
    )
    config, task = execution.load(config)
    programs = execution.compile_programs(config, task)
    assert set(programs.seconds) == {"learn", "random", "v_optimal"}
    rounds = list(run.rounds(config, task, programs, "v_optimal", range(2), [], 0, {}))
    assert [len(records) for records in rounds] == [2, 2, 2]


@pytest.mark.slow
def test_looped_seeds_begin_like_vmapped_ones(finished, tmp_path):
    assert command(tmp_path, "--mode", "loop", "--strategies", "random", "margin", "--contrasts", "margin") == 0
    looped = {(r["strategy"], r["seed"]): r for r in records(tmp_path / "quickstart") if r["round"] == 0}
    for row in records(finished):
        if row["round"] == 0 and (key := (row["strategy"], row["seed"])) in looped:
            np.testing.assert_allclose(row["metrics"]["nll"], looped[key]["metrics"]["nll"], rtol=1e-3)


BAD = {
    "pool smaller than the budget": (["--rounds", "1000"], "larger than the pool"),
    "zero batch size": (["--batch-size", "0"], "batch-size must be at least 1; got 0"),
    "negative batch size": (["--batch-size", "-5"], "batch-size must be at least 1; got -5"),
    "no seed": (["--seeds", "0"], "seeds must be at least 1"),
    "initial set of one class": (["--initial", "1"], "one class only"),
    "unknown strategy": (["--strategies", "random", "v_optimum"], "Did you mean 'v_optimal'?"),
    "unknown data set": (["--data", "digit"], "digits"),
    "missing data": (["--data", "ham10000"], "CC BY-NC 4.0"),
    "contrast that is not run": (["--strategies", "random", "badge"], "contrast 'd_optimal' is not among"),
    "negative prior precision": (["--prior-precision", "-1"], "prior-precision must be positive"),
    "zero learning rate": (["--learning-rate", "0"], "learning-rate must be positive"),
    "a path as name": (["--name", "../x"], "must not be a path"),
    "a cnn on vectors": (["--model", "cnn"], "a cnn needs images"),
    "an option of another data set": (["--resolution", "28"], "resolution"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_clear_line(case, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("ALFI_DATA", str(tmp_path / "nothing"))

    def never(*arguments, **options):
        raise AssertionError("compiled before complaining")

    monkeypatch.setattr(execution, "compile_programs", never)
    options, message = BAD[case]
    out = tmp_path / "results"
    assert run.main([*TINY, "--out", str(out), *options]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not out.exists()


def test_bad_values_in_data(tmp_path, capsys, monkeypatch):
    (tmp_path / "medmnist").mkdir()
    images = np.zeros((20, 28, 28), np.uint8)
    labels = np.full((20, 1), -1)
    splits = {f"{s}_{k}": v for s in ("train", "val", "test") for k, v in (("images", images), ("labels", labels))}
    np.savez(tmp_path / "medmnist" / "breastmnist.npz", **splits)
    monkeypatch.setenv("ALFI_DATA", str(tmp_path))
    assert run.main(["quickstart", "--data", "breastmnist", "--out", str(tmp_path / "results")]) == 2
    assert "label" in capsys.readouterr().err


def test_unknown_experiment(capsys):
    assert run.main(["quikstart"]) == 2
    assert "Did you mean 'quickstart'?" in capsys.readouterr().err


def test_a_folder_with_another_run_is_left_alone(finished, capsys):
    before = {path.name: path.read_bytes() for path in finished.iterdir()}
    assert command(finished.parent, "--seeds", "3") == 2
    assert "seeds: 2 there, 3 now" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in finished.iterdir()} == before


def test_a_folder_of_something_else_is_left_alone(tmp_path, capsys):
    (tmp_path / "quickstart").mkdir()
    (tmp_path / "quickstart" / "thesis.tex").write_text("x")
    assert command(tmp_path) == 2
    assert "no run wrote" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "quickstart").iterdir()] == ["thesis.tex"]


def test_a_strategy_that_fails_does_not_stop_the_others(tmp_path, capsys, monkeypatch):
    honest = run.rounds

    def fail(config, task, programs, name, *rest):
        if name == "margin":
            raise FloatingPointError("on purpose")
        return honest(config, task, programs, name, *rest)

    monkeypatch.setattr(run, "rounds", fail)
    assert command(tmp_path, "--strategies", "random", "margin", "entropy", "--contrasts", "entropy") == 1
    assert "margin: FloatingPointError: on purpose" in capsys.readouterr().err
    assert {row["strategy"] for row in records(tmp_path / "quickstart")} == {"random", "entropy"}


def test_broken_lines_inside_are_not_passed_over(tmp_path):
    (tmp_path / "rounds.jsonl").write_text('{"strategy": "random"}\n{broken\n{"strategy": "random"}\n')
    with pytest.raises(ValueError, match="line 2 is not JSON"):
        store._rounds(tmp_path / "rounds.jsonl")


def test_config_is_complete_without_the_command_line():
    for data in ("digits", "breastmnist", "ham10000"):
        assert isinstance(run.parse(["quickstart", "--data", data]), Config)
