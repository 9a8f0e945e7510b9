"""The table of scikit-learn."""

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer

import alfi.data


def test_facts():
    data = alfi.data.load("breast_cancer", root="not/read")
    assert data.x.shape == (569, 30)
    assert data.classes == ("malignant", "benign")
    assert np.bincount(data.y).tolist() == [212, 357]
    assert [np.bincount(data.y[data.split == split]).tolist() for split in ("train", "test")] == [[170, 286], [42, 71]]


def test_standardised_on_the_training_part_only():
    data = alfi.data.load("breast_cancer", test_fraction=0.5, seed=3)
    train = data.x[data.split == "train"]
    np.testing.assert_allclose(train.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(train.std(axis=0), 1, atol=1e-5)
    assert abs(data.x[data.split == "test"].mean(axis=0)).max() > 0.01
    raw = load_breast_cancer().data
    slope, intercept = np.polyfit(raw[:, 7], data.x[:, 7], 1)  # nothing but shift and scale
    np.testing.assert_allclose(data.x[:, 7], slope * raw[:, 7] + intercept, atol=1e-5)


def test_seed_and_fraction():
    data, same, other = (alfi.data.load("breast_cancer", seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(data.split, same.split)
    assert (data.split != other.split).any()
    with pytest.raises(ValueError, match="breast_cancer: test_fraction: got 1, expected"):
        alfi.data.load("breast_cancer", test_fraction=1)
