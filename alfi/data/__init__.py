"""Data sets on the host: one file each, read from the layout in which their authors distribute them.

The only part of the library that does I/O. Nothing is downloaded: a missing file is an error that says where it comes
from.
"""

import difflib
import importlib
import inspect
import os
import pkgutil
from collections.abc import Callable
from pathlib import Path

from alfi.data import (
    bach,
    breast_cancer,
    cdmam,
    digits,
    digits_long_tailed,
    ecg,
    ham10000,
    idrid,
    isic2017,
    medmnist,
    messidor,
    mitbih,
    prepared,
    ptbxl,
    user,
)
from alfi.data.facts import Facts
from alfi.data.root import data_root
from alfi.data.weights import read_weights
from alfi.typing import Dataset

__all__ = ["describe", "load", "names", "read_weights"]


def names(*, root: str | os.PathLike | None = None) -> tuple[str, ...]:
    """The names that ``load`` knows, sorted; MedMNIST files found under the data root included.

    A name here may still lack its files: ``load`` then says what to download.

    Example: ``"digits" in alfi.data.names()``
    """
    return tuple(sorted(_loaders(data_root(root))))


def describe(*, root: str | os.PathLike | None = None) -> tuple[Facts, ...]:
    """Task, size, licence, citation and files of every data set that ``names`` tells, in that order.

    They are the constant ``FACTS`` of each module here (packages are passed over); a reader without one is told by its
    name alone.
    ``alfi.data.facts.missing`` says which files are not there. Cost: imports every reader.

    Example: ``{facts.name: facts.licence for facts in alfi.data.describe()}``
    """
    readers = [module.name for module in pkgutil.iter_modules(__path__) if not module.ispkg]
    modules = [importlib.import_module(f"alfi.data.{name}") for name in readers]
    known = {facts.name: facts for module in modules for facts in getattr(module, "FACTS", ())}
    known |= {name: medmnist.facts(name) for name in medmnist.names(data_root(root)) - set(known)}
    return tuple(known.get(name, Facts(name, "", "", "", "")) for name in names(root=root))


def load(name: str, *, root: str | os.PathLike | None = None, **options) -> Dataset:
    """The data set ``name`` as host arrays, checked: finite ``x``, labels within ``classes``, unique ``ids``.

    ``name`` is one of ``names()``, ``tfds:NAME`` (any data set that TensorFlow Datasets has prepared: see
    ``alfi.data.prepared.loader``), or a path of your own: ``FILE.npz``, ``TABLE.csv`` (paths of images, and labels) or
    ``FOLDER/`` (of images, one folder for each class), relative to the working directory.

    x        float32: images [n, height, width, channels] in [0, 1], digits [n, 64] in [0, 1], tables standardised, ECG
             in mV [n, samples, leads]
    y        int32, an index into ``classes``: [n], or masks [n, height, width]; ``cdmam``: float32 [n]; ``ptbxl`` with
             several labels: [n, 5]
    ids      [n], a string per example that does not depend on options
    groups   int32 [n], the lesion or patient, or ``None`` where it is not known
    split    [n], 'train', 'val' or 'test'
    classes  a tuple of names

    ``root``, else the environment variable ``ALFI_DATA``, else ``../shared/data`` where it exists, else
    ``~/.cache/alfi`` is the folder that holds ``medmnist/``, ``ham10000/`` ...; ``python -m experiments.data`` lists
    what it lacks. ``options`` are those of the data set: see ``alfi.data.digits.load``, ``alfi.data.ham10000.load`` ...
    and ``alfi.data.user``. What it costs and where it comes from is told there too.

    Raises ValueError (unknown name or option, damaged file) and FileNotFoundError (which file, from whom, which
    licence).

    Example: ``alfi.data.load("ham10000", resolution=28, subset=2000)``
    """
    folder = data_root(root)
    loaders = _loaders(folder)
    if medmnist.is_published(name):
        loaders[name] = medmnist.loader(name)
    if name.startswith("tfds:"):
        loaders[name] = prepared.loader(name.removeprefix("tfds:"))
    loader, place = (loaders[name], folder) if name in loaders else (user.loader(name), Path(name).expanduser())
    if loader is None:
        nearest = difflib.get_close_matches(name.lower(), loaders, n=1, cutoff=0.0)[0]
        raise ValueError(f"unknown data set {name!r}: did you mean {nearest!r}? known: {', '.join(sorted(loaders))}")
    parameters = inspect.signature(loader).parameters.values()
    accepted = [parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY]
    if unknown := sorted(set(options) - set(accepted)):
        raise ValueError(f"{name}: got option {', '.join(unknown)}, expected {', '.join(accepted) or 'no options'}")
    return loader(place, **options)


def _loaders(folder: Path) -> dict[str, Callable[..., Dataset]]:
    """Every known name with its ``(root, *, options) -> Dataset``."""
    return {
        "bach": bach.load,
        "breast_cancer": breast_cancer.load,
        "cdmam": cdmam.load,
        "digits": digits.load,
        "digits_long_tailed": digits_long_tailed.load,
        "ecg": ecg.load,
        "ham10000": ham10000.load,
        "idrid": idrid.load,
        "isic2017": isic2017.load,
        "messidor": messidor.load,
        "mitbih": mitbih.load,
        "ptbxl": ptbxl.load,
        **{name: medmnist.loader(name) for name in medmnist.names(folder)},
    }
