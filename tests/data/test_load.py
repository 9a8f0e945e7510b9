"""The front door: names, options, the data root, and the one check of values."""

from pathlib import Path

import numpy as np
import pytest

import alfi.data
from alfi.data.checks import checked
from alfi.data.root import data_root
from alfi.typing import Dataset


def small(**columns) -> Dataset:
    good = Dataset(
        x=np.linspace(0, 1, 12).reshape(4, 3),
        y=np.array([0, 1, 1, 0]),
        ids=np.array(["a", "b", "c", "d"]),
        groups=np.array([0, 0, 1, 2]),
        split=np.array(["train", "train", "val", "test"]),
        classes=["benign", "malignant"],
    )
    return good._replace(**columns)


def test_names_are_known_without_files_and_found_with_them(tmp_path):
    assert {"digits", "breastmnist", "pneumoniamnist", "ham10000"} <= set(alfi.data.names(root=tmp_path))
    assert "mine" not in alfi.data.names(root=tmp_path)
    (tmp_path / "medmnist").mkdir()
    (tmp_path / "medmnist" / "mine.npz").touch()
    assert "mine" in alfi.data.names(root=tmp_path)


@pytest.mark.parametrize(
    ("name", "nearest"), [("digit", "digits"), ("HAM-10000", "ham10000"), ("breast_mnist", "breastmnist")]
)
def test_unknown_name_suggests_the_nearest_and_lists_the_known(tmp_path, name, nearest):
    with pytest.raises(ValueError, match=f"did you mean '{nearest}'.*known: .*ham10000") as error:
        alfi.data.load(name, root=tmp_path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["", "../digits", "nothing at all like it"])
def test_hopeless_names_are_unknown_too(tmp_path, name):
    with pytest.raises(ValueError, match="unknown data set"):
        alfi.data.load(name, root=tmp_path)


def test_a_known_name_is_no_path_and_a_folder_that_is_there_is_one(tmp_path, monkeypatch, make):
    monkeypatch.chdir(tmp_path)
    make.image(tmp_path / "digits" / "a" / "0.png", 0)
    make.image(tmp_path / "mine" / "a" / "0.png", 0)
    assert len(alfi.data.load("digits").y) == 1797
    assert alfi.data.load("mine", test_fraction=0).classes == ("a",)
    assert alfi.data.load("digits/", test_fraction=0).classes == ("a",)
    with pytest.raises(ValueError, match="mine: got option subset, expected resolution, colour, classes, test_frac"):
        alfi.data.load("mine", subset=3)


def test_unknown_option_names_the_accepted(tmp_path):
    with pytest.raises(ValueError, match="digits: got option sed, expected seed"):
        alfi.data.load("digits", sed=1)
    with pytest.raises(ValueError, match="resolution, test_fraction, seed, subset"):
        alfi.data.load("ham10000", root=tmp_path, size=28)
    with pytest.raises(ValueError, match="breastmnist: got option seed, expected no options"):
        alfi.data.load("breastmnist", root=tmp_path, seed=1)


@pytest.mark.parametrize(
    ("name", "file", "licence"),
    [
        ("breastmnist", "medmnist/breastmnist.npz", "CC BY 4.0"),
        ("ham10000", "ham10000/HAM10000_metadata.csv", "CC BY-NC 4.0"),
        ("idrid", "idrid/B. Disease Grading/1. Original Images/a. Training Set", "CC BY 4.0"),
    ],
)
@pytest.mark.parametrize("folder", [".", "no/such/folder"])
def test_missing_file_says_what_where_and_under_which_licence(tmp_path, name, file, licence, folder):
    with pytest.raises(FileNotFoundError) as error:
        alfi.data.load(name, root=tmp_path / folder)
    message = str(error.value)
    assert "\n" not in message
    for part in (str(tmp_path / folder / file), "https://doi.org/10.", licence, "ALFI_DATA", "root="):
        assert part in message


def test_root_by_argument_then_variable_then_sibling_then_cache(tmp_path, monkeypatch):
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("ALFI_DATA", raising=False)
    assert data_root() == tmp_path / "home" / ".cache" / "alfi"
    (tmp_path / "shared" / "data").mkdir(parents=True)
    assert data_root().resolve() == tmp_path / "shared" / "data"
    monkeypatch.setenv("ALFI_DATA", "~/variable")
    assert data_root() == tmp_path / "home" / "variable"
    assert data_root("argument") == Path("argument")
    monkeypatch.setenv("ALFI_DATA", "")
    assert data_root().resolve() == tmp_path / "shared" / "data"


def test_checked_casts_and_keeps_the_values():
    dataset = checked("here", small())
    assert (dataset.x.dtype, dataset.y.dtype, dataset.groups.dtype) == (np.float32, np.int32, np.int32)
    np.testing.assert_array_equal(dataset.x, small().x.astype(np.float32))
    assert dataset.classes == ("benign", "malignant")
    assert checked("here", small(groups=None)).groups is None


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"x": np.full((4, 3), np.nan)}, "x: got values from nan to nan, expected finite"),
        ({"x": np.array([0.0, np.nan, 1.0, 1.0])}, "expected finite"),
        ({"x": np.array([0.0, np.inf, 1.0, 1.0])}, "expected finite"),
        ({"x": np.array([0.0, -np.inf, 1.0, 1.0])}, "expected finite"),
        ({"x": np.zeros((0, 3))}, "examples: got 0, expected at least one"),
        ({"x": np.zeros((5, 3))}, r"labels: got shape \(4,\), expected \(5,\)"),
        ({"y": np.array([0, 1, 2, 0])}, r"labels: got 0 to 2, expected 0 to 1 \(2 classes\)"),
        ({"y": np.array([0, 1, -1, 0])}, "labels: got -1 to 1"),
        ({"y": np.array([0, 1, np.nan, 0])}, "labels: got dtype float64, expected integers"),
        ({"y": np.array([[0], [1], [1], [0]])}, r"labels: got shape \(4, 1\)"),
        ({"ids": np.array(["a", "b", "a", "d"])}, "ids: got .*a.* 2 times, expected unique ids"),
        ({"groups": np.array([0, 1])}, r"groups: got shape \(2,\), expected \(4,\)"),
        ({"groups": np.array([0.0, 1.0, 2.0, 3.0])}, "groups: got dtype float64"),
        ({"split": np.array(["train", "pool", "val", "test"])}, "split: got .*pool.*expected only train, val, test"),
    ],
)
def test_checked_tells_what_it_got_and_expected(columns, message):
    with pytest.raises(ValueError, match=f"^here: .*{message}"):
        checked("here", small(**columns))
