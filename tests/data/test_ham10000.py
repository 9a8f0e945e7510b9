"""HAM10000: the real archives where they are, small made ones for layouts, splits and damage."""

import csv
import io
import shutil
import zipfile

import numpy as np
import pytest
from PIL import Image

import alfi.data
from alfi.data.ham10000 import CLASSES, MASKS, PARTS, WHITE_MASK
from alfi.data.root import data_root

N = 120


def jpeg(rng: np.random.Generator) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(rng.integers(0, 256, (30, 40, 3), np.uint8)).save(buffer, "JPEG")
    return buffer.getvalue()


@pytest.fixture
def made(tmp_path):
    """120 images of lesions with one to three images each, in no order, as the authors distribute them."""
    folder = tmp_path / "ham10000"
    folder.mkdir()
    rng = np.random.default_rng(0)
    images = {f"ISIC_{index:07d}": jpeg(rng) for index in range(N)}
    lesions = np.repeat(np.arange(N), rng.integers(1, 4, N))[:N]
    rows = [
        {"lesion_id": f"HAM_{lesion:07d}", "image_id": image, "dx": CLASSES[min(lesion % 10, 6)], "dx_type": "histo"}
        for lesion, image in zip(lesions, rng.permutation(list(images)), strict=True)
    ]
    write_metadata(folder, rows)
    for part, names in zip(PARTS, (list(images)[:50], list(images)[50:]), strict=True):
        with zipfile.ZipFile(folder / f"{part}.zip", "w") as archive:
            for name in names:
                archive.writestr(f"{name}.jpg", images[name])
    return tmp_path, rows, images


