"""HAM10000: dermoscopic images of pigmented skin lesions, several images of some lesions."""

import csv
import io
import zipfile
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import numpy as np

from alfi.data.checks import checked
from alfi.data.root import require
from alfi.typing import Dataset

ORIGIN = {
    "source": "the Harvard Dataverse (Tschandl et al. 2018), https://doi.org/10.7910/DVN/DBW86T",
    "licence": "CC BY-NC 4.0",
}
METADATA = "HAM10000_metadata.csv"
PARTS = ("HAM10000_images_part_1", "HAM10000_images_part_2")
CLASSES = ("akiec", "bcc", "bkl", "df", "mel", "nv", "vasc")
COPY_OF = {"ISIC_0029861": "ISIC_0024366", "ISIC_0029938": "ISIC_0024777"}  # byte for byte, within one lesion


def load(
    root: Path,
    *,
    resolution: int = 28,
    test_fraction: float = 0.2,
    seed: int = 0,
    subset: int | None = None,
) -> Dataset:
    """10,013 dermoscopic images x[n, resolution, resolution, 3] in [0, 1] of 7,470 lesions (``groups``), 7 classes.

    Read from ``root/ham10000`` as distributed: ``HAM10000_metadata.csv`` and the two archives
    ``HAM10000_images_part_{1,2}.zip``, or folders of those names; rows are in the order of the image id. The second
    image of each of the two exact duplicate pairs (ISIC_0029861, ISIC_0029938) is dropped.

    resolution     the full 4:3 image is resized (Pillow, Lanczos, antialiased), not cropped, to this square
    test_fraction  of the images of each class; whole lesions, so no lesion is on both sides
    seed           of the split and of the subset
    subset         about this many images, in whole lesions drawn at random within each class and side of the split (so
                   a small one may lose a rare class); only these are decoded. An image keeps its side of the split,
                   and a smaller subset of the same seed lies within a larger one

    Raises FileNotFoundError (what to download, from whom) and ValueError (unreadable images by name, with the number of
    those that are fine; options out of range).

    Cost on four cores: 4 s for all images at 200 x 150, 12 s at the original 600 x 450. This is why nothing is cached.

    Source: Tschandl, Rosendahl and Kittler, Scientific Data 2018, doi 10.1038/sdata.2018.161; CC BY-NC 4.0.

    Example: ``alfi.data.load("ham10000", subset=2000).x.shape[1:] == (28, 28, 3)``
    """
    if resolution < 1:
        raise ValueError(f"ham10000: resolution: got {resolution}, expected 1 or more")
    if not 0 <= test_fraction < 1:
        raise ValueError(f"ham10000: test_fraction: got {test_fraction}, expected 0 <= test_fraction < 1")
    if seed < 0:
        raise ValueError(f"ham10000: seed: got {seed}, expected 0 or more")
    folder = root / "ham10000"
    ids, lesions, y = _metadata(require(folder / METADATA, **ORIGIN))
    if subset is not None and not 1 <= subset <= len(ids):
        raise ValueError(f"ham10000: subset: got {subset}, expected 1 to {len(ids)}")
    groups = np.unique(lesions, return_inverse=True)[1]
    rng = np.random.default_rng(seed)
    test = _draw(rng, y, groups, test_fraction)
    keep = _draw(rng, 2 * y + test, groups, 1.0 if subset is None else subset / len(ids))
    ids, y, groups, test = ids[keep], y[keep], groups[keep], test[keep]
    x = np.divide(_decode(folder, ids, resolution), np.float32(255), dtype=np.float32)
    return checked(str(folder), Dataset(x, y, ids, groups, np.where(test, "test", "train"), CLASSES))


def _metadata(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Image ids (sorted, without copies), lesion ids and labels, each [n]."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path}: no readable csv ({error}); download it again") from error
    for line, row in enumerate(rows, start=2):
        if not all(row.get(column) for column in ("lesion_id", "image_id", "dx")):
            raise ValueError(f"{path}: line {line}: got {dict(row)}, expected lesion_id, image_id and dx")
        if row["dx"] not in CLASSES:
            raise ValueError(f"{path}: line {line}: got dx {row['dx']!r}, expected one of {', '.join(CLASSES)}")
    present = {row["image_id"] for row in rows}
    rows = sorted((row for row in rows if COPY_OF.get(row["image_id"]) not in present), key=lambda row: row["image_id"])
    ids, lesions = (np.array([row[column] for row in rows], str) for column in ("image_id", "lesion_id"))
    return ids, lesions, np.array([CLASSES.index(row["dx"]) for row in rows], np.int32)


def _draw(rng: np.random.Generator, strata: np.ndarray, groups: np.ndarray, fraction: float) -> np.ndarray:
    """A mask [n] of whole groups: in each stratum as near to ``fraction`` of its rows as whole groups allow.

    The order of a stratum's groups does not depend on ``fraction``: what a smaller one draws, a larger one draws too.
    """
    _, first, code, sizes = np.unique(groups, return_index=True, return_inverse=True, return_counts=True)
    chosen = np.zeros(len(sizes), bool)
    for stratum in np.unique(strata):
        members = rng.permutation(np.flatnonzero(strata[first] == stratum))
        size = sizes[members]
        chosen[members] = np.cumsum(size) - size / 2 < fraction * size.sum()
    return chosen[code]


def _decode(folder: Path, ids: np.ndarray, resolution: int) -> np.ndarray:
    """The images ``ids`` as uint8 [n, resolution, resolution, 3], by threads (Pillow releases the global lock)."""
    from PIL import Image

    images = np.empty((len(ids), resolution, resolution, 3), np.uint8)

    def decode(index: int) -> str | None:
        where, read = readers[ids[index]]
        try:
            with Image.open(io.BytesIO(read())) as image:
                square = np.asarray(image.convert("RGB").resize((resolution, resolution), Image.Resampling.LANCZOS))
        except (OSError, SyntaxError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            return f"{where} ({error})"
        images[index] = square
        return None

    with ExitStack() as stack:
        readers = _readers(folder, stack)
        if missing := [image for image in ids if image not in readers]:
            raise FileNotFoundError(
                f"{folder.absolute()}: {len(missing)} of {len(ids)} images not found, the first {missing[0]}.jpg: "
                f"download {PARTS[0]}.zip and {PARTS[1]}.zip again from {ORIGIN['source']}, licence {ORIGIN['licence']}"
            )
        with ThreadPoolExecutor() as pool:
            broken = [failure for failure in pool.map(decode, range(len(ids))) if failure]
    if broken:
        raise ValueError(
            f"{len(broken)} of {len(ids)} images unreadable, the other {len(ids) - len(broken)} are fine: "
            + "; ".join(broken[:5])
        )
    return images


def _readers(folder: Path, stack: ExitStack) -> dict[str, tuple[str, Callable[[], bytes]]]:
    """``{image id: (where it lies, a function that reads it)}`` over both parts; ``stack`` closes the archives."""
    readers = {}
    for part in PARTS:
        if (folder / part).is_dir():
            readers |= {path.stem: (str(path), path.read_bytes) for path in (folder / part).rglob("*.jpg")}
            continue
        path = require(folder / f"{part}.zip", **ORIGIN)
        try:
            archive = stack.enter_context(zipfile.ZipFile(path))
        except (zipfile.BadZipFile, OSError) as error:
            raise ValueError(f"{path}: no readable zip archive ({error}); download it again") from error
        members = [member for member in archive.namelist() if member.endswith(".jpg")]
        readers |= {Path(member).stem: (f"{path}/{member}", partial(archive.read, member)) for member in members}
    return readers
