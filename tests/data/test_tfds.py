"""TFDS: what goes in through the builders comes out again, without TensorFlow."""

import sys

import numpy as np
import pytest

import alfi.data
from alfi.data import mitbih
from alfi.data.root import data_root

tfds = pytest.importorskip("tensorflow_datasets")
builders = pytest.importorskip("alfi.data.tfds")


@pytest.fixture
def made(tmp_path):
    """A data root with a small MedMNIST file of three classes."""
    rng = np.random.default_rng(0)
    arrays = {}
    for split, n in {"train": 12, "val": 4, "test": 6}.items():
        arrays[f"{split}_images"] = rng.integers(0, 256, (n, 9, 7, 3), np.uint8)
        arrays[f"{split}_labels"] = np.arange(n, dtype=np.uint8)[:, None] % 7
    (tmp_path / "medmnist").mkdir()
    np.savez(tmp_path / "medmnist" / "dermamnist.npz", **arrays)
    return tmp_path


def same(actual, expected):
    for column, other in zip(actual, expected, strict=True):
        np.testing.assert_array_equal(column, other)


def test_a_made_data_set_there_and_back(made):
    path = builders.prepare("dermamnist", root=made, data_dir=made / "prepared")
    assert list(path.glob("*.array_record*"))
    expected = alfi.data.load("dermamnist", root=made)
    same(alfi.data.load("tfds:alfi_dermamnist", data_dir=made / "prepared"), expected)
    source = tfds.data_source("alfi_dermamnist", split="train", data_dir=made / "prepared", download=False)
    assert len(source) == 12
    np.testing.assert_array_equal(source[3]["x"], np.rint(255 * expected.x[3]))
    assert source[3]["x"].dtype == np.uint8
    assert source[3]["id"] == b"dermamnist/train/3"
    assert "tensorflow" not in sys.modules


def test_options_are_a_configuration_and_groups_and_floats_stay(tmp_path):
    """Of beats, which are neither bytes nor images."""
    (tmp_path / "mitdb").mkdir()
    beats = np.random.default_rng(0).integers(-300, 300, (9, 187)).astype(np.int16)
    columns = {"rpeak": 100 * np.arange(9), "rr_pre": np.full(9, 0.7), "rr_post": np.linspace(0.5, 0.9, 9)}
    record = np.repeat([101, 100, 202], 3)
    np.savez(tmp_path / "mitdb" / mitbih.PREPARED, beats=beats, label=np.arange(9) % 4, record=record, **columns)
    options = {"intervals": True, "records": (100, 101, 202)}
    path = builders.prepare("mitbih", root=tmp_path, data_dir=tmp_path / "prepared", **options)
    assert path.parts[-3:] == ("alfi_mitbih", "intervals-True_records--100--101--202-", "1.0.0")
    made = alfi.data.load("tfds:alfi_mitbih/intervals-True_records--100--101--202-", data_dir=tmp_path / "prepared")
    same(made, alfi.data.load("mitbih", root=tmp_path, **options))
    assert made.groups.tolist() == [101] * 3 + [100] * 3 + [201] * 3
    assert made.x.shape == (9, 187, 3)


def test_what_needs_no_files_needs_no_folder(tmp_path):
    builders.prepare("digits", root=tmp_path / "none", data_dir=tmp_path)
    made, expected = alfi.data.load("tfds:alfi_digits", data_dir=tmp_path), alfi.data.load("digits")
    rows = np.concatenate([np.flatnonzero(expected.split == split) for split in ("train", "test")])
    np.testing.assert_array_equal(made.x, expected.x[rows])
    np.testing.assert_array_equal(made.ids, expected.ids[rows])
    assert made.groups is None