def write_metadata(folder, rows):
    with (folder / "HAM10000_metadata.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)


def replace_member(path, name, content):
    with zipfile.ZipFile(path) as archive:
        members = {member: archive.read(member) for member in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for member, old in members.items():
            archive.writestr(member, content if member == name else old)


def test_images_labels_and_groups_are_those_of_the_metadata(made):
    root, rows, images = made
    data = alfi.data.load("ham10000", root=root, resolution=8)
    assert data.x.shape == (N, 8, 8, 3)
    assert data.x.dtype == np.float32
    assert data.ids.tolist() == sorted(images)
    by_id = {row["image_id"]: row for row in rows}
    assert [data.classes[label] for label in data.y] == [by_id[name]["dx"] for name in data.ids]
    lesions = np.array([by_id[name]["lesion_id"] for name in data.ids])
    np.testing.assert_array_equal(
        data.groups[:, None] == data.groups, lesions[:, None] == lesions, "same group exactly where same lesion"
    )
    for index in (0, N - 1):
        with Image.open(io.BytesIO(images[data.ids[index]])) as image:
            expected = np.asarray(image.resize((8, 8), Image.Resampling.LANCZOS)) / 255
        np.testing.assert_allclose(data.x[index], expected, atol=1e-6)


def test_split_keeps_lesions_whole_and_classes_in_proportion(made):
    data = alfi.data.load("ham10000", root=made[0], resolution=4, test_fraction=0.25)
    test = data.split == "test"
    assert not set(data.groups[test]) & set(data.groups[~test])
    assert set(data.split) == {"train", "test"}
    for label in range(7):
        of_class = data.y == label
        assert abs(test[of_class].sum() - 0.25 * of_class.sum()) <= 1.5  # half of the largest lesion
    assert set(alfi.data.load("ham10000", root=made[0], resolution=4, test_fraction=0).split) == {"train"}


def test_seed_decides_split_and_subset_and_nothing_else_does(made):
    root, rows, _ = made
    data, same, other = (alfi.data.load("ham10000", root=root, resolution=4, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(data.split, same.split)
    assert (data.split != other.split).any()
    np.testing.assert_array_equal(data.x, other.x)
    write_metadata(root / "ham10000", rows[::-1])
    for column, again in zip(data, alfi.data.load("ham10000", root=root, resolution=4), strict=True):
        np.testing.assert_array_equal(column, again)


def test_subset_is_of_whole_lesions_nested_and_on_the_same_side_of_the_split(made):
    whole, large, small = (alfi.data.load("ham10000", root=made[0], resolution=4, subset=k) for k in (None, 80, 40))
    assert abs(len(large.y) - 80) <= 7
    assert abs(len(small.y) - 40) <= 7
    assert set(small.ids) < set(large.ids) < set(whole.ids)
    rows = np.searchsorted(whole.ids, small.ids)
    for of_whole, of_small in zip(whole[:-1], small[:-1], strict=True):
        np.testing.assert_array_equal(of_whole[rows], of_small)
    assert not set(whole.groups[~np.isin(whole.ids, small.ids)]) & set(small.groups)
    np.testing.assert_allclose(np.bincount(large.y, minlength=7), np.bincount(whole.y) * 80 / N, atol=3)
    assert len(alfi.data.load("ham10000", root=made[0], resolution=4, subset=N).y) == N


def test_subset_reads_only_the_images_it_needs(made):
    root = made[0]
    needed = set(alfi.data.load("ham10000", root=root, resolution=4, subset=30).ids)
    for part in PARTS:
        path = root / "ham10000" / f"{part}.zip"
        with zipfile.ZipFile(path) as archive:
            members = {member: archive.read(member) for member in archive.namelist() if member[:-4] in needed}
        with zipfile.ZipFile(path, "w") as archive:
            for member, content in members.items():
                archive.writestr(member, content)
    assert set(alfi.data.load("ham10000", root=root, resolution=4, subset=30).ids) == needed
    with pytest.raises(FileNotFoundError, match=rf"{N - len(needed)} of {N} files not found, the first ISIC_"):
        alfi.data.load("ham10000", root=root, resolution=4)


def test_unpacked_folders_give_the_same(made):
    root = made[0]
    packed = alfi.data.load("ham10000", root=root, resolution=4)
    for part in PARTS:
        shutil.unpack_archive(root / "ham10000" / f"{part}.zip", root / "ham10000" / part)
        (root / "ham10000" / f"{part}.zip").unlink()
        np.testing.assert_array_equal(packed.x, alfi.data.load("ham10000", root=root, resolution=4).x)


def test_the_second_of_a_known_duplicate_pair_is_dropped(made):
    root, rows, images = made
    folder = root / "ham10000"
    pair = ("ISIC_0029861", "ISIC_0024366")
    for name, row in zip(pair, rows, strict=False):
        row.update(image_id=name, lesion_id="HAM_same", dx="nv")
    write_metadata(folder, rows)
    with zipfile.ZipFile(folder / f"{PARTS[1]}.zip", "a") as archive:
        for name in pair:
            archive.writestr(f"{name}.jpg", images["ISIC_0000000"])
    data = alfi.data.load("ham10000", root=root, resolution=4)
    assert len(data.y) == N - 1
    assert pair[1] in data.ids
    assert pair[0] not in data.ids


@pytest.mark.parametrize("damage", [b"", b"no image", "half"])
def test_corrupt_image_is_named_and_the_others_counted(made, damage):
    root, _, images = made
    content = images["ISIC_0000060"][:300] if damage == "half" else damage
    replace_member(root / "ham10000" / f"{PARTS[1]}.zip", "ISIC_0000060.jpg", content)
    with pytest.raises(
        ValueError, match=r"1 of 120 images unreadable, the other 119 are fine: .*_part_2\.zip/ISIC_0000060\.jpg"
    ):
        alfi.data.load("ham10000", root=root, resolution=4)


def test_corrupt_archive_is_named(made):
    path = made[0] / "ham10000" / f"{PARTS[0]}.zip"
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(ValueError, match=r"HAM10000_images_part_1\.zip: no readable zip archive"):
        alfi.data.load("ham10000", root=made[0])


def test_missing_archive_is_named(made):
    (made[0] / "ham10000" / f"{PARTS[1]}.zip").unlink()
    with pytest.raises(FileNotFoundError, match=r"HAM10000_images_part_2\.zip not found: download .* CC BY-NC 4\.0"):
        alfi.data.load("ham10000", root=made[0])


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"dx": "scc"}, "ISIC_[0-9]+: got dx 'scc', expected one of akiec, bcc"),
        ({"dx": ""}, "line 4: got .* expected a value for dx"),
        ({"image_id": "ISIC_0000001"}, "ids: got .*ISIC_0000001.* 2 times, expected unique ids"),
    ],
)
def test_wrong_metadata_are_named(made, changed, message):
    root, rows, _ = made
    rows = [row for row in rows if row["image_id"] != "ISIC_0000001"]
    rows.insert(0, made[1][0] | {"image_id": "ISIC_0000001"})
    rows[2].update(changed)
    write_metadata(root / "ham10000", rows)
    with pytest.raises(ValueError, match=message):
        alfi.data.load("ham10000", root=root, resolution=4)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff\xfe\x00\x81", "no readable csv"),
        (b"lesion_id,image_id,dx\n", "examples: got 0, expected at least one"),
        (b"image_id,dx\nISIC_0000001,nv\n", "line 1: got columns image_id, dx, expected also lesion_id"),
        (b"lesion_id,image_id,dx\nHAM_1,ISIC_0000001", "line 2: .*expected a value for dx"),
    ],
)
def test_damaged_metadata(made, content, message):
    (made[0] / "ham10000" / "HAM10000_metadata.csv").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        alfi.data.load("ham10000", root=made[0], resolution=4)


