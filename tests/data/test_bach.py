"""BACH's layout on made files."""

import numpy as np
import pytest

import alfi.data
from alfi.data.bach import CLASSES, PHOTOS

PREFIX = dict(zip(CLASSES, ("n", "b", "is", "iv"), strict=True))


@pytest.fixture
def made(tmp_path, make):
    images, rows = {}, []
    for number, label in enumerate(CLASSES):
        for index in range(10):
            name = f"{PREFIX[label]}{index + 1:03d}"
            images[name] = make.image(tmp_path / PHOTOS / label / f"{name}.tif", 10 * number + index, (16, 12))
            rows.append(f"{name}.tif,{label}")
    (tmp_path / PHOTOS / "microscopy_ground_truth.csv").write_text("\r\n".join(rows))
    return tmp_path, images


def edit(root, old, new):
    path = root / PHOTOS / "microscopy_ground_truth.csv"
    path.write_text(path.read_text().replace(old, new))


def test_images_classes_and_split(made, make):
    root, images = made
    data = alfi.data.load("bach", root=root, resolution=8)
    assert data.ids.tolist() == list(images)
    for name, x, y in zip(data.ids, data.x, data.y, strict=True):
        np.testing.assert_allclose(x, make.resized(images[name], 8), atol=1e-6)
        assert name.rstrip("0123456789") == PREFIX[data.classes[y]]
    assert np.bincount(data.y[data.split == "test"]).tolist() == [2] * 4
    other = alfi.data.load("bach", root=root, resolution=8, seed=1, test_fraction=0.5)
    assert np.bincount(other.y[other.split == "test"]).tolist() == [5] * 4


def test_exact_duplicates(made):
    root, _ = made
    (root / PHOTOS / "Normal/n002.tif").write_bytes((root / PHOTOS / "Normal/n001.tif").read_bytes())
    (root / PHOTOS / "InSitu/is001.tif").write_bytes((root / PHOTOS / "Benign/b001.tif").read_bytes())
    data = alfi.data.load("bach", root=root, resolution=8)
    assert sorted(set(made[1]) - set(data.ids)) == ["b001", "is001", "n002"]


@pytest.mark.parametrize(
    ("old", "new", "error", "message"),
    [
        ("n003.tif,Normal", "n003.tif,Tumour", ValueError, "n003: got class 'Tumour', expected one of Normal, Benign"),
        ("n003.tif,Normal", "n003.tif,Benign", ValueError, r"n003\.tif: lies in Normal, but .* says Benign"),
        ("n003.tif,Normal", "n003.tif", ValueError, "line 3: .* expected a value for class"),
        ("n003.tif,Normal", "", ValueError, r"n003\.tif: .* has no row for it, and for 0 others"),
        ("n003.tif", "n011.tif", FileNotFoundError, r"n011\.tif not found: download .* CC BY-NC-ND"),
    ],
)
def test_wrong_tables_are_named(made, old, new, error, message):
    edit(made[0], old, new)
    with pytest.raises(error, match=message):
        alfi.data.load("bach", root=made[0])


def test_unknown_class_folder_and_corrupt_image_are_named(made, make):
    path = made[0] / PHOTOS / "Invasive" / "iv001.tif"
    path.write_bytes(path.read_bytes()[:150])
    with pytest.raises(ValueError, match=r"1 of 40 images unreadable, the other 39 are fine: .*iv001\.tif"):
        alfi.data.load("bach", root=made[0])
    make.image(made[0] / PHOTOS / "Necrosis" / "x.tif", 0)
    with pytest.raises(ValueError, match="Necrosis: unknown class folder, expected only Normal, Benign"):
        alfi.data.load("bach", root=made[0])


def test_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"Photos not found: download .*zenodo\.3632035.* CC BY-NC-ND 4\.0"):
        alfi.data.load("bach", root=tmp_path)


@pytest.mark.parametrize("option", [{"resolution": 0}, {"test_fraction": -0.1}, {"seed": -1}])
def test_options_out_of_range(made, option):
    with pytest.raises(ValueError, match=f"bach: {next(iter(option))}: got .*, expected"):
        alfi.data.load("bach", root=made[0], **option)
