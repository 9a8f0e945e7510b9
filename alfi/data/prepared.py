"""Data sets that TensorFlow Datasets has prepared, read without TensorFlow: ``alfi.data.load("tfds:NAME")``."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from alfi.data.checks import checked
from alfi.typing import Dataset

SPLITS = {"train": "train", "val": "val", "validation": "val", "valid": "val", "dev": "val", "test": "test"}


def loader(name: str) -> Callable[..., Dataset]:
    """``(root, *, data_dir, x, y) -> Dataset`` for what TFDS has prepared as ``name``; ``root`` is not read.

    name      as for TFDS: ``mnist``, ``mnist:3.0.1``, ``alfi_ham10000/resolution-64``. Nothing is downloaded
    data_dir  where TFDS keeps what it prepares; if not told, ``TFDS_DATA_DIR``, or ``tensorflow_datasets`` at home
    x, y      the features to take; if not told, those of ``supervised_keys``, else ``image`` and ``label``

    Bytes become float32 in [0, 1], other numbers stay. ``id`` and ``group`` are features of that name where there are
    (-1 in all of ``group``: none), else ids are ``NAME/SPLIT/INDEX``. Splits of other names than train, validation and
    test are left out. Examples must be of one shape.

    Raises ValueError: not prepared, prepared in a file format without random access (tfrecord), unknown features.
    Cost: .1 ms per small image.

    Source: https://www.tensorflow.org/datasets/data_source

    Example: ``alfi.data.load("tfds:mnist", data_dir="prepared").classes[3] == "3"``
    """

    def load(
        root: Path, *, data_dir: str | os.PathLike | None = None, x: str | None = None, y: str | None = None
    ) -> Dataset:
        import tensorflow_datasets as tfds
        from tensorflow_datasets.core.read_only_builder import builder_from_files

        where = {} if data_dir is None else {"data_dir": os.fspath(data_dir)}
        try:
            builder: Any = builder_from_files(name, **where)
        except tfds.core.DatasetNotFoundError as error:
            folder = data_dir or "TFDS_DATA_DIR or ~/tensorflow_datasets"
            raise ValueError(
                f"tfds:{name}: got nothing prepared under {folder}, expected what TFDS has prepared there "
                "(alfi.data.tfds.prepare does so for the data sets of alfi); name another folder by data_dir="
            ) from error
        info = builder.info
        features, splits = dict(info.features), list(info.splits)
        keys = info.supervised_keys or ("image", "label")
        x, y = x or str(keys[0]), y or str(keys[1])
        if missing := sorted({x, y} - set(features)):
            raise ValueError(
                f"tfds:{name}: got no feature {', '.join(missing)}, expected {', '.join(sorted(features))}"
            )
        names = [split for split in splits if split in SPLITS]
        if not names:
            raise ValueError(f"tfds:{name}: got splits {', '.join(splits)}, expected some of {', '.join(SPLITS)}")
        try:
            parts = {split: list(builder.as_data_source(split=split)) for split in names}
        except NotImplementedError as error:
            raise ValueError(
                f"tfds:{name}: got files that cannot be read in any order ({str(error).splitlines()[0]}), expected "
                "file_format='array_record': prepare it again"
            ) from error
        rows = [row for part in parts.values() for row in part]
        shapes = {np.shape(row[x]) for row in rows}
        if len(shapes) != 1:
            raise ValueError(f"tfds:{name}: {x}: got shapes {sorted(shapes)[:5]}, expected one")
        inputs = np.stack([row[x] for row in rows])
        if inputs.dtype == np.uint8:
            inputs = np.divide(inputs, np.float32(255), dtype=np.float32)
        labels = np.array([row[y] for row in rows])
        classes = getattr(features[y], "names", None) or [str(label) for label in np.unique(labels)]
        split = np.repeat([SPLITS[split] for split in names], [len(part) for part in parts.values()])
        if "id" in features:
            ids = np.array([row["id"].decode() if isinstance(row["id"], bytes) else str(row["id"]) for row in rows])
        else:
            ids = np.array([f"{name}/{split}/{index}" for split in names for index in range(len(parts[split]))])
        groups = np.array([row["group"] for row in rows]) if "group" in features else None
        if groups is not None and (groups < 0).all():
            groups = None
        return checked(f"tfds:{name}", Dataset(inputs, labels, ids, groups, split, tuple(classes)))

    return load
