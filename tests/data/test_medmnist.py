"""MedMNIST files: the two real ones where they are, small made ones for the rest."""

import hashlib

import numpy as np
import pytest

import alfi.data
from alfi.data.medmnist import CLASSES, PUBLISHED, checksum, facts
from alfi.data.root import data_root

SIZES = {"train": 12, "val": 4, "test": 6}


def arrays(shape=(28, 28), classes=2) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    images = {f"{s}_images": rng.integers(0, 256, (n, *shape), np.uint8) for s, n in SIZES.items()}
    return images | {f"{s}_labels": np.arange(n, dtype=np.uint8)[:, None] % classes for s, n in SIZES.items()}


@pytest.fixture
def write(tmp_path):
    (tmp_path / "medmnist").mkdir()

    def save(name="breastmnist", **replaced):
        path = tmp_path / "medmnist" / f"{name}.npz"
        np.savez(path, **{key: value for key, value in (arrays() | replaced).items() if value is not None})
        return path

    return save


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("breastmnist", {"train": [147, 399], "val": [21, 57], "test": [42, 114]}),
        ("pneumoniamnist", {"train": [1213, 3477], "val": [135, 389], "test": [234, 390]}),  # 18 duplicates dropped
    ],
)
def test_real_files(name, counts):
    if not (data_root() / "medmnist" / f"{name}.npz").exists():
        pytest.skip(f"no medmnist/{name}.npz under {data_root()}")
    data = alfi.data.load(name)
    assert {split: np.bincount(data.y[data.split == split]).tolist() for split in counts} == counts
    assert data.x.shape == (sum(map(sum, counts.values())), 28, 28, 1)
    assert data.x.dtype == np.float32
    assert (data.x.min(), data.x.max()) == (0, 1)
    train = data.x[data.split == "train"]
    assert len({image.tobytes() for image in train}) == len(train)


@pytest.mark.parametrize(("shape", "expected"), [((28, 28), (28, 28, 1)), ((20, 28, 3), (20, 28, 3))])
def test_grey_and_rgb(write, tmp_path, shape, expected):
    made = arrays(shape)
    write(**made)
    data = alfi.data.load("breastmnist", root=tmp_path)
    images = np.concatenate([made[f"{split}_images"] for split in SIZES]).reshape(-1, *expected)
    np.testing.assert_array_equal(data.x, (images / 255).astype(np.float32))
    assert data.split.tolist() == [split for split, n in SIZES.items() for _ in range(n)]
    assert data.ids[[0, 12, -1]].tolist() == ["breastmnist/train/0", "breastmnist/val/0", "breastmnist/test/5"]
    assert data.classes == ("malignant", "normal or benign")
    assert data.groups is None


def test_any_file_by_its_name_and_larger_sizes_share_the_classes(write, tmp_path):
    write("mine", **arrays(classes=3))
    write("breastmnist_64", **arrays((64, 64)))
    assert alfi.data.load("mine", root=tmp_path).classes == ("0", "1", "2")
    assert alfi.data.load("breastmnist_64", root=tmp_path).classes == ("malignant", "normal or benign")


def test_a_larger_size_is_known_before_its_file_is_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"bloodmnist_128\.npz not found: download bloodmnist_128\.npz from"):
        alfi.data.load("bloodmnist_128", root=tmp_path)
    with pytest.raises(ValueError, match="unknown data set 'bloodmnist_100': did you mean 'bloodmnist'"):
        alfi.data.load("bloodmnist_100", root=tmp_path)


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_what_is_told_of_a_published_set_agrees_with_its_classes(name):
    told = facts(name)
    assert f"{len(CLASSES[name])} classes" in told.task
    assert told.files == (f"medmnist/{name}.npz",)
    assert len(PUBLISHED[name][2]) == 32


def test_checksum_is_told_and_not_enforced(write, tmp_path):
    path = write()
    found, published = checksum(path)
    assert found == hashlib.md5(path.read_bytes()).hexdigest() != published
    assert published == "750601b1f35ba3300ea97c75c52ff8f6"
    assert len(alfi.data.load("breastmnist", root=tmp_path).y) == 22
    assert checksum(write("mine")) == (found, None)


def test_duplicates_are_dropped_in_train_only_and_only_with_the_same_label(write, tmp_path):
    made = arrays()
    made["train_images"][[5, 7, 8]] = made["train_images"][1]  # labels 1, 1, 1 and, for row 8, 0
    made["val_images"][0] = made["train_images"][1]
    made["test_images"][1] = made["test_images"][0]
    write(**made)
    data = alfi.data.load("breastmnist", root=tmp_path)
    train = [int(name.split("/")[2]) for name in data.ids[data.split == "train"]]
    assert train == [0, 1, 2, 3, 4, 6, 8, 9, 10, 11]
    assert [(data.split == split).sum() for split in ("val", "test")] == [4, 6]


@pytest.mark.parametrize(
    ("replaced", "message"),
    [
        ({"val_labels": np.full((4, 1), 2)}, r"labels: got 0 to 2, expected 0 to 1 \(2 classes\)"),
        ({"val_labels": np.full((4, 1), -1)}, "labels: got -1 to 1"),
        ({"val_labels": np.full((4, 1), np.nan)}, "labels: got dtype float64, expected integers"),
        ({"val_labels": np.zeros((3, 1), int)}, r"val_labels: got shape \(3, 1\), expected \(4, 1\)"),
        ({"test_labels": np.zeros((6, 14), int)}, "test_labels: got 14 labels per image .multi-label., expected 1"),
        ({"test_labels": None}, "got no array 'test_labels.*expected {train,val,test}_{images,labels}"),
        ({"train_images": np.full((12, 28, 28), np.nan)}, r"train_images: got float64 .12, 28, 28., expected uint8"),
        (
            {"val_images": np.zeros((4, 64, 64), np.uint8)},
            r"val_images: got uint8 .4, 64, 64., .*the same in each split",
        ),
        ({"val_images": np.zeros((4, 28, 28, 28), np.uint8)}, "val_images: got uint8 .4, 28, 28, 28."),
        ({"val_images": np.array([None] * 4)}, "no readable npz .*allow_pickle"),
    ],
)
def test_wrong_arrays_are_named(write, tmp_path, replaced, message):
    path = write(**replaced)
    with pytest.raises(ValueError, match=message) as error:
        alfi.data.load("breastmnist", root=tmp_path)
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("kept", [0, 10, 1000, 5000, -1])
def test_truncated_file_is_named(write, tmp_path, kept):
    path = write()
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ValueError, match=r"breastmnist\.npz: no readable npz"):
        alfi.data.load("breastmnist", root=tmp_path)


def test_flipped_bytes_are_found_by_the_checksum_of_the_archive(write, tmp_path):
    path = write()
    content = bytearray(path.read_bytes())
    content[3000:3010] = bytes(255 - byte for byte in content[3000:3010])
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"breastmnist\.npz: no readable npz .*CRC"):
        alfi.data.load("breastmnist", root=tmp_path)


def test_files_of_another_kind_are_refused(write, tmp_path):
    path = write()
    path.write_text("<html>404</html>")
    with pytest.raises(ValueError, match="no readable npz"):
        alfi.data.load("breastmnist", root=tmp_path)
    with path.open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(ValueError, match="no readable npz"):
        alfi.data.load("breastmnist", root=tmp_path)
