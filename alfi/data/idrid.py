"""IDRiD: fundus images of Indian patients, graded for diabetic retinopathy."""

from pathlib import Path

import numpy as np

from alfi.data import tables
from alfi.data.checks import checked
from alfi.data.duplicates import distinct
from alfi.data.facts import Facts
from alfi.data.files import on_disk
from alfi.data.fundus import field_of_view
from alfi.data.images import decode
from alfi.data.root import require
from alfi.typing import Dataset

ORIGIN = {
    "source": "IEEE DataPort (Porwal et al. 2018), https://doi.org/10.21227/H25W98",
    "licence": "CC BY 4.0",
}
FOLDER = "idrid/B. Disease Grading"
IMAGES = {"train": "1. Original Images/a. Training Set", "test": "1. Original Images/b. Testing Set"}
TRUTHS = {
    "train": "2. Groundtruths/a. IDRiD_Disease Grading_Training Labels.csv",
    "test": "2. Groundtruths/b. IDRiD_Disease Grading_Testing Labels.csv",
}
TARGETS = {
    "grade": ("Retinopathy grade", ("0", "1", "2", "3", "4")),
    "binary": ("Retinopathy grade", ("no retinopathy", "retinopathy")),
    "macular_edema": ("Risk of macular edema", ("0", "1", "2")),
}
GRADES = {"Retinopathy grade": 4, "Risk of macular edema": 2}  # the highest
FACTS = (
    Facts(
        name="idrid",
        task="fundus: retinopathy grade 0-4; target='binary': 0 or more; target='macular_edema': risk 0-2",
        size="516 images, 413 train and 103 test",
        citation="Porwal et al., Data 3(3):25, 2018, doi 10.3390/data3030025",
        files=tuple(f"{FOLDER}/{path}" for path in (*IMAGES.values(), *TRUTHS.values())),
        **ORIGIN,
    ),
)


def load(root: Path, *, target: str = "grade", resolution: int = 64) -> Dataset:
    """Fundus images x[n, resolution, resolution, 3] in [0, 1] with the official split; retinopathy grade 0 to 4.

    Read from ``root/idrid/B. Disease Grading`` as distributed: ``1. Original Images/{a. Training,b. Testing} Set`` and
    the two tables of ``2. Groundtruths``. ``ids`` are ``train/IDRiD_001``, ``test/IDRiD_001`` ...: the numbers of both
    parts begin at 1. Patients are not told: no groups.

    target      'grade': retinopathy, 0 to 4. 'binary': 0 or above 0, as in MedAL's task on Messidor. 'macular_edema':
                its risk, 0 to 2
    resolution  images that are not square are cropped to the field of view and padded to a square
                (``alfi.data.fundus``), then resized (Lanczos, antialiased)

    Six images are there twice. The test part stays as published, 103 images; training image 118 is its image 064 and
    is dropped. Of the five pairs within the training part the first is kept where the labels agree, and both are
    dropped where they do not. So 'grade' has 405 training images (021/391 and 028/327 contradict each other), 'binary'
    and 'macular_edema' have 407 and 406 (045/333 contradict each other).

    Raises FileNotFoundError (what to download, from whom) and ValueError (unreadable images by name, with the number of
    those that are fine; a grade out of range).

    Cost: .5 s at 256 x 256; a minute or two at the original 4288 x 2848.

    Source: Porwal et al., Indian Diabetic Retinopathy Image Dataset, Data 2018, 3(3), 25, doi 10.3390/data3030025.

    Example: ``alfi.data.load("idrid", target="binary").classes == ("no retinopathy", "retinopathy")``
    """
    if target not in TARGETS:
        raise ValueError(f"idrid: target: got {target!r}, expected one of {', '.join(TARGETS)}")
    if resolution < 1:
        raise ValueError(f"idrid: resolution: got {resolution}, expected 1 or more")
    column, classes = TARGETS[target]
    files, ids, grades, split = [], [], [], []
    for side in ("train", "test"):
        folder = require(root / FOLDER / IMAGES[side], **ORIGIN)
        path = require(root / FOLDER / TRUTHS[side], **ORIGIN)
        rows = tables.rows(path, ("Image name", column))
        for row in rows:
            grade = row[column]
            if grade not in map(str, range(GRADES[column] + 1)):
                raise ValueError(f"{path}: {row['Image name']}: got {column} {grade!r}, expected 0 to {GRADES[column]}")
            files.append(on_disk(require(folder / f"{row['Image name']}.jpg", **ORIGIN)))
            ids.append(f"{side}/{row['Image name']}")
            grades.append(int(grade))
            split.append(side)
    grades, split = np.array(grades), np.array(split)
    y = np.minimum(grades, 1) if target == "binary" else grades
    decoded = decode(files, resolution, crop=field_of_view, digests=True)
    keep = distinct(decoded.digests, y, split)
    return checked(
        str(root / FOLDER), Dataset(decoded.pixels[keep], y[keep], np.array(ids)[keep], None, split[keep], classes)
    )
