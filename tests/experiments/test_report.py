"""A report rebuilt from synthetic records: hand-computed numbers, incomplete runs, errors."""

import csv
import json

import numpy as np
import pytest

from experiments import report
from experiments.records import read

LABELS = [10, 20, 30]
RANDOM = [[0.5, 0.6, 0.7], [0.5, 0.7, 0.8], [0.4, 0.6, 0.8]]  # areas .6, .675, .6
V = [[0.5, 0.8, 0.7], [0.5, 0.9, 0.84], [0.4, 0.9, 0.8]]  # areas .7, .785, .75
CURVES = {"random": RANDOM, "v_optimal": V, "margin": RANDOM}
CONFIG = {
    "name": "tiny",
    "data": "digits",
    "strategies": list(CURVES),
    "seeds": 3,
    "initial": 10,
    "rounds": 2,
    "batch_size": 10,
    "metric": "accuracy",
    "contrasts": ["v_optimal", "margin"],
    "command": "python -m experiments.run tiny <&>",
}


def lines(curves=CURVES):
    for strategy, seeds in curves.items():
        for seed, values in enumerate(seeds):
            for i, value in enumerate(values):
                last = i == len(values) - 1
                diagnostics = {
                    "log_prior_precision": 0.1 * i,
                    "trace_labelled": 0.6,
                    "trace_pool": 31.0,
                    "effective_dimension": 9.0,
                }
                yield {
                    "strategy": strategy,
                    "seed": seed,
                    "round": i,
                    "labels": LABELS[i],
                    "metrics": {"accuracy": value, "nll": None if value is None else 1 - value},
                    "picked": [] if last else [f"digit-{seed}", "a,b"],
                    "gains": [] if last else [1.5, None],
                    "diagnostics": diagnostics if strategy == "v_optimal" and not last else {},
                    "train_accuracy": 1.0,
                    "steps": 200,
                    "seconds": {"train": 0.5} if last else {"train": 0.5, "select": 0.25},
                }


@pytest.fixture
def folder(tmp_path):
    return write(tmp_path / "tiny [1]", lines())  # a name that is also a pattern


def write(folder, records, config=CONFIG, tail=""):
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "environment.json").write_text(json.dumps({"jax": "0.10.2", "compile_seconds": {"train": 2.5}}))
    text = "".join(json.dumps(record) + "\n" for record in records)
    (folder / "rounds.jsonl").write_text(text + tail)
    return folder


def rows(folder, heading):
    """The table below a heading, as {first cell: other cells}."""
    text = report.markdown(read(folder)).split(f"## {heading}\n\n")[1].split("\n\n")[0]
    cells = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in text.splitlines()]
    return {row[0]: row[1:] for row in cells if not row[0].startswith("---")}


def test_table_has_the_numbers_computed_by_hand(folder):
    table = rows(folder, "Accuracy")
    # s.e. of .6, .675, .6 is .025. Differences .10, .11, .15: mean .12, s.e. sqrt(.0007 / 3), interval 4.302653 s.e.;
    # p = 1 - t / sqrt(2 + t^2) = .01582 (two degrees of freedom), times 2 for Holm; Wilcoxon 2 / 2^3.
    assert table["random"][:6] == ["0.6250 ± 0.0250", "0.7667 ± 0.0333", "–", "–", "–", "–"]
    assert table["random"][6:] == ["1.00 [1.00, never]", "1 of 3", "0.25"]
    assert table["v_optimal"][0] == "0.7450 ± 0.0247"
    assert table["v_optimal"][2:6] == ["+0.1200 ± 0.0153", "[+0.0543, +0.1857]", "0.032", "0.250"]
    assert table["v_optimal"][6:8] == ["0.62 [0.61, 0.64]", "0 of 3"]
    assert table["margin"][2:6] == ["+0.0000 ± 0.0000", "[+0.0000, +0.0000]", "1.000", "1.000"]
    other = rows(folder, "Other metrics")
    assert other["strategy"] == ["area under nll (less is better)", "minus random"]
    assert other["v_optimal"] == ["0.2550 ± 0.0247", "-0.1200 ± 0.0153"]
    assert rows(folder, "Training and time")["random"] == ["1.0000", "200", "0.5", "0.25", "6"]


