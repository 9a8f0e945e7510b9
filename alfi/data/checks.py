"""The one place where the values of a data set are checked."""

import numpy as np

from alfi.typing import Dataset

SPLITS = ("train", "val", "test")


def checked(source: str, dataset: Dataset) -> Dataset:
    """``dataset`` with float32 ``x``, int32 ``y`` and ``groups`` and a tuple ``classes``, every value checked.

    ``source`` names the file in the message. Cost: two passes over ``x``, no temporary of its size.

    Labels are [n], or masks [n, h, w] of images [n, h, w, channels].

    Raises ValueError with what was got and what was expected: no examples, columns of different lengths, NaN or
    infinity, labels that are no integers or out of range, repeated ids, an unknown split.

    Example: ``checked("mine.npz", Dataset(x, y, ids, None, split, ("benign", "malignant")))``
    """
    x, y, ids, split = (np.asarray(column) for column in (dataset.x, dataset.y, dataset.ids, dataset.split))
    groups = None if dataset.groups is None else np.asarray(dataset.groups)
    classes = tuple(dataset.classes)

    def expect(condition: bool, what: str, got: object, expected: str) -> None:
        if not condition:
            raise ValueError(f"{source}: {what}: got {got}, expected {expected}")

    n = len(x)
    expect(n > 0, "examples", n, "at least one")
    shape = x.shape[:3] if y.ndim == 3 and x.ndim == 4 else (n,)
    expect(y.shape == shape, "labels", f"shape {y.shape}", f"{shape}" if y.ndim != 3 else f"{shape}, as the images")
    for what, column in {"ids": ids, "split": split, "groups": groups}.items():
        expect(column is None or column.shape == (n,), what, f"shape {getattr(column, 'shape', None)}", f"({n},)")
    low, high = x.min(), x.max()  # NaN and infinity reach at least one of the two
    expect(bool(np.isfinite(low) and np.isfinite(high)), "x", f"values from {low} to {high}", "finite values")
    for what, column in {"labels": y, "groups": groups}.items():
        expect(column is None or column.dtype.kind in "iu", what, f"dtype {getattr(column, 'dtype', None)}", "integers")
    in_range = y.min() >= 0 and y.max() < len(classes)
    expect(bool(in_range), "labels", f"{y.min()} to {y.max()}", f"0 to {len(classes) - 1} ({len(classes)} classes)")
    values, counts = np.unique(ids, return_counts=True)
    expect(len(values) == n, "ids", f"{values[counts.argmax()]!r} {counts.max()} times", "unique ids")
    expect(bool(np.isin(split, SPLITS).all()), "split", sorted(set(split.tolist())), f"only {', '.join(SPLITS)}")
    groups = None if groups is None else groups.astype(np.int32, copy=False)
    return Dataset(x.astype(np.float32, copy=False), y.astype(np.int32, copy=False), ids, groups, split, classes)
