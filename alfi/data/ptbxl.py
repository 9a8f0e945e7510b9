"""PTB-XL: clinical twelve-lead electrocardiograms of ten seconds, in five diagnostic superclasses."""

import ast
import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from alfi.data.checks import checked
from alfi.data.facts import Facts
from alfi.data.leads import LEADS
from alfi.data.root import require
from alfi.typing import Dataset

ORIGIN = {
    "source": "PhysioNet (Wagner et al. 2022), https://doi.org/10.13026/kfzx-aw45",
    "licence": "CC BY 4.0",
}
FACTS = (
    Facts(
        "ptbxl",
        "12-lead ECG: 5 superclasses, one or several",
        "21,799 records of 10 s, 18,869 patients",
        citation="Wagner et al., Scientific Data 7:154, 2020, doi 10.1038/s41597-020-0495-6",
        files=("ptbxl/ptbxl_database.csv", "ptbxl/scp_statements.csv"),
        **ORIGIN,
    ),
)
RECORDS, STATEMENTS = "ptbxl_database.csv", "scp_statements.csv"
CLASSES = ("NORM", "MI", "STTC", "CD", "HYP")  # normal, infarction, ST/T change, conduction disturbance, hypertrophy
FOLDS = ("train",) * 8 + ("val", "test")  # of folds 1 to 10; 9 and 10 were validated by a human


def load(root: Path, *, rate: int = 100, labels: str = "single", folds: Sequence[int] | None = None) -> Dataset:
    """Records x[n, 10 rate, 12] in mV (leads in the order of ``LEADS``), official folds, patients as ``groups``.

    Read from ``root/ptbxl`` as distributed: ``ptbxl_database.csv``, ``scp_statements.csv`` and the WFDB files under
    ``records100`` or ``records500``; rows are in the order of ``ecg_id``. The five superclasses are those of a record's
    diagnostic SCP-ECG statements, whatever their likelihood (as in the authors' own example).

    rate    100 or 500 Hz
    labels  "single": the records with exactly one superclass, y[n]; "multi": those with at least one, y[n, 5], 0 or 1
    folds   of ``strat_fold``, 1 to 10; all unless told otherwise. 1 to 8 are train, 9 is val, 10 is test; the records
            of a patient are in one fold

    Raises FileNotFoundError (what to download, from whom) and ValueError (damaged records by name, with the number of
    those that are fine). Cost: 40 s for all 21,799 records at 100 Hz.

    Source: Wagner et al., Scientific Data 2020, doi 10.1038/s41597-020-0495-6; CC BY 4.0.

    Example: ``alfi.data.load("ptbxl", labels="multi", folds=(9, 10)).y.shape[1] == 5``
    """
    folds = tuple(range(1, 11)) if folds is None else tuple(folds)
    for name, fine, got, wanted in (
        ("rate", rate in (100, 500), rate, "100 or 500"),
        ("labels", labels in ("single", "multi"), labels, "single or multi"),
        ("folds", bool(folds) and set(folds) <= set(range(1, 11)), folds, "some of 1 to 10"),
    ):
        if not fine:
            raise ValueError(f"ptbxl: {name}: got {got}, expected {wanted}")
    folder = root / "ptbxl"
    superclass = _superclasses(require(folder / STATEMENTS, **ORIGIN))
    rows = [row for row in _rows(require(folder / RECORDS, **ORIGIN), rate) if row["strat_fold"] in folds]
    shown = [{superclass[code] for code in row["scp_codes"] if code in superclass} for row in rows]
    keep = [index for index, found in enumerate(shown) if (len(found) == 1 if labels == "single" else found)]
    if not keep:
        raise ValueError(f"{folder / RECORDS}: got no record with a superclass in folds {folds}, expected some")
    rows = [rows[index] for index in keep]
    several = np.array([[name in shown[index] for name in CLASSES] for index in keep], np.int32)
    x = _read(folder, [row["file"] for row in rows], 10 * rate)
    dataset = Dataset(
        x,
        several.argmax(1),
        np.array([f"ptbxl/{row['ecg_id']}" for row in rows]),
        np.array([row["patient_id"] for row in rows]),
        np.array([FOLDS[row["strat_fold"] - 1] for row in rows]),
        CLASSES,
    )
    dataset = checked(str(folder), dataset)
    return dataset if labels == "single" else dataset._replace(y=several)


def _superclasses(path: Path) -> dict[str, str]:
    """``{SCP code: superclass}`` of the diagnostic statements."""
    table = {}
    for line, row in enumerate(_table(path, ("", "diagnostic", "diagnostic_class")), start=2):
        if row["diagnostic"] and float(row["diagnostic"]) == 1:
            if row["diagnostic_class"] not in CLASSES:
                expected = ", ".join(CLASSES)
                raise ValueError(f"{path}: line {line}: got class {row['diagnostic_class']!r}, expected {expected}")
            table[row[""]] = row["diagnostic_class"]
    return table


def _rows(path: Path, rate: int) -> list[dict]:
    """Id, patient, fold, codes and file of each record, in the order of the ids."""
    file = "filename_lr" if rate == 100 else "filename_hr"
    rows = []
    for line, row in enumerate(_table(path, ("ecg_id", "patient_id", "scp_codes", "strat_fold", file)), start=2):
        try:
            numbers = {name: int(float(row[name])) for name in ("ecg_id", "patient_id", "strat_fold")}
            codes = ast.literal_eval(row["scp_codes"])
            if not isinstance(codes, dict) or not 1 <= numbers["strat_fold"] <= 10:
                raise ValueError("expected codes as {code: likelihood} and a fold from 1 to 10")
        except (ValueError, SyntaxError, TypeError) as error:
            raise ValueError(f"{path}: line {line}: got {dict(row)} ({error})") from error
        rows.append(numbers | {"scp_codes": codes, "file": row[file]})
    return sorted(rows, key=lambda row: row["ecg_id"])


def _table(path: Path, columns: Sequence[str]) -> list[dict]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            rows = list(reader)
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path}: no readable csv ({error}); download it again") from error
    if missing := sorted(set(columns) - set(reader.fieldnames or ())):
        raise ValueError(f"{path}: got no column {', '.join(map(repr, missing))}, expected {', '.join(columns)}")
    return rows


def _read(folder: Path, files: Sequence[str], samples: int) -> np.ndarray:
    """Float32 [n, samples, 12], each lead where ``LEADS`` has it."""
    import wfdb

    x, broken = np.empty((len(files), samples, len(LEADS)), np.float32), []
    wanted = [lead.lower() for lead in LEADS]
    for file in files:
        require(folder / f"{file}.hea", **ORIGIN)
    for index, file in enumerate(files):
        try:
            record = wfdb.rdrecord(str(folder / file))
            names = [name.lower() for name in record.sig_name or ()]
            if record.p_signal is None or sorted(names) != sorted(wanted) or len(record.p_signal) != samples:
                raise ValueError(f"got {record.sig_len} samples of {', '.join(names)}, expected {samples} of 12 leads")
            signal = record.p_signal[:, [names.index(lead) for lead in wanted]]
            if not np.isfinite(signal).all():
                raise ValueError("got samples marked as invalid, expected none")
            x[index] = signal
        except (OSError, ValueError, IndexError, KeyError, TypeError, AssertionError) as error:
            broken.append(f"{folder / file} ({error})")
    if broken:
        raise ValueError(
            f"{len(broken)} of {len(files)} records unreadable, the other {len(files) - len(broken)} are fine: "
            f"{'; '.join(broken[:5])}; download them again from {ORIGIN['source']}"
        )
    return x
