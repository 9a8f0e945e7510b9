"""Data of one's own without writing code: an npz of arrays, a folder of images, a table of paths and labels."""

import os
import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from alfi.data import tables
from alfi.data.checks import checked
from alfi.data.files import on_disk
from alfi.data.images import SUFFIXES, decode, decode_masks, same_sizes
from alfi.data.splits import split as make_split
from alfi.typing import Dataset

SIDES = ("train", "val", "test")
COLUMNS = ("path", "label", "mask", "id", "group", "split")


def loader(name: str) -> Callable[..., Dataset] | None:
    """The reader for ``name`` where it is a path: ``FILE.npz``, ``TABLE.csv``, ``FOLDER/`` or a folder that exists.

    Paths are relative to the working directory. What does not exist is a path too if it looks like one, so that its
    reader can say that it is missing.

    >>> loader("mine.npz").__name__, loader("digits")
    ('npz', None)
    """
    suffix = Path(name).suffix.lower()
    if suffix in (".npz", ".csv"):
        return npz if suffix == ".npz" else table
    return folder if name.endswith(("/", os.sep)) or (name and Path(name).expanduser().is_dir()) else None


def npz(path: Path, *, test_fraction: float = 0.2, seed: int = 0) -> Dataset:
    """Arrays ``x`` [n, ...] and ``y`` of an npz file, optionally ``ids``, ``groups``, ``split`` and ``classes``.

    x        uint8 is divided by 255; anything else is taken as it is. Grey images [n, h, w] need a last axis of 1
    y        integers from 0, or strings; [n], or masks [n, h, w] of images [n, h, w, channels]
    ids      unique strings; else ``NAME/0``, ``NAME/1`` ...
    groups   integers or strings: patients, say
    split    'train', 'val' or 'test'; else ``test_fraction`` of each class is 'test': whole groups, drawn by ``seed``
    classes  names for 0, 1 ...; else the sorted strings of ``y``, or its integers

    Raises FileNotFoundError and, naming the file, ValueError: truncated, pickled or missing arrays, and all that
    ``alfi.data.checks`` finds. Cost: reading the file.

    Example: ``alfi.data.load("mine.npz", test_fraction=0.3)``
    """
    arrays = _arrays(path)
    if absent := [key for key in ("x", "y") if key not in arrays]:
        raise ValueError(f"{path}: got arrays {', '.join(arrays)}, expected also {', '.join(absent)}")
    x, y = arrays["x"], arrays["y"]
    if x.dtype == np.uint8:
        x = np.divide(x, np.float32(255), dtype=np.float32)
    elif x.dtype.kind not in "fiub" or not x.ndim:
        raise ValueError(f"{path}: x: got {x.dtype} {x.shape}, expected numbers [n, ...]")
    ids = arrays.get("ids", np.array([f"{path.stem}/{index}" for index in range(len(x))])).astype(str)
    classes = tuple(arrays["classes"].astype(str).tolist()) if "classes" in arrays else None
    if y.dtype.kind in "US":
        y, classes = _codes(str(path), y.astype(str).tolist(), classes)
    elif classes is None and y.dtype.kind in "iu" and y.size:
        classes = tuple(map(str, range(max(int(y.max()) + 1, 1))))
    groups = np.unique(arrays["groups"], return_inverse=True)[1] if "groups" in arrays else None
    given = arrays["split"].astype(str) if "split" in arrays else None
    return _checked(str(path), Dataset(x, y, ids, groups, given, classes or ()), test_fraction, seed)


def folder(
    path: Path,
    *,
    resolution: int | None = None,
    colour: bool = True,
    classes: Sequence[str] | None = None,
    test_fraction: float = 0.2,
    seed: int = 0,
) -> Dataset:
    """Images of ``path/CLASS/...``, one folder for each class, or of ``path/{train,val,test}/CLASS/...``.

    resolution     every image is resized (Lanczos, antialiased) to this square; without it all must have one size
    colour         x[n, h, w, 3]; ``False``: x[n, h, w, 1]
    classes        the folders there must be, in the order of the labels; else those of ``path`` or of ``path/train``
    test_fraction  of each class, drawn by ``seed``, where there are no folders train and test

    Formats are those of Pillow, and DICOM (``alfi.data.dicom``), told by the suffix; other files are passed over.
    ``ids`` are the paths below ``path``. Nothing is known of patients: no groups (a table can tell them).

    Raises FileNotFoundError and ValueError: an unknown or an empty class folder, images outside of them, unreadable
    images by name with the number of those that are fine, images of several sizes.

    Example: ``alfi.data.load("pictures/", resolution=64, classes=("benign", "malignant"))``
    """
    if not path.is_dir():
        raise FileNotFoundError(f"{path.absolute()}: no such folder, expected one with a sub-folder for each class")
    _check_resolution(path, resolution)
    parts = {part.name: part for part in _folders(path)}
    official = "train" in parts and set(parts) <= set(SIDES)
    sides = [(side, parts[side]) for side in SIDES if side in parts] if official else [("", path)]
    known = tuple(classes) if classes is not None else tuple(part.name for part in _folders(sides[0][1]))
    paths, y, split = [], [], []
    for side, place in sides:
        if stray := _images(place, "*"):
            raise ValueError(f"{stray[0]}: lies in no class folder, and {len(stray) - 1} other images: expected CLASS/")
        for part in _folders(place):
            if part.name not in known:
                raise ValueError(f"{part}: unknown class folder, expected one of {', '.join(known)}")
            found = _images(part, "**/*")
            if not found:
                raise ValueError(f"{part}: no image in this class folder, expected {', '.join(SUFFIXES)}")
            paths += found
            y += [known.index(part.name)] * len(found)
            split += [side] * len(found)
    if not paths:
        raise ValueError(
            f"{path}: no class folder with images, expected {path}/CLASS/IMAGE or {path}/train/CLASS/IMAGE"
        )
    ids = np.array([str(file.relative_to(path)) for file in paths])
    x = decode([on_disk(file) for file in paths], resolution, colour=colour).pixels
    given = np.array(split) if official else None
    return _checked(str(path), Dataset(x, np.array(y), ids, None, given, known), test_fraction, seed)


