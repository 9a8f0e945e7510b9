"""What the readers share: splits, duplicates, tables."""

import os

import numpy as np
import pytest

from alfi.data.duplicates import distinct
from alfi.data.root import require
from alfi.data.splits import split
from alfi.data.tables import rows


def test_split_is_by_whole_groups_and_in_proportion():
    rng = np.random.default_rng(0)
    groups = np.sort(rng.integers(0, 150, 600))
    y = groups % 3
    sides = split("here", y, groups, test_fraction=0.2, val_fraction=0.1, seed=3)
    for group in np.unique(groups):
        assert len(set(sides[groups == group])) == 1
    for label in range(3):
        fractions = [(sides[y == label] == side).mean() for side in ("train", "val", "test")]
        np.testing.assert_allclose(fractions, [0.7, 0.1, 0.2], atol=0.03)
    large = split("here", y, groups, test_fraction=0.5, val_fraction=0.25, seed=3)
    np.testing.assert_allclose([(large == side).mean() for side in ("train", "val")], 0.25, atol=0.02)
    smaller = split("here", y, groups, test_fraction=0.1, seed=3)
    assert set(np.flatnonzero(smaller == "test")) < set(np.flatnonzero(sides == "test"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"test_fraction": 1.0}, "test_fraction: got 1.0, expected 0 <= test_fraction < 1"),
        ({"test_fraction": float("nan")}, "test_fraction: got nan"),
        ({"test_fraction": 0.5, "val_fraction": 0.5}, r"test_fraction \+ val_fraction: got 1.0, expected < 1"),
        ({"test_fraction": 0.5, "seed": -1}, "seed: got -1, expected 0 or more"),
    ],
)
def test_split_options(options, message):
    with pytest.raises(ValueError, match=f"^here: {message}"):
        split("here", np.zeros(4, int), **options)


def test_distinct_by_brute_force():
    rng = np.random.default_rng(0)
    for _ in range(200):
        images, y = rng.integers(0, 6, 12), rng.integers(0, 2, 12)
        sides = rng.choice(["train", "val", "test"], 12, p=[0.7, 0.1, 0.2])
        keep = distinct(images.tolist(), y, sides)
        for i in range(12):
            same = [j for j in range(12) if images[j] == images[i]]
            if sides[i] != "train":
                expected = True
            elif any(sides[j] != "train" or y[j] != y[i] for j in same):
                expected = False
            else:
                expected = i == same[0]
            assert keep[i] == expected


def test_rows_of_a_table(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text('\ufeffname , grade ,,\n"a, b", 1 ,,\n,,,\nc,2,,\n', encoding="utf-8")
    assert [(row["name"], row["grade"]) for row in rows(path, ("name", "grade"))] == [("a, b", "1"), ("c", "2")]
    path.write_text("x;y\n1,5;2\n")
    assert rows(path) == [{"x": "1,5", "y": "2"}]
    path.write_text("")
    assert rows(path) == []
    with pytest.raises(ValueError, match=r"table\.csv: line 1: got columns , expected also x"):
        rows(path, ("x",))
    path.write_text("a.tif,Normal\nb.tif\n")
    with pytest.raises(ValueError, match=r"table\.csv: line 2: .*b\.tif.* expected a value for class"):
        rows(path, ("file", "class"), header=("file", "class"))


def test_a_file_that_may_not_be_read_is_named(tmp_path, monkeypatch):
    path = tmp_path / "a.csv"
    path.touch()
    assert require(path, source="there", licence="free") == path
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may read everything: chmod would not tell
    with pytest.raises(PermissionError, match=r"a\.csv: no permission to read it"):
        require(path, source="there", licence="free")
