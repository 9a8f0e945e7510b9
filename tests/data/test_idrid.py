"""IDRiD: the real images where they are, small made ones for layout, duplicates and damage."""

import numpy as np
import pytest
from PIL import Image

import alfi.data
from alfi.data.fundus import field_of_view
from alfi.data.idrid import FOLDER, IMAGES, TRUTHS
from alfi.data.root import data_root

# The pairs of equal images: 1/2 agree, 3/4 contradict each other in the grade only, 5 is test 2
GRADES = {"train": [0, 0, 1, 2, 0, 4, 3, 2], "test": [3, 2, 0]}
SEEDS = {"train": [1, 1, 2, 2, 3, 4, 5, 6], "test": [7, 3, 8]}


@pytest.fixture
def made(tmp_path, make):
    images = {}
    for side in ("train", "test"):
        rows = ["Image name,Retinopathy grade,Risk of macular edema ,,,"]
        for number, (grade, seed) in enumerate(zip(GRADES[side], SEEDS[side], strict=True), start=1):
            name = f"IDRiD_{number:03d}"
            path = tmp_path / FOLDER / IMAGES[side] / f"{name}.jpg"
            images[f"{side}/{name}"] = make.image(path, seed, (16, 16))
            rows.append(f"{name},{grade},{min(grade, 1)},,,")
        path = tmp_path / FOLDER / TRUTHS[side]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join([*rows, ",,,,,"]))
    return tmp_path, images


def names(data, side):
    return [int(name[-3:]) for name in data.ids[data.split == side]]


def test_images_grades_and_official_split(made, make):
    root, images = made
    data = alfi.data.load("idrid", root=root, resolution=8)
    assert data.groups is None
    for name, x, y, side in zip(data.ids, data.x, data.y, data.split, strict=True):
        np.testing.assert_allclose(x, make.resized(images[name], 8), atol=1e-6)
        assert y == GRADES[side][int(name[-3:]) - 1]
        assert name.startswith(side)


def test_duplicates_go_from_the_training_part_both_where_they_contradict_each_other(made):
    root, _ = made
    grade, binary, edema = (
        alfi.data.load("idrid", root=root, resolution=8, target=target)
        for target in ("grade", "binary", "macular_edema")
    )
    assert names(grade, "train") == [1, 6, 7, 8]
    assert names(binary, "train") == names(edema, "train") == [1, 3, 6, 7, 8]
    assert all(names(data, "test") == [1, 2, 3] for data in (grade, binary, edema))
    assert binary.y[binary.split == "train"].tolist() == [0, 1, 1, 1, 1]
    assert len(edema.classes) == 3


def test_wide_images_are_cropped_to_the_field_of_view():
    eye = np.zeros((200, 400, 3), np.uint8)
    rows, columns = np.mgrid[:200, :400]
    eye[(rows - 100) ** 2 + (columns - 250) ** 2 < 75**2] = (180, 80, 30)
    eye[5, 3] = 255  # one bright pixel of the border is not the eye
    square = np.asarray(field_of_view(Image.fromarray(eye)))
    assert square.shape[0] == square.shape[1]
    assert abs(square.shape[0] - 149) <= 4
    assert square.sum() == pytest.approx(eye.sum(), rel=0.02)
    black = Image.new("RGB", (6, 4))
    assert field_of_view(black).size == (6, 6)
    untouched = Image.fromarray(eye[:, :200])
    assert field_of_view(untouched) is untouched


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("IDRiD_006,4", "IDRiD_006,5", "IDRiD_006: got Retinopathy grade '5', expected 0 to 4"),
        ("IDRiD_006,4", "IDRiD_006,", "line 7: .* expected a value for Retinopathy grade"),
        ("Retinopathy grade", "DR", "line 1: got columns .* expected also Retinopathy grade"),
    ],
)
def test_wrong_tables_are_named(made, old, new, message):
    path = made[0] / FOLDER / TRUTHS["train"]
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(ValueError, match=message) as error:
        alfi.data.load("idrid", root=made[0])
    assert str(error.value).startswith(str(path))


def test_missing_and_corrupt_images_are_named(made):
    path = made[0] / FOLDER / IMAGES["train"] / "IDRiD_004.jpg"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ValueError, match=r"1 of 11 images unreadable, the other 10 are fine: .*IDRiD_004\.jpg"):
        alfi.data.load("idrid", root=made[0])
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"IDRiD_004\.jpg not found: download .* CC BY 4\.0"):
        alfi.data.load("idrid", root=made[0])


@pytest.mark.parametrize("option", [{"target": "dr"}, {"resolution": 0}])
def test_options_out_of_range(made, option):
    with pytest.raises(ValueError, match=f"idrid: {next(iter(option))}: got .*, expected"):
        alfi.data.load("idrid", root=made[0], **option)


@pytest.mark.data
@pytest.mark.parametrize(
    ("target", "train", "test"),
    [
        ("grade", [133, 18, 133, 73, 48], [34, 5, 32, 19, 13]),
        ("binary", [133, 274], [34, 69]),
        ("macular_edema", [173, 39, 194], [45, 10, 48]),
    ],
)
def test_real_facts(target, train, test):
    if not (data_root() / FOLDER).exists():
        pytest.skip(f"no {FOLDER} under {data_root()}")
    data = alfi.data.load("idrid", target=target, resolution=32)
    assert data.x.shape == (sum(train) + 103, 32, 32, 3)
    counts = [np.bincount(data.y[data.split == side]).tolist() for side in ("train", "test")]
    assert counts == [train, test]
    assert "train/IDRiD_118" not in data.ids
    assert "test/IDRiD_064" in data.ids
    assert len({x.tobytes() for x in data.x}) == len(data.x)
    red, green, blue = data.x.mean(axis=(0, 1, 2))
    assert red > green > blue  # the back of an eye
