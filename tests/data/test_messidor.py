"""Messidor's layout, errata and tables on made files."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest

import alfi.data
from alfi.data.messidor import BASES, CORRECTED, TWICE

PER_BASE = 10
HEADER = ("Image name", "Ophthalmologic department", "Retinopathy grade", "Risk of macular edema ")


@pytest.fixture
def made(tmp_path, make):
    """Ten images in each base, grades 0 1 2 3 0 1 ..., with the names of the errata among them."""
    names = {base: [f"2005{base[4:]}_{index}_0100_PP" for index in range(PER_BASE)] for base in BASES}
    for base, name in CORRECTED:
        names[base][list(CORRECTED).index((base, name))] = name
    names["Base33"][:3] = ["20051202_55626_0400_PP", "20051205_33025_0400_PP", "20051202_55562_0400_PP"]
    for number, base in enumerate(BASES):
        table = [";".join(HEADER)] if number % 2 else [",".join(HEADER)]
        for index, name in enumerate(names[base]):
            make.image(tmp_path / "messidor" / base / f"{name}.tif", 100 * number + index, (15, 10))
            row = (f"{name}.tif", "Service Ophtalmologie Lariboisière", str(index % 4), "0")
            table.append((";" if number % 2 else ",").join(row))
        place = tmp_path / "messidor" / (base if number % 3 else ".")
        (place / f"Annotation_{base}.csv").write_text("\n".join(table), encoding="cp1252")
    return tmp_path, names


def test_images_grades_and_errata(made):
    root, names = made
    data = alfi.data.load("messidor", root=root, resolution=8, target="grade")
    assert data.x.shape == (12 * PER_BASE - 3, 8, 8, 3)  # two of TWICE, and the pair's other with two grades
    assert data.classes == ("0", "1", "2", "3")
    kept = {base: [name for name in names[base] if f"{base}/{name}" in data.ids] for base in BASES}
    assert [len(kept[base]) for base in BASES] == [7 if base == "Base33" else 10 for base in BASES]
    for name, y in zip(data.ids, data.y, strict=True):
        base, stem = name.split("/")
        assert y == CORRECTED.get((base, stem), names[base].index(stem) % 4)


def test_binary_task_keeps_one_of_each_pair_and_has_the_proportions_of_the_paper(made):
    data = alfi.data.load("messidor", root=made[0], resolution=8)
    assert len(data.y) == 12 * PER_BASE - 2
    assert len(TWICE) == 13
    assert "Base33/20051205_33025_0400_PP" in data.ids
    sizes = [(data.split == side).sum() for side in ("train", "val", "test")]
    np.testing.assert_allclose(np.array(sizes) / len(data.y), [768 / 1200, 240 / 1200, 192 / 1200], atol=0.02)
    other = alfi.data.load("messidor", root=made[0], resolution=8, seed=1)
    assert (other.split != data.split).any()
    grade = alfi.data.load("messidor", root=made[0], resolution=8, target="grade")
    of_grade = dict(zip(grade.ids, grade.y, strict=True))
    assert all(y == min(of_grade.get(name, 1), 1) for name, y in zip(data.ids, data.y, strict=True))


def test_a_spreadsheet_needs_a_reader_or_an_export(made, monkeypatch):
    path = made[0] / "messidor" / "Base12" / "Annotation_Base12.csv"
    content = path.read_text(encoding="cp1252")
    path.with_suffix(".xls").write_bytes(b"\xd0\xcf\x11\xe0")
    path.unlink()
    monkeypatch.setitem(sys.modules, "xlrd", None)
    with pytest.raises(ValueError, match=r"Annotation_Base12\.xls: .* needs xlrd .* save it as Annotation_Base12\.csv"):
        alfi.data.load("messidor", root=made[0])

    lines = [line.split(";") for line in content.splitlines()]
    lines = [lines[0], *([name, place, float(grade), float(edema)] for name, place, grade, edema in lines[1:])]
    sheet = SimpleNamespace(nrows=len(lines), row_values=lambda row: lines[row])
    book = SimpleNamespace(sheet_by_index=lambda index: sheet)
    monkeypatch.setitem(sys.modules, "xlrd", SimpleNamespace(open_workbook=lambda path: book))
    data = alfi.data.load("messidor", root=made[0], resolution=8)
    path.write_text(content, encoding="cp1252")
    for column, again in zip(data, alfi.data.load("messidor", root=made[0], resolution=8), strict=True):
        np.testing.assert_array_equal(column, again)


@pytest.mark.parametrize(
    ("old", "new", "error", "message"),
    [
        (".tif;Service Ophtalmologie Lariboisière;3", ".tif;;4", ValueError, "got Retinopathy grade '4', expected 0"),
        ("Retinopathy grade", "Grade", ValueError, r"Annotation_Base12\.csv: line 1: .*expected also Retinopathy"),
        ("200512_5_", "200512_x_", FileNotFoundError, r"200512_x_0100_PP\.tif not found"),
    ],
)
def test_wrong_tables_are_named(made, old, new, error, message):
    path = made[0] / "messidor" / "Base12" / "Annotation_Base12.csv"
    path.write_text(path.read_text(encoding="cp1252").replace(old, new), encoding="cp1252")
    with pytest.raises(error, match=message):
        alfi.data.load("messidor", root=made[0])


def test_missing_base_and_table_are_named(made):
    with pytest.raises(FileNotFoundError, match=r"Base11 not found: download Base11 from ADCIS"):
        alfi.data.load("messidor", root=made[0] / "elsewhere")
    (made[0] / "messidor" / "Base12" / "Annotation_Base12.csv").unlink()
    with pytest.raises(FileNotFoundError, match=r"Annotation_Base12\.xls not found"):
        alfi.data.load("messidor", root=made[0])


@pytest.mark.parametrize("option", [{"target": "dr"}, {"resolution": 0}, {"test_fraction": 1.0}, {"seed": -1}])
def test_options_out_of_range(made, option):
    with pytest.raises(ValueError, match=f"messidor: {next(iter(option))}: got .*, expected"):
        alfi.data.load("messidor", root=made[0], **option)
