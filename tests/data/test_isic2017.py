"""ISIC 2017's layout on made files."""

import shutil

import numpy as np
import pytest

import alfi.data
from alfi.data.isic2017 import PARTS

SIZES = {"train": 12, "val": 3, "test": 6}


@pytest.fixture
def made(tmp_path, make):
    """Unpacked folders; each lesion is the left part of its image, each image of another size."""
    folder, images, masks, number = tmp_path / "isic2017", {}, {}, 0
    for side, part in PARTS.items():
        rows = ["image_id,melanoma,seborrheic_keratosis"]
        for index in range(SIZES[side]):
            name, width = f"ISIC_{number:07d}", 16 + number % 3
            images[name] = make.image(folder / f"{part}_Data" / f"{name}.jpg", number, (width, 12))
            make.image(folder / f"{part}_Data" / f"{name}_superpixels.png", number)
            masks[name] = np.arange(width) * np.ones((12, 1)) < 2 + number % 9
            make.mask(folder / f"{part}_Part1_GroundTruth" / f"{name}_segmentation.png", masks[name])
            rows.append(f"{name},{float(index % 3 == 1)},{float(index % 3 == 2)}")
            number += 1
        (folder / f"{part}_Part3_GroundTruth.csv").write_text("\n".join(rows))
    return tmp_path, images, masks


def test_images_diagnoses_and_official_split(made, make):
    root, images, _ = made
    data = alfi.data.load("isic2017", root=root, resolution=8)
    assert data.ids.tolist() == list(images)
    assert data.classes == ("nevus", "melanoma", "seborrheic_keratosis")
    assert data.y.tolist() == [index % 3 for side in SIZES for index in range(SIZES[side])]
    assert data.split.tolist() == [side for side in SIZES for _ in range(SIZES[side])]
    for name, x in zip(data.ids, data.x, strict=True):
        np.testing.assert_allclose(x, make.resized(images[name], 8), atol=1e-6)


def test_masks(made):
    root, _, masks = made
    data = alfi.data.load("isic2017", root=root, resolution=16, task="segmentation")
    assert data.classes == ("background", "lesion")
    for name, y in zip(data.ids, data.y, strict=True):
        assert y.mean() == pytest.approx(masks[name].mean(), abs=1 / 16)
        assert (np.diff(y, axis=1) <= 0).all()  # the left part


def test_archives_give_the_same(made):
    root = made[0]
    unpacked = alfi.data.load("isic2017", root=root, resolution=8, task="segmentation")
    for part in PARTS.values():
        for name in (f"{part}_Data", f"{part}_Part1_GroundTruth"):
            shutil.make_archive(str(root / "isic2017" / name), "zip", root / "isic2017", name)
            shutil.rmtree(root / "isic2017" / name)
    packed = alfi.data.load("isic2017", root=root, resolution=8, task="segmentation")
    for column, again in zip(unpacked, packed, strict=True):
        np.testing.assert_array_equal(column, again)


def test_training_images_that_are_test_images_are_dropped(made):
    folder = made[0] / "isic2017"
    (folder / f"{PARTS['train']}_Data/ISIC_0000004.jpg").write_bytes(
        (folder / f"{PARTS['test']}_Data/ISIC_0000016.jpg").read_bytes()
    )
    data = alfi.data.load("isic2017", root=made[0], resolution=8)
    assert set(made[1]) - set(data.ids) == {"ISIC_0000004"}


def test_mask_of_another_size_is_named(made, make):
    path = made[0] / "isic2017" / f"{PARTS['val']}_Part1_GroundTruth" / "ISIC_0000013_segmentation.png"
    make.mask(path, np.ones((5, 7), bool))
    with pytest.raises(ValueError, match=r"1 of 21 masks .*ISIC_0000013_seg.*: got 7 x 5, expected the 17 x 12 of"):
        alfi.data.load("isic2017", root=made[0], resolution=8, task="segmentation")
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"1 of 3 files not found, the first ISIC_0000013_segmentation\.png"):
        alfi.data.load("isic2017", root=made[0], resolution=8, task="segmentation")


@pytest.mark.parametrize("values", ["1.0,1.0", "0.5,0.0", "yes,no"])
def test_wrong_diagnoses_are_named(made, values):
    path = made[0] / "isic2017" / f"{PARTS['test']}_Part3_GroundTruth.csv"
    path.write_text(path.read_text().replace("ISIC_0000016,1.0,0.0", f"ISIC_0000016,{values}"))
    with pytest.raises(ValueError, match=r"ISIC_0000016: got melanoma .*, expected 0\.0 or 1\.0"):
        alfi.data.load("isic2017", root=made[0])


def test_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"Training_Part3_GroundTruth\.csv not found: download .*CC0"):
        alfi.data.load("isic2017", root=tmp_path)


@pytest.mark.parametrize("option", [{"resolution": 0}, {"task": "detection"}])
def test_options_out_of_range(made, option):
    with pytest.raises(ValueError, match=f"isic2017: {next(iter(option))}: got .*, expected"):
        alfi.data.load("isic2017", root=made[0], **option)
