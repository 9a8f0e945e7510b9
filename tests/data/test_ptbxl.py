"""PTB-XL's layout, on a few records made for the purpose."""

import csv

import numpy as np
import pytest

import alfi.data
from alfi.data.leads import LEADS

STATEMENTS = {"NORM": "NORM", "IMI": "MI", "AMI": "MI", "NDT": "STTC", "LAFB": "CD", "LVH": "HYP", "SR": ""}
# codes, fold, patient, of the records 1 to 8
CASES = [
    ("{'NORM': 100.0, 'SR': 0.0}", 3, 15709),
    ("{'IMI': 35.0, 'AMI': 0.0}", 9, 7),
    ("{'NDT': 100.0, 'LAFB': 100.0}", 10, 8),
    ("{'SR': 0.0}", 1, 9),
    ("{'LVH': 50.0}", 8, 10),
    ("{'LAFB': 100.0, 'SR': 0.0}", 10, 11),
    ("{}", 2, 12),
    ("{'NDT': 15.0}", 3, 15709),
]


@pytest.fixture
def made(tmp_path):
    """The folder, and the signals [8, 1000, 12] in the order of ``LEADS``; files spell the leads as PTB-XL does."""
    wfdb = pytest.importorskip("wfdb")
    folder = tmp_path / "ptbxl"
    directory = folder / "records100" / "00000"
    directory.mkdir(parents=True)
    signals = np.random.default_rng(0).normal(0, 0.5, (8, 1000, 12)).round(3)
    rows = []
    for index, (codes, fold, patient) in enumerate(CASES):
        name = f"{index + 1:05d}_lr"
        order = np.arange(12) if index else np.arange(12)[::-1]  # and not always in the same order
        names = [LEADS[lead].upper() for lead in order]
        options = {"fmt": ["16"] * 12, "adc_gain": [1000.0] * 12, "baseline": [0] * 12}
        wfdb.wrsamp(name, 100, ["mV"] * 12, names, signals[index][:, order], write_dir=str(directory), **options)
        rows.append([index + 1, f"{patient}.0", codes, fold, f"records100/00000/{name}", f"records500/{name}"])
    header = ["ecg_id", "patient_id", "scp_codes", "strat_fold", "filename_lr", "filename_hr"]
    write(folder / "ptbxl_database.csv", [header, *rows[::-1]])
    statements = [[code, "1.0" if name else "", name] for code, name in STATEMENTS.items()]
    write(folder / "scp_statements.csv", [["", "diagnostic", "diagnostic_class"], *statements])
    return tmp_path, signals


def write(path, rows):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)


def test_single_labels_folds_patients_and_leads(made):
    root, signals = made
    data = alfi.data.load("ptbxl", root=root)
    assert data.classes == ("NORM", "MI", "STTC", "CD", "HYP")
    assert data.ids.tolist() == [f"ptbxl/{number}" for number in (1, 2, 5, 6, 8)]
    assert data.y.tolist() == [0, 1, 4, 3, 2]
    assert data.split.tolist() == ["train", "val", "train", "test", "train"]
    assert data.groups.tolist() == [15709, 7, 10, 11, 15709]
    assert data.x.dtype == np.float32
    np.testing.assert_allclose(data.x, signals[[0, 1, 4, 5, 7]], atol=1e-6)


def test_multi_labels_and_chosen_folds(made):
    root, signals = made
    data = alfi.data.load("ptbxl", root=root, labels="multi")
    assert data.ids.tolist() == [f"ptbxl/{number}" for number in (1, 2, 3, 5, 6, 8)]
    assert data.y[2].tolist() == [0, 0, 1, 1, 0]
    assert data.y.sum(1).tolist() == [1, 1, 2, 1, 1, 1]
    some = alfi.data.load("ptbxl", root=root, labels="multi", folds=(9, 10))
    assert some.split.tolist() == ["val", "test", "test"]
    np.testing.assert_allclose(some.x, signals[[1, 2, 5]], atol=1e-6)


@pytest.mark.parametrize("kept", [0, 100])
@pytest.mark.parametrize("suffix", ["dat", "hea"])
def test_damaged_records_are_named_and_the_others_counted(made, suffix, kept):
    path = made[0] / "ptbxl" / "records100" / "00000" / f"00005_lr.{suffix}"
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(
        ValueError, match=r"1 of 5 records unreadable, the other 4 are fine: \S*00005_lr \(.+\)"
    ) as error:
        alfi.data.load("ptbxl", root=made[0])
    assert "\n" not in str(error.value)


def test_missing_files_say_which_and_from_whom(made, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"records500/00001_lr.hea not found: .*10\.13026/kfzx-aw45.*CC BY 4"):
        alfi.data.load("ptbxl", root=made[0], rate=500)
    (tmp_path / "ptbxl" / "scp_statements.csv").unlink()
    with pytest.raises(FileNotFoundError, match=r"scp_statements\.csv not found"):
        alfi.data.load("ptbxl", root=made[0])


@pytest.mark.parametrize(
    ("file", "rows", "message"),
    [
        ("scp_statements.csv", [["", "diagnostic"], ["NORM", "1.0"]], "got no column 'diagnostic_class'"),
        ("scp_statements.csv", [["", "diagnostic", "diagnostic_class"], ["A", "1", "?"]], "line 2: got class '.'"),
        ("ptbxl_database.csv", [["ecg_id"], ["1"]], "got no column 'filename_lr', 'patient_id'"),
        (
            "ptbxl_database.csv",
            [["ecg_id", "patient_id", "scp_codes", "strat_fold", "filename_lr"], ["1", "2", "{'NORM'", "1", "a"]],
            "line 2: got .*NORM",
        ),
        (
            "ptbxl_database.csv",
            [["ecg_id", "patient_id", "scp_codes", "strat_fold", "filename_lr"], ["1", "2", "{'NORM': 1}", "11", "a"]],
            "line 2: got .*a fold from 1 to 10",
        ),
        (
            "ptbxl_database.csv",
            [["ecg_id", "patient_id", "scp_codes", "strat_fold", "filename_lr"], ["1", "2", "{}", "1", "a"]],
            "no record with a superclass",
        ),
    ],
)
def test_wrong_tables_are_named(made, file, rows, message):
    write(made[0] / "ptbxl" / file, rows)
    with pytest.raises(ValueError, match=f"{file}: .*{message}"):
        alfi.data.load("ptbxl", root=made[0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rate": 250}, "rate: got 250, expected 100 or 500"),
        ({"labels": "all"}, "labels: got all, expected single or multi"),
        ({"folds": (0,)}, r"folds: got \(0,\), expected some of 1 to 10"),
        ({"folds": ()}, r"folds: got \(\)"),
    ],
)
def test_options_out_of_range_are_named(tmp_path, options, message):
    with pytest.raises(ValueError, match=f"ptbxl: {message}"):
        alfi.data.load("ptbxl", root=tmp_path, **options)