def test_any_data_set_prepared_by_the_user(tmp_path):
    """Another's builder: images, no ids, splits under other names."""
    image = pytest.importorskip("PIL.Image")

    class Theirs(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        VERSION = tfds.core.Version("2.1.0")
        pkg_dir_path = tmp_path
        code_path = None

        def _info(self):
            features = {
                "image": tfds.features.Image(shape=(5, 4, 3)),
                "label": tfds.features.ClassLabel(names=["a", "b"]),
            }
            return tfds.core.DatasetInfo(
                builder=self, features=tfds.features.FeaturesDict(features), disable_shuffling=True
            )

        def _split_generators(self, dl_manager):
            return {"train": self._generate_examples(6), "validation": self._generate_examples(2)}

        def _generate_examples(self, n):
            for index in range(n):
                yield index, {"image": image.fromarray(np.full((5, 4, 3), index, np.uint8)), "label": index % 2}

    theirs = Theirs(data_dir=str(tmp_path), file_format="array_record")
    theirs.download_and_prepare()
    data = alfi.data.load("tfds:theirs", data_dir=tmp_path)
    np.testing.assert_allclose(data.x[:, 0, 0, 0] * 255, [*range(6), 0, 1], atol=1e-5)
    assert data.x.shape == (8, 5, 4, 3)
    assert data.y.tolist() == [0, 1] * 4
    assert data.split.tolist() == ["train"] * 6 + ["val"] * 2
    assert data.classes == ("a", "b")
    assert data.ids[[0, -1]].tolist() == ["theirs/train/0", "theirs/validation/1"]
    assert data.groups is None
    same(alfi.data.load("tfds:theirs:2.1.0", data_dir=tmp_path)[:2], data[:2])
    with pytest.raises(ValueError, match="tfds:theirs: got no feature grade, expected image, label"):
        alfi.data.load("tfds:theirs", data_dir=tmp_path, y="grade")


def test_files_without_random_access_are_refused(made):
    """As TFDS prepares with TensorFlow unless told otherwise."""
    path = builders.prepare("dermamnist", root=made, data_dir=made / "prepared")
    info = path / "dataset_info.json"
    info.write_text(info.read_text().replace("array_record", "tfrecord"))
    with pytest.raises(ValueError, match=r"tfds:alfi_dermamnist: got files that .*expected file_format='array_record'"):
        alfi.data.load("tfds:alfi_dermamnist", data_dir=made / "prepared")


def test_what_is_not_prepared_is_not_downloaded(tmp_path):
    with pytest.raises(ValueError, match=r"tfds:mnist: got nothing prepared under .*alfi.data.tfds.prepare"):
        alfi.data.load("tfds:mnist", data_dir=tmp_path)
    with pytest.raises(ValueError, match=r"no TFDS builder of 'mnist': known: .*ham10000"):
        builders.prepare("mnist", data_dir=tmp_path)
    with pytest.raises(ValueError, match="got option seed, expected data_dir, x, y"):
        alfi.data.load("tfds:mnist", seed=1)


def test_missing_files_leave_nothing_half_prepared(tmp_path):
    (tmp_path / "downloads").mkdir()
    for content in ((), ("medmnist",)):
        for folder in content:
            (tmp_path / "downloads" / folder).mkdir()
        with pytest.raises(FileNotFoundError, match=r"breastmnist\.npz not found: .*CC BY 4"):
            builders.prepare("breastmnist", root=tmp_path / "downloads", data_dir=tmp_path / "prepared")
    with pytest.raises(ValueError, match="got nothing prepared"):
        alfi.data.load("tfds:alfi_breastmnist", data_dir=tmp_path / "prepared")


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "file", "options"),
    [
        ("ham10000", "ham10000/HAM10000_metadata.csv", {"resolution": 28}),
        ("pneumoniamnist", "medmnist/pneumoniamnist.npz", {}),
        ("mitbih", "mitdb/mitbih_aami_beats187_125hz.npz", {"records": (100, 208)}),
    ],
)
def test_real_data_there_and_back(tmp_path, name, file, options):
    if not (data_root() / file).exists():
        pytest.skip(f"no {file} under {data_root()}")
    path = builders.prepare(name, data_dir=tmp_path, **options)
    prepared = "/".join(path.relative_to(tmp_path).parts[:-1])
    back, expected = alfi.data.load(f"tfds:{prepared}", data_dir=tmp_path), alfi.data.load(name, **options)
    place = {name: row for row, name in enumerate(back.ids)}
    order = np.array([place[name] for name in expected.ids])  # TFDS keeps a split together
    assert back.classes == expected.classes
    np.testing.assert_allclose(back.x[order], expected.x, atol=1e-7)
    for column, other in zip(back[1:5], expected[1:5], strict=True):
        np.testing.assert_array_equal(None if column is None else column[order], other)