@pytest.mark.parametrize(
    "option",
    [
        {"resolution": 0},
        {"task": "detection"},
        {"test_fraction": 1.0},
        {"test_fraction": float("nan")},
        {"seed": -1},
        {"subset": 0},
        {"subset": N + 1},
    ],
)
def test_options_out_of_range(made, option):
    with pytest.raises(ValueError, match=f"ham10000: {next(iter(option))}: got .*, expected"):
        alfi.data.load("ham10000", root=made[0], **option)


@pytest.fixture
def masked(made):
    """A lesion in the left part of each image, wider and wider, in 1-bit masks as the authors distribute them."""
    root, rows, images = made
    masks = {}
    with zipfile.ZipFile(root / "ham10000" / f"{MASKS}.zip", "w") as archive:
        for width, name in enumerate(images):
            masks[name] = np.arange(40) * np.ones((30, 1)) < width % 40
            buffer = io.BytesIO()
            Image.fromarray(masks[name]).save(buffer, "PNG")
            archive.writestr(f"{MASKS}/{name}_segmentation.png", buffer.getvalue())
    return root, rows, masks


def test_masks_are_those_of_their_images_and_the_split_that_of_the_diagnoses(masked):
    root, _, masks = masked
    data = alfi.data.load("ham10000", root=root, task="segmentation", resolution=10)
    assert data.y.shape == (N, 10, 10)
    assert data.classes == ("background", "lesion")
    for name, mask in zip(data.ids, data.y, strict=True):
        covered = masks[name].reshape(10, 3, 10, 4).mean(axis=(1, 3))  # the part of each of the 10 x 10 that is lesion
        np.testing.assert_array_equal(mask[covered > 0.5], 1)
        np.testing.assert_array_equal(mask[covered < 0.5], 0)
    diagnoses = alfi.data.load("ham10000", root=root, resolution=10)
    for column in ("x", "ids", "groups", "split"):
        np.testing.assert_array_equal(getattr(data, column), getattr(diagnoses, column))


