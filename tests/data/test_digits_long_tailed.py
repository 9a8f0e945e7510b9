"""The unbalanced digits: counts, and that they are digits."""

import numpy as np
import pytest

import alfi.data


def test_facts():
    data = alfi.data.load("digits_long_tailed", root="not/read")
    assert data.x.shape == (1120, 64)
    assert data.classes == ("0-3", "4", "5", "6", "7", "8", "9")
    assert np.bincount(data.y[data.split == "train"]).tolist() == [508, 85, 70, 45, 30, 20, 12]
    assert np.bincount(data.y[data.split == "test"]).tolist() == [50] * 7
    assert np.mean(data.y[data.split == "train"] == 0) == pytest.approx(0.66, abs=0.001)


def test_rows_are_those_of_digits():
    data, digits = alfi.data.load("digits_long_tailed"), alfi.data.load("digits")
    rows = [int(name.removeprefix("digits/")) for name in data.ids]
    assert rows == sorted(rows)
    np.testing.assert_array_equal(data.x, digits.x[rows])
    names = {str(digit): "0-3" if digit < 4 else str(digit) for digit in range(10)}
    assert [data.classes[label] for label in data.y] == [names[digits.classes[label]] for label in digits.y[rows]]


def test_seed_decides_and_nothing_else_does():
    data, same, other = (alfi.data.load("digits_long_tailed", seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(data.ids, same.ids)
    np.testing.assert_array_equal(data.split, same.split)
    assert set(data.ids) != set(other.ids)
    # These very rows: a published number must not move because the draw did.
    assert data.ids[:5].tolist() == ["digits/0", "digits/2", "digits/4", "digits/5", "digits/6"]
    with pytest.raises(ValueError, match="seed: got -1, expected 0 or more"):
        alfi.data.load("digits_long_tailed", seed=-1)
