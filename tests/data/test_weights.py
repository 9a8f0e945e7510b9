import os

import numpy as np
import pytest
from safetensors.numpy import save_file

from alfi.data import read_weights


def test_safetensors_are_read_and_half_precision_is_widened(tmp_path):
    arrays = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.ones(2, np.float16), "n": np.asarray([3])}
    save_file(arrays, tmp_path / "w.safetensors")
    read = read_weights(tmp_path / "w.safetensors")
    assert {name: array.dtype.name for name, array in read.items()} == {"a": "float32", "b": "float32", "n": "int64"}
    for name, array in arrays.items():
        np.testing.assert_array_equal(read[name], array)


def test_damaged_and_unknown_files_are_named(tmp_path):
    for name in ("w.safetensors", "w.onnx"):
        (tmp_path / name).write_bytes(b"no weights at all")
        with pytest.raises(ValueError, match=name):
            read_weights(tmp_path / name)
    save_file({"a": np.ones(100, np.float32)}, tmp_path / "whole.safetensors")
    (tmp_path / "cut.safetensors").write_bytes((tmp_path / "whole.safetensors").read_bytes()[:-50])
    with pytest.raises(ValueError, match=r"cut\.safetensors"):
        read_weights(tmp_path / "cut.safetensors")


def test_absent_and_forbidden_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"absent\.safetensors"):
        read_weights(tmp_path / "absent.safetensors")
    forbidden = tmp_path / "forbidden.safetensors"
    save_file({"a": np.ones(1)}, forbidden)
    forbidden.chmod(0)
    if os.access(forbidden, os.R_OK):
        pytest.skip("this user may read everything")
    with pytest.raises(PermissionError, match=r"forbidden\.safetensors"):
        read_weights(forbidden)


def test_pytorch_files_need_pytorch_and_a_state_dict(tmp_path, monkeypatch):
    (tmp_path / "w.pth").write_bytes(b"no weights at all")
    with monkeypatch.context() as patch:
        patch.setitem(__import__("sys").modules, "torch", None)
        with pytest.raises(ValueError, match=r"PyTorch is needed to read .*w\.pth"):
            read_weights(tmp_path / "w.pth")
    torch = pytest.importorskip("torch")
    with pytest.raises(ValueError, match=r"w\.pth"):
        read_weights(tmp_path / "w.pth")
    torch.save({"state_dict": {"a": torch.ones(2)}}, tmp_path / "nested.pth")
    with pytest.raises(ValueError, match="no state dict"):
        read_weights(tmp_path / "nested.pth")
    torch.save({"a": torch.ones(2, dtype=torch.bfloat16)}, tmp_path / "half.pth")
    assert read_weights(tmp_path / "half.pth")["a"].dtype == np.float32
