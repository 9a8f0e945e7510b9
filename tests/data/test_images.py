"""Decoding: bit depths, DICOM and messages."""

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, RLELossless, generate_uid

from alfi.data.files import on_disk
from alfi.data.images import decode, decode_masks

STORED = np.random.default_rng(0).integers(0, 4096, (12, 9), np.uint16)


def write_dicom(path, stored=STORED, photometric="MONOCHROME2", bits=12, **attributes):
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.1.2"
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data = Dataset()
    data.file_meta = meta
    data.SOPClassUID, data.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    data.set_pixel_data(stored, photometric, bits)
    for name, value in attributes.items():
        setattr(data, name, value)
    data.save_as(path, enforce_file_format=True)
    return on_disk(path)


def grey(file, **options):
    return decode([file], colour=False, **options).pixels[0, ..., 0]


def test_dicom_is_on_the_scale_of_the_stored_bits(tmp_path):
    np.testing.assert_allclose(grey(write_dicom(tmp_path / "a.dcm")), STORED / 4095, atol=1e-6)
    half = write_dicom(tmp_path / "b.dcm", STORED // 2)
    np.testing.assert_allclose(grey(half), (STORED // 2) / 4095, atol=1e-6)  # not stretched to its own maximum
    colour = decode([half]).pixels
    assert colour.shape == (1, 12, 9, 3)
    np.testing.assert_array_equal(colour[..., 0], colour[..., 2])


def test_dicom_monochrome1_is_inverted_whether_or_not_the_file_says_so(tmp_path):
    for name, attributes in {"a": {}, "b": {"PresentationLUTShape": "INVERSE"}}.items():
        file = write_dicom(tmp_path / f"{name}.dcm", photometric="MONOCHROME1", **attributes)
        np.testing.assert_allclose(grey(file), 1 - STORED / 4095, atol=1e-6)
    file = write_dicom(tmp_path / "c.dcm", PresentationLUTShape="IDENTITY")
    np.testing.assert_allclose(grey(file), STORED / 4095, atol=1e-6)


def test_dicom_window_and_rescale(tmp_path):
    window = {"WindowCenter": 1000.5, "WindowWidth": 1001, "RescaleSlope": 2, "RescaleIntercept": -500}
    file = write_dicom(tmp_path / "a.dcm", **window)
    # PS3.3 C.11.2.1.2.1: from 0 at centre - .5 - (width - 1) / 2 to 1 at centre - .5 + (width - 1) / 2
    expected = np.clip((2.0 * STORED - 500 - 500) / 1000, 0, 1)
    np.testing.assert_allclose(grey(file), expected, atol=1e-6)
    signed = (STORED.astype(np.int16) - 2048).astype(np.int16)
    file = write_dicom(tmp_path / "b.dcm", signed)
    np.testing.assert_allclose(grey(file), STORED / 4095, atol=1e-6)


def test_dicom_lookup_tables(tmp_path):
    table = Dataset()
    table.LUTDescriptor = [4096, 0, 16]
    table.add_new("LUTData", "OW", (np.arange(4096, dtype=np.uint16) * 15).tobytes())
    file = write_dicom(tmp_path / "a.dcm", VOILUTSequence=[table])
    np.testing.assert_allclose(grey(file), STORED * 15.0 / 65535, atol=1e-6)


def test_dicom_compressed_colour_frames_and_damage(tmp_path):
    plain = write_dicom(tmp_path / "a.dcm")
    data = pydicom.dcmread(tmp_path / "a.dcm")
    data.compress(RLELossless)
    data.save_as(tmp_path / "b.dcm")
    np.testing.assert_array_equal(grey(on_disk(tmp_path / "b.dcm")), grey(plain))
    colours = np.random.default_rng(1).integers(0, 256, (7, 5, 3), np.uint8)
    file = write_dicom(tmp_path / "c.dcm", colours, "RGB", 8)
    np.testing.assert_allclose(decode([file]).pixels[0], colours / 255, atol=1e-6)
    frames = write_dicom(tmp_path / "d.dcm", np.stack([STORED, STORED]))
    with pytest.raises(ValueError, match=r"d\.dcm \(got DICOM pixels of shape \(2, 12, 9\), expected a single frame"):
        decode([frames])
    (tmp_path / "a.dcm").write_bytes((tmp_path / "a.dcm").read_bytes()[:-50])
    with pytest.raises(ValueError, match=r"1 of 2 images unreadable, the other 1 are fine: .*a\.dcm"):
        decode([plain, file])
    del data.PixelData
    data.save_as(tmp_path / "e.dcm")
    with pytest.raises(ValueError, match=r"e\.dcm \(no readable DICOM pixels"):
        decode([on_disk(tmp_path / "e.dcm")])


def test_greys_of_sixteen_bits_are_not_cut(tmp_path):
    values = np.linspace(0, 65535, 48).reshape(6, 8).astype(np.uint16)
    for suffix in ("png", "tif"):
        Image.fromarray(values).save(tmp_path / f"a.{suffix}")
        np.testing.assert_allclose(grey(on_disk(tmp_path / f"a.{suffix}")), values / 65535, atol=1e-6)
    small = grey(on_disk(tmp_path / "a.png"), resolution=3)
    assert small.shape == (3, 3)
    assert 0 <= small.min() < small.max() <= 1


def test_palettes_and_transparency_become_colours(tmp_path):
    colours = np.zeros((4, 4, 4), np.uint8)
    colours[..., 0], colours[..., 3] = 200, 255
    Image.fromarray(colours).save(tmp_path / "a.png")
    Image.fromarray(colours).convert("RGB").quantize(4).save(tmp_path / "b.png")
    pixels = decode([on_disk(tmp_path / "a.png"), on_disk(tmp_path / "b.png")]).pixels
    np.testing.assert_allclose(pixels, np.broadcast_to(colours[..., :3] / 255, pixels.shape), atol=0.01)


def test_equal_pixels_have_equal_digests_whatever_the_format(tmp_path):
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 256, (2, 5, 6, 3), np.uint8)
    for name, pixels in {"a.png": first, "b.bmp": first, "c.png": second, "d.png": first.reshape(6, 5, 3)}.items():
        Image.fromarray(pixels).save(tmp_path / name)
    decoded = decode([on_disk(path) for path in sorted(tmp_path.iterdir())], 1, digests=True)
    assert [decoded.digests.index(digest) for digest in decoded.digests] == [0, 0, 2, 3]
    assert decoded.sizes == [(6, 5), (6, 5), (6, 5), (5, 6)]


def test_no_permission_names_the_file(tmp_path, make, monkeypatch):
    make.image(tmp_path / "a.png", 0)
    denied = on_disk(tmp_path / "a.png")._replace(read=lambda: (_ for _ in ()).throw(PermissionError(13, "denied")))
    with pytest.raises(ValueError, match=r"1 of 1 images unreadable, the other 0 are fine: .*a\.png .*denied"):
        decode([denied])


def test_a_mask_of_greys_is_one_where_brighter_than_half_and_then_where_half_covered(tmp_path):
    Image.fromarray(np.array([[0, 127, 128, 255], [0, 0, 128, 0]], np.uint8)).save(tmp_path / "a.png")
    file = on_disk(tmp_path / "a.png")
    assert decode_masks([file]).pixels.tolist() == [[[0, 0, 1, 1], [0, 0, 1, 0]]]
    assert decode_masks([file], 1).pixels.tolist() == [[[0]]]  # 3 of 8
    assert decode_masks([file], 2).pixels.tolist() == [[[0, 1], [0, 1]]]  # of two pixels each; one of two is enough
    assert decode_masks([file], binary=False).pixels.tolist() == [[[0, 127, 128, 255], [0, 0, 128, 0]]]
