"""Data of a user's own: npz, folder of images, table."""

import csv
import shutil

import numpy as np
import pytest
from PIL import Image

import alfi.data


@pytest.fixture
def arrays():
    rng = np.random.default_rng(0)
    return {"x": rng.integers(0, 256, (20, 6, 5, 3), np.uint8), "y": np.arange(20) % 3}


def test_npz_of_images_and_integers(tmp_path, arrays):
    np.savez(tmp_path / "mine.npz", **arrays)
    data = alfi.data.load(str(tmp_path / "mine.npz"), test_fraction=0.3)
    np.testing.assert_array_equal(data.x, (arrays["x"] / 255).astype(np.float32))
    np.testing.assert_array_equal(data.y, arrays["y"])
    assert data.classes == ("0", "1", "2")
    assert data.ids[[0, -1]].tolist() == ["mine/0", "mine/19"]
    assert data.groups is None
    assert np.bincount(data.y[data.split == "test"]).tolist() == [2, 2, 2]
    other = alfi.data.load(str(tmp_path / "mine.npz"), test_fraction=0.3, seed=1)
    assert (other.split != data.split).any()


def test_npz_with_everything(tmp_path, arrays, monkeypatch):
    patients = np.array([f"patient {index // 4}" for index in range(20)])
    everything = {
        "x": np.linspace(-3, 3, 40).reshape(20, 2),
        "y": np.array(["b", "a", "c", "a"] * 5),
        "ids": np.array([f"id{index}" for index in range(20)]),
        "groups": patients,
        "split": np.array(["train", "val", "test", "test"] * 5),
    }
    np.savez(tmp_path / "mine.npz", **everything)
    monkeypatch.chdir(tmp_path)
    data = alfi.data.load("mine.npz")
    np.testing.assert_allclose(data.x, everything["x"], rtol=1e-6)
    assert [data.classes[label] for label in data.y] == everything["y"].tolist()
    assert data.classes == ("a", "b", "c")
    assert data.split.tolist() == everything["split"].tolist()
    assert data.ids.tolist() == everything["ids"].tolist()
    np.testing.assert_array_equal(data.groups, np.arange(20) // 4)
    np.savez(tmp_path / "mine.npz", **{key: everything[key] for key in ("x", "y", "groups")}, classes=["c", "b", "a"])
    data = alfi.data.load("mine.npz", test_fraction=0.4)
    assert data.classes == ("c", "b", "a")
    assert not set(data.groups[data.split == "test"]) & set(data.groups[data.split == "train"])
    assert (data.split == "test").sum() == 8


def test_npz_of_masks(tmp_path, arrays):
    masks = (arrays["x"][..., 0] > 100).astype(int)
    np.savez(tmp_path / "mine.npz", x=arrays["x"], y=masks)
    data = alfi.data.load(str(tmp_path / "mine.npz"), test_fraction=0.25)
    np.testing.assert_array_equal(data.y, masks)
    assert (data.split == "test").sum() == 5


@pytest.mark.parametrize(
    ("replaced", "message"),
    [
        ({"y": None}, "got arrays x, expected also y"),
        ({"y": np.arange(20) - 1}, "labels: got -1 to 18"),
        ({"y": np.zeros((20, 6, 6), int)}, r"labels: got shape \(20, 6, 6\), expected \(20, 6, 5\), as the images"),
        ({"y": np.zeros(20)}, "labels: got dtype float64, expected integers"),
        ({"y": np.arange(20), "classes": ["a", "b"]}, r"labels: got 0 to 19, expected 0 to 1 \(2 classes\)"),
        ({"y": np.array(["a", "z"] * 10), "classes": ["a", "b"]}, "got label 'z', expected one of a, b"),
        ({"x": np.full((20, 2), np.nan)}, "expected finite values"),
        ({"x": np.array(["a"] * 20)}, "x: got <U1"),
        ({"x": np.array([None] * 20)}, "no readable npz .*allow_pickle"),
        ({"ids": np.array(["a"] * 20)}, "expected unique ids"),
        ({"split": np.array(["pool"] * 20)}, "expected only train, val, test"),
        ({"groups": np.arange(3)}, r"groups: got shape \(3,\)"),
    ],
)
def test_wrong_arrays_are_named(tmp_path, arrays, replaced, message):
    path = tmp_path / "mine.npz"
    np.savez(path, **{key: value for key, value in (arrays | replaced).items() if value is not None})
    with pytest.raises(ValueError, match=message) as error:
        alfi.data.load(str(path))
    assert str(error.value).startswith(str(path))


def test_damaged_or_missing_npz(tmp_path, arrays):
    path = tmp_path / "mine.npz"
    with pytest.raises(FileNotFoundError, match=r"mine\.npz: no such file, expected an npz with the arrays x and y"):
        alfi.data.load(str(path))
    np.savez(path, **arrays)
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(ValueError, match=r"mine\.npz: no readable npz"):
        alfi.data.load(str(path))
    with path.open("wb") as file:
        np.save(file, arrays["x"])
    with pytest.raises(ValueError, match=r"mine\.npz: no readable npz"):
        alfi.data.load(str(path))
    with pytest.raises(ValueError, match=r"mine\.npz: got option resolution, expected test_fraction, seed"):
        alfi.data.load(str(path), resolution=3)


@pytest.fixture
def pictures(tmp_path, make):
    """Two classes of ten images of several formats and sizes, one of them a level deeper."""
    place, images = tmp_path / "pictures", {}
    for number, label in enumerate(("benign", "malignant")):
        for index in range(10):
            deeper = "patient/" if index == 9 else ""
            name = f"{label}/{deeper}{index}.{('png', 'tif', 'bmp')[index % 3]}"
            images[name] = make.image(place / name, 10 * number + index, (10 + index % 2, 8))
    (place / "benign" / "Thumbs.db").write_text("no image")
    (place / ".hidden").mkdir()
    return place, images


def test_folder(pictures, make):
    place, images = pictures
    data = alfi.data.load(f"{place}/", resolution=6)
    assert sorted(data.ids) == sorted(images)
    assert data.classes == ("benign", "malignant")
    for name, x, y in zip(data.ids, data.x, data.y, strict=True):
        np.testing.assert_allclose(x, make.resized(images[name], 6), atol=1e-6)
        assert name.startswith(data.classes[y])
    assert np.bincount(data.y[data.split == "test"]).tolist() == [2, 2]
    turned = alfi.data.load(str(place), resolution=6, classes=("malignant", "benign"))
    assert turned.classes == ("malignant", "benign")
    assert [turned.classes[y] for y in turned.y] == [name.partition("/")[0] for name in turned.ids]


def test_grey(pictures):
    place, images = pictures
    data = alfi.data.load(str(place), resolution=6, colour=False)
    assert data.x.shape == (20, 6, 6, 1)
    weights = np.array([299, 587, 114]) / 1000  # ITU-R 601, as Pillow's documentation tells
    for name, x in zip(data.ids, data.x, strict=True):
        assert x.mean() == pytest.approx((images[name] @ weights).mean() / 255, abs=0.02)


def test_folder_with_official_parts(pictures):
    place, images = pictures
    for side, names in {"train": list(images)[:6] + list(images)[10:16], "test": list(images)[6:8]}.items():
        for name in names:
            (place / side / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.move(place / name, place / side / name)
    for label in ("benign", "malignant", ".hidden"):
        shutil.rmtree(place / label)
    data = alfi.data.load(str(place), resolution=6)
    assert [np.bincount(data.y[data.split == side]).tolist() for side in ("train", "test")] == [[6, 6], [2]]
    assert all(name.startswith(side) for name, side in zip(data.ids, data.split, strict=True))
    shutil.copytree(place / "train" / "benign", place / "test" / "bening")
    with pytest.raises(ValueError, match=r"test/bening: unknown class folder, expected one of benign, malignant"):
        alfi.data.load(str(place), resolution=6)


def test_wrong_folders_are_named(pictures, make):
    place, _ = pictures
    with pytest.raises(ValueError, match=r"got shape \(8, 11, 3\), expected the \(8, 10, 3\) of .*resolution="):
        alfi.data.load(str(place))
    with pytest.raises(ValueError, match="malignant: unknown class folder, expected one of benign, normal"):
        alfi.data.load(str(place), classes=("benign", "normal"), resolution=6)
    with pytest.raises(ValueError, match="resolution: got 0, expected 1 or more"):
        alfi.data.load(str(place), resolution=0)
    (place / "benign" / "0.png").write_bytes(b"")
    (place / "malignant" / "3.png").write_bytes((place / "malignant" / "3.png").read_bytes()[:80])
    with pytest.raises(ValueError, match=r"2 of 20 images unreadable, the other 18 are fine: .*benign/0\.png.*3\.png"):
        alfi.data.load(str(place), resolution=6)
    (place / "empty").mkdir()
    with pytest.raises(ValueError, match="empty: no image in this class folder"):
        alfi.data.load(str(place), resolution=6)
    make.image(place / "stray.png", 0)
    with pytest.raises(ValueError, match=r"stray\.png: lies in no class folder, and 0 other images"):
        alfi.data.load(str(place), resolution=6)
    with pytest.raises(FileNotFoundError, match="elsewhere: no such folder, expected one with a sub-folder for each"):
        alfi.data.load(f"{place}/elsewhere/")
    (place / "nothing").mkdir()
    with pytest.raises(ValueError, match="nothing: no class folder with images"):
        alfi.data.load(f"{place}/nothing/")


def write_table(path, rows):
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)


def test_table(pictures, make):
    place, images = pictures
    rows = [
        {"path": f"pictures/{name}", "label": str(index % 3 * 5), "group": f"p{index // 4}"}
        for index, name in enumerate(images)
    ]
    path = place.parent / "table.csv"
    write_table(path, rows)
    data = alfi.data.load(str(path), resolution=6)
    assert data.classes == ("0", "5", "10")
    assert data.y.tolist() == [index % 3 for index in range(20)]
    assert data.ids.tolist() == [row["path"] for row in rows]
    np.testing.assert_array_equal(data.groups, np.arange(20) // 4)
    assert not set(data.groups[data.split == "test"]) & set(data.groups[data.split == "train"])
    np.testing.assert_allclose(data.x[3], make.resized(list(images.values())[3], 6), atol=1e-6)
    for index, row in enumerate(rows):
        row.update(split=("train", "test")[index % 2], id=f"image {index}")
    write_table(path, rows)
    data = alfi.data.load(str(path), resolution=6, classes=("10", "5", "0", "never"))
    assert data.split.tolist() == ["train", "test"] * 10
    assert data.ids[7] == "image 7"
    assert data.y.tolist() == [2 - index % 3 for index in range(20)]
    path.write_text(path.read_text().replace(",", ";"))  # a spreadsheet's, where the comma is the decimal mark
    assert alfi.data.load(str(path), resolution=6).ids.tolist() == data.ids.tolist()


def test_table_of_masks(pictures, make):
    place, images = pictures
    rows = []
    for index, (name, pixels) in enumerate(images.items()):
        make.mask(place / f"{index}_mask.png", pixels[..., 0] > 99)
        rows.append({"path": name, "mask": f"{index}_mask.png"})
    write_table(place / "table.csv", rows)
    data = alfi.data.load(str(place / "table.csv"), resolution=40)
    assert data.classes == ("0", "1")
    for pixels, y in zip(images.values(), data.y, strict=True):
        expected = Image.fromarray(pixels[..., 0] > 99).convert("L").resize((40, 40), Image.Resampling.NEAREST)
        np.testing.assert_array_equal(y, np.asarray(expected) / 255)
    Image.fromarray(np.full((8, 11), 4, np.uint8)).save(place / "1_mask.png")  # classes by number
    Image.fromarray(np.full((8, 10), 2, np.uint8)).save(place / "0_mask.png")
    write_table(place / "table.csv", rows[:2])
    data = alfi.data.load(str(place / "table.csv"), resolution=5, test_fraction=0)
    assert data.classes == ("0", "1", "2", "3", "4")
    assert (data.y == np.array([2, 4])[:, None, None]).all()
    Image.fromarray(np.full((8, 9), 2, np.uint8)).save(place / "0_mask.png")
    with pytest.raises(ValueError, match=r"1 of 2 masks .*0_mask\.png: got 9 x 8, expected the 10 x 8 of .*0\.png"):
        alfi.data.load(str(place / "table.csv"), resolution=5)
    Image.fromarray(np.zeros((8, 10, 3), np.uint8)).save(place / "0_mask.png")
    with pytest.raises(ValueError, match=r"1 of 2 masks unreadable.* mode RGB, expected one channel"):
        alfi.data.load(str(place / "table.csv"), resolution=5)


@pytest.mark.parametrize(
    ("rows", "error", "message"),
    [
        ([{"path": "benign/0.png"}], ValueError, "line 1: got columns path, expected also label"),
        ([{"label": "1"}], ValueError, "line 1: got columns label, expected also path"),
        ([{"path": "benign/0.png", "label": "a", "group": ""}], ValueError, "line 2: .* expected a value for group"),
        ([{"path": "benign/x.png", "label": "a"}], FileNotFoundError, "1 of 1 files not found, the first .*x.png"),
        ([{"path": "benign/0.png", "label": "a", "split": "pool"}], ValueError, "split: got .*pool"),
        ([{"path": "benign/0.png", "label": "a"}] * 2, ValueError, "expected unique ids"),
    ],
)
def test_wrong_tables_are_named(pictures, rows, error, message):
    path = pictures[0] / "table.csv"
    write_table(path, rows)
    with pytest.raises(error, match=message):
        alfi.data.load(str(path))


def test_label_out_of_range_and_missing_or_empty_table(pictures):
    path = pictures[0] / "table.csv"
    with pytest.raises(FileNotFoundError, match=r"table\.csv: no such table"):
        alfi.data.load(str(path))
    path.write_text("path,label\n")
    with pytest.raises(ValueError, match=r"table\.csv: examples: got 0, expected at least one"):
        alfi.data.load(str(path))
    write_table(path, [{"path": "benign/0.png", "label": "7"}])
    with pytest.raises(ValueError, match=r"table\.csv: got label '7', expected one of 0, 1"):
        alfi.data.load(str(path), classes=("0", "1"))
