"""What to do with one image that is there twice."""

from collections import defaultdict
from collections.abc import Hashable, Sequence

import numpy as np


def distinct(images: Sequence[Hashable], labels: np.ndarray, split: np.ndarray) -> np.ndarray:
    """A mask [n] of the rows to keep; ``images`` are digests, equal for equal images.

    Test and val stay as published. A training image that is also in one of them goes. Of equal training images the
    first stays where their labels agree; where they contradict each other all go, since none is known to be right.

    >>> distinct(["a", "b", "a", "b", "c", "c"], np.array([0, 1, 0, 2, 3, 3]), np.array(["train"] * 5 + ["test"]))
    array([ True, False, False, False, False,  True])
    """
    rows = defaultdict(list)
    for index, image in enumerate(images):
        rows[image].append(index)
    keep = np.ones(len(labels), bool)
    for same in rows.values():
        train = [index for index in same if split[index] == "train"]
        contradict = len({int(labels[index]) for index in train}) > 1
        keep[train if contradict or len(train) < len(same) else train[1:]] = False
    return keep
