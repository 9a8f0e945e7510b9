"""ISIC 2017: dermoscopic images with diagnosis and lesion mask, in the challenge's official split."""

from contextlib import ExitStack
from pathlib import Path

import numpy as np

from alfi.data import tables
from alfi.data.checks import checked
from alfi.data.duplicates import distinct
from alfi.data.facts import Facts
from alfi.data.files import File, members
from alfi.data.images import decode, decode_masks, same_sizes
from alfi.data.root import require
from alfi.typing import Dataset

ORIGIN = {
    "source": "the ISIC Challenge, https://challenge.isic-archive.com/data/#2017",
    "licence": "CC0 1.0",
}
PARTS = {"train": "ISIC-2017_Training", "val": "ISIC-2017_Validation", "test": "ISIC-2017_Test_v2"}
DIAGNOSES = ("melanoma", "seborrheic_keratosis")
CLASSES = ("nevus", *DIAGNOSES)
FACTS = (
    Facts(
        name="isic2017",
        task="dermoscopy: nevus, melanoma, seborrheic keratosis; task='segmentation': the lesion",
        size="2,750 images, 2,000 train, 150 val and 600 test",
        citation="Codella et al., ISBI 2018, doi 10.1109/ISBI.2018.8363547",
        files=tuple(
            f"isic2017/{part}_{name}"
            for part in PARTS.values()
            for name in ("Data*", "Part1_GroundTruth*", "Part3_GroundTruth.csv")
        ),
        **ORIGIN,
    ),
)


def load(root: Path, *, task: str = "classification", resolution: int = 64) -> Dataset:
    """2,750 dermoscopic images x[n, resolution, resolution, 3] in [0, 1], 3 classes: 2,000 train, 150 val, 600 test.

    Read from ``root/isic2017`` as distributed: for each part of ``ISIC-2017_{Training,Validation,Test_v2}`` the archive
    or folder ``PART_Data`` (``ISIC_*.jpg``; the superpixels in it are not read), ``PART_Part3_GroundTruth.csv`` with
    the diagnoses and, for segmentation, the archive or folder ``PART_Part1_GroundTruth`` with the masks.

    task        'classification': y[n], nevus, melanoma or seborrheic keratosis. 'segmentation':
                y[n, resolution, resolution], 1 in the lesion
    resolution  the full image is resized (Lanczos, antialiased), not cropped, to this square; a pixel of the mask is
                lesion where half of its area or more is

    Val and test stay as published; training images that are exact duplicates of one of theirs are dropped, and of those
    within the training part the first is kept, or none where the diagnoses differ. Lesions are not told: no groups.

    Raises FileNotFoundError (what to download, from whom) and ValueError (unreadable images by name, with the number of
    those that are fine; a mask of another size than its image; a diagnosis that is none of the three).

    Cost: some minutes for the originals, .1 s for an image of 6 million pixels on two cores.

    Source: Codella et al., Skin lesion analysis toward melanoma detection, ISBI 2018, doi 10.1109/ISBI.2018.8363547;
    arXiv:1710.05006.

    Example: ``alfi.data.load("isic2017", task="segmentation").y.shape[1:] == (64, 64)``
    """
    if task not in ("classification", "segmentation"):
        raise ValueError(f"isic2017: task: got {task!r}, expected 'classification' or 'segmentation'")
    if resolution < 1:
        raise ValueError(f"isic2017: resolution: got {resolution}, expected 1 or more")
    folder, ids, labels, split, images, masks = root / "isic2017", [], [], [], [], []
    with ExitStack() as stack:
        for side, part in PARTS.items():
            names, y = _diagnoses(require(folder / f"{part}_Part3_GroundTruth.csv", **ORIGIN))
            images += _files(folder / f"{part}_Data", names, ".jpg", stack)
            if task == "segmentation":
                masks += _files(folder / f"{part}_Part1_GroundTruth", names, "_segmentation.png", stack)
            ids += names
            labels += y
            split += [side] * len(names)
        decoded = decode(images, resolution, digests=True)
        truth = decode_masks(masks, resolution)
    ids, y, split = np.array(ids), np.array(labels), np.array(split)
    keep = distinct(decoded.digests, y, split)
    x, ids, split = decoded.pixels[keep], ids[keep], split[keep]
    if task == "classification":
        return checked(str(folder), Dataset(x, y[keep], ids, None, split, CLASSES))
    same_sizes(images, decoded.sizes, masks, truth.sizes)
    return checked(str(folder), Dataset(x, truth.pixels[keep], ids, None, split, ("background", "lesion")))


def _diagnoses(path: Path) -> tuple[list[str], list[int]]:
    """Image ids and labels; a lesion that is neither melanoma nor seborrheic keratosis is a nevus."""
    names, labels = [], []
    for row in tables.rows(path, ("image_id", *DIAGNOSES)):
        values = tuple(row[column] for column in DIAGNOSES)
        if any(value not in ("0", "0.0", "1", "1.0") for value in values) or all(float(v) for v in values):
            got = ", ".join(f"{column} {value}" for column, value in zip(DIAGNOSES, values, strict=True))
            raise ValueError(f"{path}: {row['image_id']}: got {got}, expected 0.0 or 1.0, and at most one 1.0")
        names.append(row["image_id"])
        labels.append(1 if float(values[0]) else 2 if float(values[1]) else 0)
    return names, labels


def _files(path: Path, names: list[str], suffix: str, stack: ExitStack) -> list[File]:
    """The file of each of ``names`` in the folder or archive ``path``; ``stack`` closes the archive."""
    found = {Path(file.name).name: file for file in members(path, suffix, stack, **ORIGIN)}
    if missing := [f"{name}{suffix}" for name in names if f"{name}{suffix}" not in found]:
        raise FileNotFoundError(
            f"{path.absolute()}: {len(missing)} of {len(names)} files not found, the first {missing[0]}: download "
            f"{path.name}.zip again from {ORIGIN['source']}, licence {ORIGIN['licence']}"
        )
    return [found[f"{name}{suffix}"] for name in names]
