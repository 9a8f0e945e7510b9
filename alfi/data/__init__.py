"""Data sets on the host: one file each, read from the layout in which their authors distribute them.

The only part of the library that does I/O. Nothing is downloaded: a missing file is an error that says where it comes
from.
"""

import difflib
import inspect
import os
from collections.abc import Callable
from pathlib import Path

from alfi.data import cdmam, digits, ecg, ham10000, medmnist, mitbih, prepared, ptbxl
from alfi.data.root import data_root
from alfi.typing import Dataset

__all__ = ["load", "names"]


def names(*, root: str | os.PathLike | None = None) -> tuple[str, ...]:
    """The names that ``load`` knows, sorted; MedMNIST files found under the data root included.

    A name here may still lack its files: ``load`` then says what to download.

    Example: ``"digits" in alfi.data.names()``
    """
    return tuple(sorted(_loaders(data_root(root))))


def load(name: str, *, root: str | os.PathLike | None = None, **options) -> Dataset:
    """The data set ``name`` as host arrays, checked: finite ``x``, labels within ``classes``, unique ``ids``.

    x        float32: images in [0, 1] [n, height, width, channels], digits [n, 64], ECG in mV [n, samples, leads]
    y        int32 [n], an index into ``classes`` (``cdmam``: float32 [n]; ``ptbxl`` with several labels: [n, 5])
    ids      [n], a string per example that does not depend on options
    groups   int32 [n], the lesion or patient, or ``None`` where it is not known
    split    [n], 'train', 'val' or 'test'
    classes  a tuple of names

    ``root``, else the environment variable ``ALFI_DATA``, else ``../shared/data`` where it exists, else
    ``~/.cache/alfi`` is the folder that holds ``medmnist/`` and ``ham10000/``. ``options`` are those of the data set:
    see ``alfi.data.digits.load``, ``alfi.data.ham10000.load``. What it costs and where it comes from is told there too.
    ``tfds:NAME`` is any data set that TensorFlow Datasets has prepared: see ``alfi.data.prepared.loader``.

    Raises ValueError (unknown name or option, damaged file) and FileNotFoundError (which file, from whom, which
    licence).

    Example: ``alfi.data.load("ham10000", resolution=28, subset=2000)``
    """
    folder = data_root(root)
    loaders = _loaders(folder)
    if name.startswith("tfds:"):
        loaders[name] = prepared.loader(name.removeprefix("tfds:"))
    if name not in loaders:
        nearest = difflib.get_close_matches(name.lower(), loaders, n=1, cutoff=0.0)[0]
        raise ValueError(f"unknown data set {name!r}: did you mean {nearest!r}? known: {', '.join(sorted(loaders))}")
    parameters = inspect.signature(loaders[name]).parameters.values()
    accepted = [parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY]
    if unknown := sorted(set(options) - set(accepted)):
        raise ValueError(f"{name}: got option {', '.join(unknown)}, expected {', '.join(accepted) or 'no options'}")
    return loaders[name](folder, **options)


def _loaders(folder: Path) -> dict[str, Callable[..., Dataset]]:
    """Every known name with its ``(root, *, options) -> Dataset``."""
    return {
        "cdmam": cdmam.load,
        "digits": digits.load,
        "ecg": ecg.load,
        "ham10000": ham10000.load,
        "mitbih": mitbih.load,
        "ptbxl": ptbxl.load,
        **{name: medmnist.loader(name) for name in medmnist.names(folder)},
    }
