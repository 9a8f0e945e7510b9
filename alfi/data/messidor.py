"""Messidor: fundus images of three French hospitals, graded for diabetic retinopathy."""

from pathlib import Path

import numpy as np

from alfi.data import tables
from alfi.data.checks import checked
from alfi.data.facts import Facts
from alfi.data.files import on_disk
from alfi.data.fundus import field_of_view
from alfi.data.images import decode
from alfi.data.root import require
from alfi.data.splits import split
from alfi.typing import Dataset

ORIGIN = {
    "source": "ADCIS, https://www.adcis.net/en/third-party/messidor/",
    "licence": "research and education only, no redistribution",
}
BASES = tuple(f"Base{hospital}{part}" for hospital in (1, 2, 3) for part in (1, 2, 3, 4))
COLUMNS = ("Image name", "Retinopathy grade", "Risk of macular edema")
# The errata of the distribution: four grades, and thirteen images of Base33 that are there under another name too
CORRECTED = {
    ("Base11", "20051020_63045_0100_PP"): 0,
    ("Base11", "20051020_63936_0100_PP"): 1,
    ("Base11", "20051020_64007_0100_PP"): 3,
    ("Base13", "20060523_48477_0100_PP"): 3,
}
TWICE = {
    f"{name}_0400_PP"
    for name in (
        *("20051202_41076", "20051202_48287", "20051202_48575", "20051202_48586", "20051202_54547"),
        *("20051202_54783", "20051202_55457", "20051202_55484", "20051202_55562", "20051202_55582"),
        *("20051202_55626", "20051205_32966", "20051205_32981"),
    )
}
CONTRADICTED = "20051205_33025_0400_PP"  # the other name of 20051202_55626_0400_PP: grade 3 there, 2 here
FACTS = (
    Facts(
        name="messidor",
        task="fundus: retinopathy 0 or above; target='grade': 0-3",
        size="1,200 images",
        citation="Decencière et al., Image Analysis & Stereology 33(3):231, 2014, doi 10.5566/ias.1155",
        files=tuple(f"messidor/{base}" for base in BASES),
        **ORIGIN,
    ),
)


def load(
    root: Path,
    *,
    target: str = "binary",
    resolution: int = 64,
    test_fraction: float = 0.16,
    val_fraction: float = 0.2,
    seed: int = 0,
) -> Dataset:
    """1,187 fundus images x[n, resolution, resolution, 3] in [0, 1]; diabetic retinopathy: grade 0 or above 0.

    Read from ``root/messidor``: the twelve folders ``Base11`` ... ``Base34`` of ``.tif`` images, with
    ``Annotation_Base11.xls`` ... in each, or beside them. A spreadsheet is read by the library xlrd where it is
    installed; else save it as ``Annotation_Base11.csv`` in the same place. ``ids`` are of the form
    ``Base11/20051019_38557_0100_PP``. Patients are not told: no groups.

    target         'binary': no retinopathy (grade 0) or some, MedAL's task. 'grade': 0 to 3
    resolution     images are cropped to the field of view, padded to a square (``alfi.data.fundus``) and resized
    test_fraction, val_fraction
                   the defaults are MedAL's 192 test and 240 validation images of 1,200; stratified by class
    seed           of the split

    The distributor's errata are applied: four grades are corrected, and of thirteen images of Base33 that are there
    under two names one is dropped. For 'grade' the other of the one pair with two grades (2 and 3) is dropped too:
    1,186 images.

    Raises FileNotFoundError (what to download, from whom; an image of the table that is not there) and ValueError
    (unreadable images by name, with the number of those that are fine; a grade out of range; a spreadsheet without a
    reader).

    Cost: of the order of a minute for the originals of 1440 x 960 to 2304 x 1536 pixels.

    Source: Decencière et al., Feedback on a publicly distributed image database: the Messidor database, Image Analysis
    & Stereology 2014, doi 10.5566/ias.1155.

    Example: ``alfi.data.load("messidor").classes == ("no retinopathy", "retinopathy")``
    """
    if target not in ("binary", "grade"):
        raise ValueError(f"messidor: target: got {target!r}, expected 'binary' or 'grade'")
    if resolution < 1:
        raise ValueError(f"messidor: resolution: got {resolution}, expected 1 or more")
    files, ids, grades = [], [], []
    for base in BASES:
        folder = require(root / "messidor" / base, **ORIGIN)
        path = _annotation(folder)
        for row in _rows(path):
            name, grade = Path(row["Image name"]).stem, row["Retinopathy grade"].removesuffix(".0")
            if grade not in ("0", "1", "2", "3"):
                raise ValueError(f"{path}: {name}: got Retinopathy grade {grade!r}, expected 0 to 3")
            if base == "Base33" and (name in TWICE or (target == "grade" and name == CONTRADICTED)):
                continue
            files.append(on_disk(require(folder / f"{name}.tif", **ORIGIN)))
            ids.append(f"{base}/{name}")
            grades.append(CORRECTED.get((base, name), int(grade)))
    y = np.array(grades)
    y, classes = (np.minimum(y, 1), ("no retinopathy", "retinopathy")) if target == "binary" else (y, tuple("0123"))
    sides = split("messidor", y, test_fraction=test_fraction, val_fraction=val_fraction, seed=seed)
    x = decode(files, resolution, crop=field_of_view).pixels
    return checked(str(root / "messidor"), Dataset(x, y, np.array(ids), None, sides, classes))


def _annotation(folder: Path) -> Path:
    """The table of a base, in its folder or beside it; an export as csv before the spreadsheet."""
    name = f"Annotation_{folder.name}"
    places = [place / f"{name}{suffix}" for suffix in (".csv", ".xls") for place in (folder, folder.parent)]
    return require(next((path for path in places if path.exists()), folder / f"{name}.xls"), **ORIGIN)


def _rows(path: Path) -> list[dict[str, str]]:
    if path.suffix == ".csv":
        return tables.rows(path, COLUMNS[:2], encoding="cp1252")  # spreadsheets write the accents of hospitals so
    try:
        import xlrd  # pyright: ignore[reportMissingModuleSource]
    except ImportError as error:
        raise ValueError(
            f"{path}: reading a spreadsheet needs xlrd (pip install xlrd); or open it and save it as "
            f"{path.with_suffix('.csv').name} in the same folder"
        ) from error
    try:
        sheet = xlrd.open_workbook(path).sheet_by_index(0)
    except Exception as error:  # of xlrd's own kinds
        raise ValueError(f"{path}: no readable spreadsheet ({error}); download it again") from error
    names, *lines = ([str(value).strip() for value in sheet.row_values(row)] for row in range(sheet.nrows))
    if absent := [column for column in COLUMNS[:2] if column not in names]:
        raise ValueError(f"{path}: got columns {', '.join(names)}, expected also {', '.join(absent)}")
    return [dict(zip(names, line, strict=True)) for line in lines if any(line)]
