"""The digits of scikit-learn."""

import numpy as np
import pytest

import alfi.data


def test_facts():
    data = alfi.data.load("digits", root="not/read")
    assert data.x.shape == (1797, 64)
    assert data.x.dtype == np.float32
    assert data.y.dtype == np.int32
    assert (data.x.min(), data.x.max()) == (0, 1)
    np.testing.assert_array_equal(data.x * 16, np.round(data.x * 16))
    assert data.classes == tuple("0123456789")
    assert data.groups is None
    assert data.ids[[0, -1]].tolist() == ["digits/0", "digits/1796"]
    assert np.bincount(data.y).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_split_is_stratified_and_fixed():
    data = alfi.data.load("digits")
    pool, test = (np.bincount(data.y[data.split == split]) for split in ("train", "test"))
    assert (pool.sum(), test.sum()) == (1297, 500)
    np.testing.assert_allclose(test, (pool + test) * 500 / 1797, atol=1)
    # These very rows: a published number must not move because the split did.
    assert np.flatnonzero(data.split == "test")[:8].tolist() == [10, 21, 24, 25, 28, 32, 34, 35]


def test_seed_changes_the_split_only():
    data, same, other = (alfi.data.load("digits", seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(data.split, same.split)
    assert (data.split != other.split).any()
    np.testing.assert_array_equal(data.x, other.x)
    np.testing.assert_array_equal(data.ids, other.ids)
    with pytest.raises(ValueError, match="seed: got -1, expected 0 or more"):
        alfi.data.load("digits", seed=-1)