def test_tidy_files(folder):
    files = report.build(folder)
    curves, picks, timings = (
        list(csv.DictReader(path.read_text().splitlines())) for path in (files.curves, files.picks, files.timings)
    )
    assert len(curves) == 3 * 3 * 3 * 2
    assert curves[0] == {
        "strategy": "random", "seed": "0", "round": "0", "labels": "10", "metric": "accuracy", "value": "0.5"
    }  # fmt: skip
    assert len(picks) == 3 * 3 * 2 * 2
    assert list(picks[1].values()) == ["random", "0", "0", "1", "a,b", ""]
    assert sum(float(row["seconds"]) for row in timings if row["phase"] == "train") == pytest.approx(27 * 0.5)


def test_figure_and_page(folder):
    files = report.build(folder)
    assert files.figure.read_bytes().startswith(b"\x89PNG")
    page = files.page.read_text()
    assert page.count("data:image/png;base64,") == 2  # learning curves and diagnostics
    assert "http" not in page  # nothing is fetched from a network
    assert "python -m experiments.run tiny &lt;&amp;&gt;" in page
    assert "compile_seconds.train" in page
    assert "adjustment covers the contrasts declared beforehand (v_optimal, margin)" in page
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]  # no temporary file is left


def test_rebuilding_gives_the_same_bytes(folder):
    before = [path.read_bytes() for path in report.build(folder)]
    assert [path.read_bytes() for path in report.build(folder)] == before
    assert (folder / "table.md").read_text() == report.markdown(read(folder))


def test_truncated_last_line(folder):
    table = report.markdown(read(folder))
    write(folder, lines(), tail='{"strategy": "margin", "seed": 2, "rou')
    note = "- Line 28 of rounds.jsonl, the last, is truncated and was ignored.\n"
    assert report.markdown(read(folder)) == table + note


def test_a_round_recorded_twice_counts_as_recorded_last(folder):
    table = report.markdown(read(folder))
    wrong = next(lines()) | {"metrics": {"accuracy": 0.0}}
    write(folder, [wrong, *lines()])
    assert report.markdown(read(folder)) == table


def test_missing_rounds(folder):
    write(folder, [each for each in lines() if each["strategy"] != "margin" or each["round"] < 2])
    records = read(folder)
    assert records.labels.tolist() == [10, 20]
    assert records.notes == ["Rounds 2 to 2 are left out, not being complete for margin."]
    assert rows(folder, "Accuracy")["random"][0] == "0.5500 ± 0.0289"  # .55, .6, .5


def test_a_failed_seed_leaves_all_strategies(folder):
    curves = CURVES | {"margin": [RANDOM[0], [0.5, None, None], RANDOM[2]]}
    write(folder, lines(curves))
    records = read(folder)
    assert records.seeds == [0, 2]
    assert records.notes == ["Seed 1 is left out, having fewer than 3 complete rounds: margin has 1."]
    assert rows(folder, "Accuracy")["random"][0] == "0.6000 ± 0.0000"
    text = (folder / "rounds.jsonl").read_text().replace("null", "NaN")  # what Python's json writes by default
    (folder / "rounds.jsonl").write_text(text)
    assert read(folder).seeds == [0, 2]


def test_a_strategy_without_any_round_is_named(folder):
    write(folder, lines(CURVES | {"margin": []}))
    assert read(folder).notes == ["margin has no complete round and is left out."]
    assert list(rows(folder, "Accuracy")) == ["strategy", "random", "v_optimal"]
    assert rows(folder, "Accuracy")["v_optimal"][4] == "0.032"  # the family of contrasts is as declared


def test_a_run_killed_early(folder):
    write(folder, lines({name: [seed[:1] for seed in seeds[:2]] for name, seeds in CURVES.items()}))
    records = read(folder)
    assert records.notes == [
        "Only 1 of 3 points of the curves were recorded.",
        "Only 2 of 3 seeds were recorded.",
    ]
    report.build(folder)


def test_labels_that_differ_are_not_compared(folder):
    write(folder, [each | {"labels": 29} if each["seed"] == 0 and each["round"] == 2 else each for each in lines()])
    assert read(folder).labels.tolist() == LABELS
    assert read(folder).seeds == [1, 2]


