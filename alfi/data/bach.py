"""BACH (ICIAR 2018): microscopy of breast tissue, stained with haematoxylin and eosin."""

from pathlib import Path

import numpy as np

from alfi.data import tables
from alfi.data.checks import checked
from alfi.data.duplicates import distinct
from alfi.data.facts import Facts
from alfi.data.files import on_disk
from alfi.data.images import decode
from alfi.data.root import require
from alfi.data.splits import split
from alfi.typing import Dataset

ORIGIN = {
    "source": "Zenodo (Polónia et al. 2020), https://doi.org/10.5281/zenodo.3632035",
    "licence": "CC BY-NC-ND 4.0",
}
CLASSES = ("Normal", "Benign", "InSitu", "Invasive")
PHOTOS = "bach/ICIAR2018_BACH_Challenge/Photos"
TRUTH = "microscopy_ground_truth.csv"
FACTS = (
    Facts(
        name="bach",
        task="breast histology: normal, benign, in situ, invasive",
        size="400 images, 100 of each class",
        citation="Aresta et al., Medical Image Analysis 56:122, 2019, doi 10.1016/j.media.2019.05.010",
        files=(PHOTOS,),
        **ORIGIN,
    ),
)


def load(root: Path, *, resolution: int = 64, test_fraction: float = 0.2, seed: int = 0) -> Dataset:
    """400 microscopy images x[n, resolution, resolution, 3] in [0, 1] of breast tissue in four classes, 100 each.

    Read from ``root/bach/ICIAR2018_BACH_Challenge/Photos``, unpacked as distributed: folders ``Normal``, ``Benign``,
    ``InSitu`` and ``Invasive`` of ``.tif`` images and ``microscopy_ground_truth.csv`` (file name and class, no header).
    ``ids`` are the file names without suffix.

    resolution     the full 4:3 image is resized (Lanczos, antialiased), not cropped, to this square
    test_fraction  stratified by class; the default gives MedAL's 320 and 80 images
    seed           of the split

    Which images are of one patient is not in the distribution: no groups, and patients may be on both sides of the
    split. Of exact duplicates the first is kept, or none where their classes differ.

    Raises FileNotFoundError (what to download, from whom; an image of the table that is not there) and ValueError
    (unreadable images by name, with the number of those that are fine; an unknown class or class folder; an image in
    another folder than its class; an image that the table does not name).

    Cost: of the order of 20 s for the originals of 2048 x 1536.

    Source: Aresta et al., BACH: Grand challenge on breast cancer histology images, Medical Image Analysis 2019,
    doi 10.1016/j.media.2019.05.010.

    Example: ``alfi.data.load("bach").classes == ("Normal", "Benign", "InSitu", "Invasive")``
    """
    if resolution < 1:
        raise ValueError(f"bach: resolution: got {resolution}, expected 1 or more")
    folder = require(root / PHOTOS, **ORIGIN)
    path = require(folder / TRUTH, **ORIGIN)
    header = ("file", "class")
    rows = [(Path(row["file"]).stem, row["class"]) for row in tables.rows(path, header, header=header)]
    found = {file.stem: file for file in sorted(folder.rglob("*")) if file.suffix.lower() == ".tif"}
    if unknown := sorted({file.parent.name for file in found.values()} - set(CLASSES)):
        raise ValueError(f"{folder / unknown[0]}: unknown class folder, expected only {', '.join(CLASSES)}")
    for name, label in rows:
        if label not in CLASSES:
            raise ValueError(f"{path}: {name}: got class {label!r}, expected one of {', '.join(CLASSES)}")
        file = found.get(name) or require(folder / label / f"{name}.tif", **ORIGIN)
        if file.parent.name != label:
            raise ValueError(f"{file}: lies in {file.parent.name}, but {TRUTH} says {label}")
    if unnamed := sorted(set(found) - {name for name, _ in rows}):
        raise ValueError(f"{found[unnamed[0]]}: {TRUTH} has no row for it, and for {len(unnamed) - 1} others")
    ids, y = np.array([name for name, _ in rows], str), np.array([CLASSES.index(label) for _, label in rows], int)
    decoded = decode([on_disk(found[name]) for name in ids], resolution, digests=True)
    keep = distinct(decoded.digests, y, np.full(len(y), "train"))
    x, y, ids = decoded.pixels[keep], y[keep], ids[keep]
    sides = split("bach", y, test_fraction=test_fraction, seed=seed)
    return checked(str(folder), Dataset(x, y, ids, None, sides, CLASSES))
