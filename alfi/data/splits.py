"""Train, val and test by whole groups, so that no lesion or patient is on two sides."""

import numpy as np


def draw(rng: np.random.Generator, strata: np.ndarray, groups: np.ndarray, fraction: float) -> np.ndarray:
    """A mask [n] of whole groups: in each stratum as near to ``fraction`` of its rows as whole groups allow.

    A group belongs to the stratum of its first row. The order of a stratum's groups does not depend on ``fraction``:
    what a smaller one draws, a larger one draws too. Cost: n log n.

    >>> draw(np.random.default_rng(0), np.zeros(4, int), np.array([0, 0, 1, 1]), 0.5).sum()
    np.int64(2)
    """
    _, first, code, sizes = np.unique(groups, return_index=True, return_inverse=True, return_counts=True)
    chosen = np.zeros(len(sizes), bool)
    for stratum in np.unique(strata):
        members = rng.permutation(np.flatnonzero(strata[first] == stratum))
        size = sizes[members]
        chosen[members] = np.cumsum(size) - size / 2 < fraction * size.sum()
    return chosen[code]


def split(
    source: str,
    y: np.ndarray,
    groups: np.ndarray | None = None,
    *,
    test_fraction: float,
    val_fraction: float = 0.0,
    seed: int = 0,
) -> np.ndarray:
    """'train', 'val' or 'test' for each row, in proportion in each class of ``y`` [n]; whole groups.

    Both fractions are of all rows. Without ``groups`` each row is its own.

    Raises ValueError, beginning with ``source``, for fractions that leave nothing to train on or a negative seed.

    >>> split("mine", np.zeros(10, int), test_fraction=0.2, val_fraction=0.1).tolist().count("test")
    2
    """
    check(source, test_fraction=test_fraction, val_fraction=val_fraction, seed=seed)
    groups = np.arange(len(y)) if groups is None else groups
    rng = np.random.default_rng(seed)
    sides = np.full(len(y), "train")
    sides[draw(rng, y, groups, test_fraction)] = "test"
    rest = np.flatnonzero(sides == "train")
    if val_fraction:
        sides[rest[draw(rng, y[rest], groups[rest], val_fraction / (1 - test_fraction))]] = "val"
    return sides


def check(source: str, *, test_fraction: float, val_fraction: float = 0.0, seed: int = 0) -> None:
    """Raise ValueError, beginning with ``source``, for fractions that leave nothing to train on or a negative seed.

    >>> check("mine", test_fraction=0.2)
    """
    for name, fraction in {"test_fraction": test_fraction, "val_fraction": val_fraction}.items():
        if not 0 <= fraction < 1:
            raise ValueError(f"{source}: {name}: got {fraction}, expected 0 <= {name} < 1")
    if test_fraction + val_fraction >= 1:
        raise ValueError(f"{source}: test_fraction + val_fraction: got {test_fraction + val_fraction}, expected < 1")
    if seed < 0:
        raise ValueError(f"{source}: seed: got {seed}, expected 0 or more")