def test_one_seed(folder):
    write(folder, lines({name: seeds[:1] for name, seeds in CURVES.items()}), CONFIG | {"seeds": 1})
    assert rows(folder, "Accuracy")["v_optimal"][2:6] == ["+0.1000 ± –", "[–, –]", "–", "–"]


def test_less_is_better(folder):
    write(folder, lines(), CONFIG | {"metric": "nll", "contrasts": []})
    text = report.markdown(read(folder))
    assert "Less is better." in text
    assert rows(folder, "Nll")["v_optimal"][6:8] == ["–", "–"]


def test_without_random_the_first_strategy_is_the_baseline(folder):
    write(folder, lines(), CONFIG | {"strategies": ["margin", "v_optimal"]})
    records = read(folder)
    assert records.baseline == "margin"
    assert records.notes == ["Not in the configuration, and left out: random."]
    assert "area minus margin" in rows(folder, "Accuracy")["strategy"]


def test_empty_optional_parts(folder):
    bare = [{key: each[key] for key in ("strategy", "seed", "round", "labels", "metrics")} for each in lines()]
    write(folder, bare)
    page = report.build(folder).page.read_text()
    assert "Diagnostics" not in page
    assert (folder / "picks.csv").read_text() == "strategy,seed,round,order,id,gain\n"


@pytest.mark.parametrize("width", [80, 200])
def test_console_keeps_cells_whole(folder, capsys, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    report.print_table(folder)
    text = capsys.readouterr().out
    assert all(cell in text for cell in ("0.6250 ± 0.0250", "[+0.0543, +0.1857]", "0.62 [0.61, 0.64]", "v_optimal"))
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text


def breakage(name):
    def missing_folder(folder):
        return folder / "nothing"

    def missing_rounds(folder):
        (folder / "rounds.jsonl").unlink()

    def missing_environment(folder):
        (folder / "environment.json").unlink()

    def malformed_line(folder):
        text = (folder / "rounds.jsonl").read_text().splitlines()
        (folder / "rounds.jsonl").write_text("\n".join([text[0], "{oops", *text[1:]]))

    def malformed_config(folder):
        (folder / "config.json").write_text("{")

    def poor_config(folder):
        (folder / "config.json").write_text('{"name": "tiny"}')

    def poor_line(folder):
        (folder / "rounds.jsonl").write_text('{"strategy": "random", "seed": 0}\n' * 2)

    def wrong_type(folder):
        (folder / "rounds.jsonl").write_text(json.dumps(next(lines()) | {"metrics": {"accuracy": "high"}}) + "\n")

    def no_round(folder):
        (folder / "rounds.jsonl").write_text("")

    def all_failed(folder):
        write(folder, lines({name: [[None]] for name in CURVES}))

    def no_baseline(folder):
        write(folder, lines(CURVES | {"random": []}))

    return locals()[name]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing_folder", "no folder"),
        ("missing_rounds", "no file"),
        ("missing_environment", "no file"),
        ("malformed_line", "line 2 is not JSON"),
        ("malformed_config", "is not JSON"),
        ("poor_config", "lacks data, strategies"),
        ("poor_line", "line 1 lacks"),
        ("wrong_type", 'rounds.jsonl", in line 1'),
        ("no_round", "holds no round"),
        ("all_failed", "no complete round"),
        ("no_baseline", "no complete round of random"),
    ],
)
def test_errors_are_one_line_and_exit_code_2(folder, capsys, name, message):
    target = breakage(name)(folder) or folder
    assert report.main([str(target)]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""


def test_command_line(folder, capsys):
    assert report.main([str(folder), "--quiet"]) == 0
    assert capsys.readouterr().out.strip() == str(folder / "report.html")
    with pytest.raises(SystemExit) as leave:
        report.main(["--help"])
    assert leave.value.code == 0
    assert "rounds.jsonl" in capsys.readouterr().out


def test_many_strategies_keep_their_colours(tmp_path):
    rng = np.random.default_rng(0)
    names = ["random", *(f"strategy_{i}" for i in range(12))]
    curves = {name: (0.5 + 0.1 * np.arange(3) + rng.normal(0, 0.01, (3, 3))).tolist() for name in names}
    folder = write(
        tmp_path / "many", lines(curves), CONFIG | {"strategies": names, "contrasts": ["strategy_1", "absent"]}
    )
    report.build(folder)
    assert len(rows(folder, "Accuracy")) == 14