def test_masks_that_are_all_lesion_are_dropped_for_segmentation_only(masked):
    root, rows, _ = masked
    folder = root / "ham10000"
    rows[5]["image_id"] = WHITE_MASK[0]
    write_metadata(folder, rows)
    for archive, name in ((MASKS, f"{MASKS}/{WHITE_MASK[0]}_segmentation.png"), (PARTS[0], f"{WHITE_MASK[0]}.jpg")):
        with zipfile.ZipFile(folder / f"{archive}.zip", "a") as packed:
            packed.writestr(name, packed.read(packed.namelist()[0]))
    assert WHITE_MASK[0] in alfi.data.load("ham10000", root=root, resolution=4).ids
    data = alfi.data.load("ham10000", root=root, resolution=4, task="segmentation")
    assert len(data.y) == N - 1
    assert WHITE_MASK[0] not in data.ids


def test_mask_of_another_size_missing_or_corrupt_is_named(masked):
    path, member = masked[0] / "ham10000" / f"{MASKS}.zip", f"{MASKS}/ISIC_0000003_segmentation.png"
    buffer = io.BytesIO()
    Image.new("1", (20, 30)).save(buffer, "PNG")
    replace_member(path, member, buffer.getvalue())
    with pytest.raises(ValueError, match=r"1 of 120 masks .*ISIC_0000003_seg.*: got 20 x 30, expected the 40 x 30 of"):
        alfi.data.load("ham10000", root=masked[0], resolution=4, task="segmentation")
    replace_member(path, member, b"")
    with pytest.raises(ValueError, match=r"1 of 120 masks unreadable, the other 119 are fine: .*ISIC_0000003_seg"):
        alfi.data.load("ham10000", root=masked[0], resolution=4, task="segmentation")
    path.unlink()
    with pytest.raises(FileNotFoundError, match=rf"{MASKS}\.zip not found: download"):
        alfi.data.load("ham10000", root=masked[0], resolution=4, task="segmentation")


@pytest.fixture(scope="module")
def real():
    if not (data_root() / "ham10000" / "HAM10000_metadata.csv").exists():
        pytest.skip(f"no ham10000/HAM10000_metadata.csv under {data_root()}")
    return alfi.data.load("ham10000")


@pytest.mark.data
def test_real_facts(real):
    assert real.x.shape == (10013, 28, 28, 3)
    assert len(set(real.groups)) == 7470
    counts = dict(zip(real.classes, np.bincount(real.y).tolist(), strict=True))
    assert counts == {"akiec": 327, "bcc": 514, "bkl": 1099, "df": 115, "mel": 1113, "nv": 6703, "vasc": 142}
    test = real.split == "test"
    assert not set(real.groups[test]) & set(real.groups[~test])
    np.testing.assert_allclose(np.bincount(real.y[test]), 0.2 * np.bincount(real.y), atol=3)


@pytest.mark.data
def test_real_images_are_pictures_of_skin_and_no_two_are_the_same(real):
    red, green, blue = real.x.mean((0, 1, 2))
    assert 0.7 < red < 0.85
    assert 0.45 < min(green, blue) <= max(green, blue) < 0.65
    assert len({image.tobytes() for image in real.x}) == len(real.x)


@pytest.mark.slow
@pytest.mark.data
def test_real_masks(real):
    data = alfi.data.load("ham10000", task="segmentation", resolution=50)
    assert data.y.shape == (10011, 50, 50)
    assert not set(WHITE_MASK) & set(data.ids)
    assert set(WHITE_MASK) < set(real.ids)
    covered = data.y.mean(axis=(1, 2))
    assert 0 < covered.min() < covered.max() < 1
    assert covered.mean() == pytest.approx(0.266, abs=0.002)  # of the masks at 200 x 150
    inside, outside = (np.mean([x[y == v].mean() for x, y in zip(data.x, data.y, strict=True)]) for v in (1, 0))
    assert inside < outside - 0.1  # lesions are darker than the skin around them
    rows = np.searchsorted(real.ids, data.ids)
    np.testing.assert_array_equal(data.split, real.split[rows])
