"""Handwritten digits: the data set that needs no data."""

from pathlib import Path

import numpy as np

from alfi.data.checks import checked
from alfi.data.facts import Facts
from alfi.typing import Dataset

N_TEST = 500
CITATION = "Alpaydin and Kaynak, UCI 1998, doi 10.24432/C50P49"
FACTS = (Facts("digits", "handwriting: 10 digits", "1,797 images of 8 x 8", "CC BY 4.0", CITATION),)


def load(root: Path, *, seed: int = 0) -> Dataset:
    """1797 handwritten digits as x[1797, 64] in [0, 1] (8 x 8 pixels, row by row); 1297 train, 500 test.

    The copy that scikit-learn carries (its pixels are 0 to 16), in its order; ``root`` is not read. The split is
    stratified by class and fixed by ``seed`` (0 unless told otherwise), which changes nothing else. Writers are not
    known: no groups.

    Raises ValueError for a negative ``seed``. Cost: .1 s, after 2 s to import scikit-learn.

    Source: Alpaydin and Kaynak, Optical Recognition of Handwritten Digits, UCI 1998, doi 10.24432/C50P49; CC BY 4.0.

    Example: ``alfi.data.load("digits", seed=0).x.shape == (1797, 64)``
    """
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    if seed < 0:
        raise ValueError(f"digits: seed: got {seed}, expected 0 or more")
    x, y = load_digits(return_X_y=True)
    split = np.full(len(x), "train")
    split[train_test_split(np.arange(len(x)), test_size=N_TEST, stratify=y, random_state=seed)[1]] = "test"
    ids = np.array([f"digits/{index}" for index in range(len(x))])
    return checked("digits", Dataset(x / 16, y, ids, None, split, tuple("0123456789")))
