"""HAM10000: dermoscopic images of pigmented skin lesions, several images of some lesions."""

from contextlib import ExitStack
from pathlib import Path

import numpy as np

from alfi.data import splits, tables
from alfi.data.checks import checked
from alfi.data.facts import Facts
from alfi.data.files import File, members
from alfi.data.images import decode, decode_masks, same_sizes
from alfi.data.root import require
from alfi.typing import Dataset

ORIGIN = {
    "source": "the Harvard Dataverse (Tschandl et al. 2018), https://doi.org/10.7910/DVN/DBW86T",
    "licence": "CC BY-NC 4.0",
}
METADATA = "HAM10000_metadata.csv"
PARTS = ("HAM10000_images_part_1", "HAM10000_images_part_2")
MASKS = "HAM10000_segmentations_lesion_tschandl"
CLASSES = ("akiec", "bcc", "bkl", "df", "mel", "nv", "vasc")
COPY_OF = {"ISIC_0029861": "ISIC_0024366", "ISIC_0029938": "ISIC_0024777"}  # byte for byte, within one lesion
WHITE_MASK = ("ISIC_0026042", "ISIC_0029819")  # the whole image is marked as lesion
FACTS = (
    Facts(
        name="ham10000",
        task="dermoscopy: 7 diagnoses; task='segmentation': the lesion",
        size="10,015 images of 7,470 lesions",
        citation="Tschandl et al., Scientific Data 2018, doi 10.1038/sdata.2018.161",
        files=tuple(f"ham10000/{name}" for name in (METADATA, *(f"{part}*" for part in (*PARTS, MASKS)))),
        **ORIGIN,
    ),
)


def load(
    root: Path,
    *,
    task: str = "classification",
    resolution: int = 28,
    test_fraction: float = 0.2,
    seed: int = 0,
    subset: int | None = None,
) -> Dataset:
    """10,013 dermoscopic images x[n, resolution, resolution, 3] in [0, 1] of 7,470 lesions (``groups``), 7 classes.

    Read from ``root/ham10000`` as distributed: ``HAM10000_metadata.csv``, the two archives
    ``HAM10000_images_part_{1,2}.zip`` and, for segmentation, ``HAM10000_segmentations_lesion_tschandl.zip``, or folders
    of those names; rows are in the order of the image id. The second image of each of the two exact duplicate pairs
    (ISIC_0029861, ISIC_0029938) is dropped.

    task           'classification': y[n], the diagnosis. 'segmentation': y[n, resolution, resolution], 1 in the lesion;
                   the two images whose mask is all lesion (ISIC_0026042, ISIC_0029819) are dropped: 10,011 are left
    resolution     the full 4:3 image is resized (Pillow, Lanczos, antialiased), not cropped, to this square; a pixel of
                   the mask is lesion where half of its area or more is
    test_fraction  of the images of each class; whole lesions, so no lesion is on both sides
    seed           of the split and of the subset
    subset         about this many images, in whole lesions drawn at random within each class and side of the split (so
                   a small one may lose a rare class); only these are decoded. An image keeps its side of the split,
                   in both tasks, and a smaller subset of the same seed lies within a larger one

    Raises FileNotFoundError (what to download, from whom) and ValueError (unreadable images by name, with the number of
    those that are fine; a mask of another size than its image; options out of range).

    Cost on four cores: 4 s for all images at 200 x 150, 12 s at the original 600 x 450; 1 s more for their masks. This
    is why nothing is cached.

    Source: Tschandl, Rosendahl and Kittler, Scientific Data 2018, doi 10.1038/sdata.2018.161; CC BY-NC 4.0.

    Example: ``alfi.data.load("ham10000", subset=2000).x.shape[1:] == (28, 28, 3)``
    """
    if task not in ("classification", "segmentation"):
        raise ValueError(f"ham10000: task: got {task!r}, expected 'classification' or 'segmentation'")
    if resolution < 1:
        raise ValueError(f"ham10000: resolution: got {resolution}, expected 1 or more")
    splits.check("ham10000", test_fraction=test_fraction, seed=seed)
    folder = root / "ham10000"
    ids, lesions, y = _metadata(require(folder / METADATA, **ORIGIN))
    if subset is not None and not 1 <= subset <= len(ids):
        raise ValueError(f"ham10000: subset: got {subset}, expected 1 to {len(ids)}")
    groups = np.unique(lesions, return_inverse=True)[1]
    rng = np.random.default_rng(seed)
    test = splits.draw(rng, y, groups, test_fraction)
    keep = splits.draw(rng, 2 * y + test, groups, 1.0 if subset is None else subset / len(ids))
    if task == "segmentation":
        keep &= ~np.isin(ids, WHITE_MASK)
    ids, y, groups, split = ids[keep], y[keep], groups[keep], np.where(test, "test", "train")[keep]
    with ExitStack() as stack:
        images = _files(folder, PARTS, ids, ".jpg", stack)
        decoded = decode(images, resolution)
        if task == "classification":
            return checked(str(folder), Dataset(decoded.pixels, y, ids, groups, split, CLASSES))
        files = _files(folder, (MASKS,), ids, "_segmentation.png", stack)
        masks = decode_masks(files, resolution)
    same_sizes(images, decoded.sizes, files, masks.sizes)
    return checked(str(folder), Dataset(decoded.pixels, masks.pixels, ids, groups, split, ("background", "lesion")))


def _metadata(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Image ids (sorted, without copies), lesion ids and labels, each [n]."""
    rows = tables.rows(path, ("lesion_id", "image_id", "dx"))
    if unknown := [row for row in rows if row["dx"] not in CLASSES]:
        name, dx = unknown[0]["image_id"], unknown[0]["dx"]
        raise ValueError(f"{path}: {name}: got dx {dx!r}, expected one of {', '.join(CLASSES)}")
    present = {row["image_id"] for row in rows}
    rows = sorted((row for row in rows if COPY_OF.get(row["image_id"]) not in present), key=lambda row: row["image_id"])
    ids, lesions = (np.array([row[column] for row in rows], str) for column in ("image_id", "lesion_id"))
    return ids, lesions, np.array([CLASSES.index(row["dx"]) for row in rows], np.int32)


def _files(folder: Path, parts: tuple[str, ...], ids: np.ndarray, suffix: str, stack: ExitStack) -> list[File]:
    """The file of each of ``ids``, from the folders or archives ``parts``; ``stack`` closes the archives."""
    found = {file.stem: file for part in parts for file in members(folder / part, suffix, stack, **ORIGIN)}
    names = [f"{image}{suffix}" for image in ids]
    if missing := [name for name in names if Path(name).stem not in found]:
        raise FileNotFoundError(
            f"{folder.absolute()}: {len(missing)} of {len(ids)} files not found, the first {missing[0]}: "
            f"download {' and '.join(f'{part}.zip' for part in parts)} again from {ORIGIN['source']}, "
            f"licence {ORIGIN['licence']}"
        )
    return [found[Path(name).stem] for name in names]