def table(
    path: Path,
    *,
    resolution: int | None = None,
    colour: bool = True,
    classes: Sequence[str] | None = None,
    test_fraction: float = 0.2,
    seed: int = 0,
) -> Dataset:
    """Images and labels that a csv names: columns ``path`` and ``label``, optionally ``id``, ``group`` and ``split``.

    path   of an image, relative to the folder of the table; formats as in ``folder``
    label  any text; ``classes`` are the sorted labels (as numbers, where all are) unless given
    mask   instead of ``label``: path of a mask of the image's size. Its pixel values are classes, or, where nothing but
           0 and 255 occurs, 0 and 1. y[n, h, w], brought to ``resolution`` by the nearest pixel
    id     unique; else the path as written
    group  patient or lesion: on one side of the split only
    split  'train', 'val' or 'test'; else ``test_fraction`` of each class is 'test', by whole groups, drawn by ``seed``

    Other options are those of ``folder``.

    Raises FileNotFoundError and ValueError: missing columns or values by line, a label that is none of ``classes``, a
    mask of another size than its image, unreadable images by name with the number of those that are fine.

    Example: ``alfi.data.load("images.csv", resolution=64)``
    """
    if not path.exists():
        raise FileNotFoundError(f"{path.absolute()}: no such table, expected a csv with the columns path and label")
    _check_resolution(path, resolution)
    rows = tables.rows(path, ("path",))
    if not rows:
        raise ValueError(f"{path}: examples: got 0, expected at least one")
    target = "mask" if "mask" in rows[0] else "label"
    optional = [column for column in COLUMNS if column in rows[0] and column not in ("path", "label", "mask")]
    rows = tables.rows(path, ("path", target, *optional))
    images = _named(path, rows, "path")
    decoded = decode(images, resolution, colour=colour)
    if target == "mask":
        masks = _named(path, rows, "mask")
        truth = decode_masks(masks, resolution, binary=False)
        same_sizes(images, decoded.sizes, masks, truth.sizes)
        y = truth.pixels
        y = y // 255 if np.isin(y, (0, 255)).all() else y
        known = tuple(classes) if classes is not None else tuple(map(str, range(int(y.max()) + 1)))
    else:
        y, known = _codes(str(path), [row["label"] for row in rows], classes)
    ids = np.array([row["id" if "id" in optional else "path"] for row in rows])
    groups = np.unique([row["group"] for row in rows], return_inverse=True)[1] if "group" in optional else None
    split = np.array([row["split"] for row in rows]) if "split" in optional else None
    return _checked(str(path), Dataset(decoded.pixels, y, ids, groups, split, known), test_fraction, seed)


def _checked(source: str, dataset: Dataset, test_fraction: float, seed: int) -> Dataset:
    """``dataset`` checked; where it has no split it gets one, by class (by group alone, for masks)."""
    if dataset.split is not None:
        return checked(source, dataset)
    whole = checked(source, dataset._replace(split=np.full(len(dataset.x), "train")))
    y = whole.y if whole.y.ndim == 1 else np.zeros(len(whole.y), int)
    return whole._replace(split=make_split(source, y, whole.groups, test_fraction=test_fraction, seed=seed))


def _codes(source: str, labels: list[str], classes: Sequence[str] | None) -> tuple[np.ndarray, tuple[str, ...]]:
    """Labels as indices into ``classes``, which are the sorted labels unless given."""
    if classes is None:
        numbers = all(label.removeprefix("-").isdecimal() for label in labels)
        classes = sorted(set(labels), key=int) if numbers else sorted(set(labels))
    index = {name: code for code, name in enumerate(classes)}
    if unknown := [label for label in labels if label not in index]:
        raise ValueError(f"{source}: got label {unknown[0]!r}, expected one of {', '.join(classes)}")
    return np.array([index[label] for label in labels]), tuple(classes)


def _arrays(path: Path) -> dict[str, np.ndarray]:
    if not path.exists():
        raise FileNotFoundError(f"{path.absolute()}: no such file, expected an npz with the arrays x and y")
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            return {key: file[key] for key in file.files}
    except PermissionError:
        raise
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"{path}: no readable npz ({error})") from error


def _check_resolution(path: Path, resolution: int | None) -> None:
    if resolution is not None and resolution < 1:
        raise ValueError(f"{path}: resolution: got {resolution}, expected 1 or more")


def _folders(path: Path) -> list[Path]:
    return sorted(part for part in path.iterdir() if part.is_dir() and not part.name.startswith("."))


def _images(path: Path, pattern: str) -> list[Path]:
    found = (file for file in path.glob(pattern) if file.suffix.lower() in SUFFIXES and not file.name.startswith("."))
    return sorted(file for file in found if file.is_file())


def _named(path: Path, rows: list[dict[str, str]], column: str) -> list:
    """The files that a column names, relative to the table."""
    paths = [path.parent / row[column] for row in rows]
    if missing := [file for file in paths if not file.exists()]:
        raise FileNotFoundError(f"{path}: {len(missing)} of {len(paths)} files not found, the first {missing[0]}")
    return [on_disk(file) for file in paths]
