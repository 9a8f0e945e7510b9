"""Handwritten digits as unbalanced as a clinic's images: one common class, six rarer and rarer ones, no files."""

from pathlib import Path

import numpy as np

from alfi.data.checks import checked
from alfi.data.digits import CITATION
from alfi.data.facts import Facts
from alfi.typing import Dataset

CLASSES = ("0-3", "4", "5", "6", "7", "8", "9")
N_TRAIN = (508, 85, 70, 45, 30, 20, 12)
N_TEST = 50  # of each class
FACTS = (Facts("digits_long_tailed", "handwriting: 7 classes, 66 % in one", "1,120 of 1,797", "CC BY 4.0", CITATION),)


def load(root: Path, *, seed: int = 0) -> Dataset:
    """1,120 handwritten digits as x[1120, 64] in [0, 1], 7 classes: 770 train, 66 % of them in one class; 350 test.

    Of scikit-learn's digits (``alfi.data.digits``): class 0 is the digits 0, 1, 2 and 3 together, which gives a pool
    several times larger than one digit as the majority would; classes 1 to 6 are the digits 4 to 9. The training part
    has 508, 85, 70, 45, 30, 20 and 12 of them (66 %, then 11 % down to 1.6 %, about the frequencies of HAM10000); the
    test part 50 of each class, so that plain accuracy on it is balanced accuracy. Which digits are taken is fixed by
    ``seed``; ids are those of ``digits``, in their order. ``root`` is not read. Writers are not known: no groups.

    Raises ValueError for a negative ``seed``. Cost: .1 s, after 2 s to import scikit-learn.

    Source: Alpaydin and Kaynak, Optical Recognition of Handwritten Digits, UCI 1998, doi 10.24432/C50P49; CC BY 4.0.

    Example: ``alfi.data.load("digits_long_tailed").x.shape == (1120, 64)``
    """
    from sklearn.datasets import load_digits

    if seed < 0:
        raise ValueError(f"digits_long_tailed: seed: got {seed}, expected 0 or more")
    x, digit = load_digits(return_X_y=True)
    y = np.maximum(digit - 3, 0)
    split = np.full(len(y), "", dtype="<U5")
    rng = np.random.default_rng(seed)
    for label, n_train in enumerate(N_TRAIN):
        rows = rng.permutation(np.flatnonzero(y == label))
        split[rows[:N_TEST]] = "test"
        split[rows[N_TEST : N_TEST + n_train]] = "train"
    rows = np.flatnonzero(split != "")
    ids = np.array([f"digits/{index}" for index in rows])
    return checked("digits_long_tailed", Dataset(x[rows] / 16, y[rows], ids, None, split[rows], CLASSES))
