"""The data sets of this package as TensorFlow Datasets builders, without TensorFlow: ``import alfi.data.tfds``.

The import registers ``alfi_ham10000``, ``alfi_breastmnist`` ... with TFDS. Each stands on the loader of that data set:
it holds the same examples, ids, groups and splits. What is prepared is read with ``tfds.data_source``, or with
``alfi.data.load("tfds:alfi_ham10000")``.
"""

import dataclasses
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from alfi.data import ecg, ham10000, load, medmnist, mitbih, ptbxl
from alfi.data.root import data_root
from alfi.typing import Dataset

# name: axes of one example, classes, whether its values are whole numbers of 255ths (stored as bytes)
SETS: dict[str, tuple[int, tuple[str, ...], bool]] = {
    "digits": (1, tuple("0123456789"), False),
    "ecg": (2, ecg.CLASSES, False),
    "ham10000": (3, ham10000.CLASSES, True),
    "mitbih": (2, mitbih.CLASSES, False),
    "ptbxl": (2, ptbxl.CLASSES, False),
    **{name: (3, classes, True) for name, classes in medmnist.CLASSES.items()},
}

UNFILED = ("digits", "ecg")  # these need no files


@dataclasses.dataclass
class Options(tfds.core.BuilderConfig):
    """A builder's configuration: its name is a folder, ``options`` are those of ``alfi.data.load``.

    Example: ``tfds.builder("alfi_ham10000", config=Options(name="64", options={"resolution": 64}))``
    """

    options: dict[str, Any] = dataclasses.field(default_factory=dict)


def builder(name: str, axes: int, classes: tuple[str, ...], whole: bool) -> type[tfds.core.GeneratorBasedBuilder]:
    """The builder class ``AlfiNAME`` of the data set ``name``; making it registers it with TFDS.

    Features: ``x`` (bytes where the data are images of bytes, else float32), ``label``, ``id`` and ``group`` (-1 where
    there is none). Examples keep their order.

    Example: ``builder("mine", 3, ("benign", "malignant"), True)``, for a name that ``alfi.data.load`` knows
    """

    def _info(self: Any) -> tfds.core.DatasetInfo:
        # Shapes of several unknown sizes are allowed with an encoding only.
        x = tfds.features.Tensor(shape=(None,) * axes, dtype=np.uint8 if whole else np.float32, encoding="zlib")
        features = {
            "x": x,
            "label": tfds.features.ClassLabel(names=list(classes)),
            "id": tfds.features.Text(),
            "group": tfds.features.Scalar(dtype=np.int64),
        }
        return tfds.core.DatasetInfo(
            builder=self,
            description=f"alfi.data.load({name!r})",
            features=tfds.features.FeaturesDict(features),
            supervised_keys=("x", "label"),
            disable_shuffling=True,
        )

    def _split_generators(self: Any, download_manager: Any) -> dict[str, Iterator]:
        options = getattr(self.builder_config, "options", {})
        dataset = load(name, root=None if name in UNFILED else download_manager.manual_dir, **options)
        if dataset.y.ndim > 1:
            raise ValueError(f"{self.name}: got several labels per example, expected one: prepare it with one")
        present = [split for split in ("train", "val", "test") if (dataset.split == split).any()]
        return {split: self._generate_examples(dataset, split) for split in present}

    def _generate_examples(self: Any, dataset: Dataset, split: str) -> Iterator[tuple[int, dict]]:
        for index in np.flatnonzero(dataset.split == split).tolist():
            x = dataset.x[index]
            yield (
                index,
                {
                    "x": np.rint(255 * x).astype(np.uint8) if whole else x,
                    "label": int(dataset.y[index]),
                    "id": str(dataset.ids[index]),
                    "group": -1 if dataset.groups is None else int(dataset.groups[index]),
                },
            )

    body = {
        "__doc__": f"``alfi.data.load({name!r})``, prepared by TFDS.",
        "__module__": __name__,
        "VERSION": tfds.core.Version("1.0.0"),
        "MANUAL_DOWNLOAD_INSTRUCTIONS": f"Put the files into manual_dir as alfi.data.load({name!r}) tells.",
        "pkg_dir_path": Path(__file__).parent,
        "code_path": Path(__file__),  # TFDS needs importlib_resources, which it does not declare, to find it out
        "_info": _info,
        "_split_generators": _split_generators,
        "_generate_examples": _generate_examples,
    }
    return type(f"Alfi{name.capitalize()}", (tfds.core.GeneratorBasedBuilder,), body)


def prepare(
    name: str, *, root: str | os.PathLike | None = None, data_dir: str | os.PathLike | None = None, **options: Any
) -> Path:
    """Prepare the data set ``name`` (as in ``alfi.data.load``) as array_record; the folder that holds it.

    ``root`` is the data root, ``data_dir`` where TFDS keeps what is prepared (``TFDS_DATA_DIR``, or
    ``~/tensorflow_datasets``), ``options`` those of ``alfi.data.load``; with some, the configuration is named after
    them: ``alfi_ham10000/resolution-64``. What is there already is not made again; TFDS writes to a folder of another
    name and renames it, so nothing is ever half prepared.

    Raises ValueError (unknown name) and what ``alfi.data.load`` raises. Cost: that, and 3 s for 10,000 small images.

    Example: ``prepare("ham10000", resolution=64)``, then ``alfi.data.load("tfds:alfi_ham10000/resolution-64")``
    """
    if name not in BUILDERS:
        raise ValueError(f"no TFDS builder of {name!r}: known: {', '.join(sorted(BUILDERS))}")
    config = None
    if options:
        label = "_".join(f"{key}-{value}" for key, value in sorted(options.items()))
        config = Options(name="".join(c if c.isalnum() or c in "-_." else "-" for c in label), options=options)
    made = BUILDERS[name](data_dir=data_dir, config=config, file_format="array_record")
    manual = data_root(root).absolute()
    if name not in UNFILED and not (manual.is_dir() and any(manual.iterdir())):
        load(name, root=manual, **options)  # says better than TFDS what is missing
    made.download_and_prepare(download_config=tfds.download.DownloadConfig(manual_dir=str(manual)))
    return Path(made.data_path)


BUILDERS: dict[str, Callable[..., tfds.core.DatasetBuilder]] = {
    name: builder(name, *rest) for name, rest in SETS.items()
}
