"""The command on a file of embeddings, as a user meets it."""

import csv

import numpy as np
import pytest

from experiments import files, select

N, P = 80, 4
X = np.random.default_rng(0).normal(size=(N, P)) * [3.0, 1.0, 1.0, 0.3] + 0.5
CLASSES = np.argmax(X[:, :3], axis=1)
LABELS = np.where(np.arange(N) < 20, CLASSES, -1)


@pytest.fixture
def call(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", X)

    def run(*options, **arrays):
        for name, values in arrays.items():
            np.save(f"{name}.npy", values)
        files = [part for name in arrays if name != "x" for part in (f"--{name}", f"{name}.npy")]
        code = select.main(["x.npy", *files, *options])
        with open("indices.csv", newline="") as file:
            return code, list(csv.DictReader(file))

    return run


def chosen(rows):
    return [int(row["index"]) for row in rows]


def test_without_labels_it_is_the_design_of_a_linear_model(call):
    """Of embeddings of root mean square 1 and a constant, with a prior precision of 1."""
    code, rows = call("--batch", "6")
    assert code == 0
    scaled = np.concatenate([X / np.sqrt((X**2).mean()), np.ones((N, 1))], axis=1)
    information, expected, gains = np.eye(P + 1), [], []
    for _ in range(6):
        gain = np.log1p(np.einsum("np,pq,nq->n", scaled, np.linalg.inv(information), scaled))
        gain[expected] = -1
        expected.append(int(np.argmax(gain)))
        gains.append(gain.max())
        information += np.outer(scaled[expected[-1]], scaled[expected[-1]])
    assert chosen(rows) == expected
    np.testing.assert_allclose([float(row["gain"]) for row in rows], gains, rtol=1e-3)
    assert [row["rank"] for row in rows] == list("123456")


def test_labelled_excluded_and_grouped_rows_are_kept_out(call):
    groups, exclude = np.arange(N) // 4, np.arange(N) >= 60
    code, rows = call("--batch", "8", "--steps", "50", labels=LABELS, groups=groups, exclude=exclude)
    assert code == 0
    assert all(20 <= row < 60 for row in chosen(rows))
    assert len(set(groups[chosen(rows)])) == 8


def test_strategies_see_the_fitted_model(call):
    """The most uncertain are near the borders between the classes."""
    code, rows = call("--batch", "5", "--strategy", "margin", labels=LABELS)
    assert code == 0
    ordered = np.sort(X[:, :3], axis=1)
    distance = ordered[:, 2] - ordered[:, 1]
    assert distance[chosen(rows)].mean() < 0.5 * distance[20:].mean()


def test_real_labels_are_a_regression(call):
    y = np.where(np.arange(N) < 30, 100 + 7 * X[:, 0], np.nan)
    code, rows = call("--batch", "4", "--strategy", "igs", "--steps", "50", labels=y)
    assert code == 0
    assert all(row >= 30 for row in chosen(rows))


def test_cheap_ones_first(call):
    costs = np.where(np.arange(N) % 2, 1.0, 1000.0)
    assert all(row % 2 for row in chosen(call("--batch", "10", costs=costs)[1]))


def test_a_budget_is_kept(call):
    costs = np.where(np.arange(N) % 2, 1.0, 3.0)
    picked = chosen(call("--batch", "20", "--budget", "7.5", costs=costs)[1])
    assert 6.5 < costs[picked].sum() <= 7.5
    assert len(picked) < 20


def test_half_precision_is_read(call):
    assert call("--batch", "3", x=X.astype(np.float16))[0] == 0


def with_nan():
    x = X.copy()
    x[[3, 7], 1] = np.nan, np.inf
    return x


BAD = {
    "rows that are no numbers": ([], {"x": with_nan()}, "2 of 80 rows of x.npy hold NaN or infinity: 3, 7."),
    "zeros": ([], {"x": X * 0}, "zeros only"),
    "integers": ([], {"x": np.ones((3, 2), int)}, "must hold real numbers [n, d]; got int64 of shape (3, 2)"),
    "one axis": ([], {"x": X[0]}, "must hold real numbers [n, d]"),
    "unknown strategy": (["--strategy", "d_optima"], {}, "Did you mean 'd_optimal'?"),
    "labels needed": (["--strategy", "margin"], {}, "margin needs a trained model: give --labels"),
    "batch too large": (["--batch", "81"], {}, "the batch of 81 is larger than the pool: 80 rows may be asked"),
    "more than groups": (["--batch", "9"], {"groups": np.arange(N) // 10}, "8 groups may be asked"),
    "more than is left": (["--batch", "70"], {"labels": LABELS}, "60 rows may be asked (80 rows, 20 labelled, 0 excl"),
    "no batch": (["--batch", "0"], {}, "batch and steps must be at least 1"),
    "other length": ([], {"labels": LABELS[:9]}, "a label for each of 80 rows; got int64 of shape (9,)"),
    "no label": ([], {"labels": np.full(N, -1)}, "labels no row"),
    "classes below -1": ([], {"labels": LABELS - 1}, "and -1 where not labelled"),
    "free labelling": ([], {"costs": np.zeros(N)}, "costs must be positive; row 0"),
    "a budget without costs": (["--budget", "3"], {}, "needs --costs"),
    "no mask": ([], {"exclude": np.arange(N)}, "must hold a boolean for each"),
    "negative prior": (["--prior-precision", "-1"], {}, "prior-precision must be positive"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_clear_line(case, call, capsys, monkeypatch, tmp_path):
    options, arrays, message = BAD[case]
    (tmp_path / "indices.csv").touch()
    code, rows = call(*options, **arrays)
    assert (code, rows) == (2, [])
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    assert message in lines[0]


def test_a_file_that_is_none(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.npy").write_text("not an array")
    assert select.main(["x.npy"]) == select.main(["y.npy"]) == 2
    errors = capsys.readouterr().err
    assert "is not a .npy of numbers" in errors
    assert "y.npy" in errors


def test_all_pairs_of_a_large_pool_are_refused(call, monkeypatch, tmp_path, capsys):
    (tmp_path / "indices.csv").touch()
    monkeypatch.setattr(select, "LARGEST", 50)
    assert call("--batch", "2", "--strategy", "max_herding")[0] == 2
    assert "compares all pairs: at most 50 rows; got 80" in capsys.readouterr().err


def test_reading_in_pieces_changes_nothing(call, monkeypatch):
    whole = chosen(call("--batch", "5")[1])
    monkeypatch.setattr(files, "CHUNK", 7)
    assert chosen(call("--batch", "5")[1]) == whole
