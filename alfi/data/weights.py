"""Files of network weights."""

from pathlib import Path

import numpy as np


def read_weights(path: str | Path) -> dict[str, np.ndarray]:
    """The arrays of a file of weights, by name, for ``alfi.models.torchvision_weights``.

    Parameters
    ----------
    path
        ``.safetensors``; or ``.pth`` or ``.pt``, a PyTorch state dict, for which PyTorch has to be installed. No code
        of the file is run. Half precision becomes float32.

    Raises
    ------
    FileNotFoundError, PermissionError
        If there is no such file, or it may not be read.
    ValueError
        If the file is none of these formats or damaged, or PyTorch is missing; it is named.

    Examples
    --------
    >>> import tempfile
    >>> from safetensors.numpy import save_file
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_file({"fc.bias": np.zeros(3, np.float32)}, f"{folder}/head.safetensors")
    ...     read_weights(f"{folder}/head.safetensors")
    {'fc.bias': array([0., 0., 0.], dtype=float32)}
    """
    path = Path(path)
    readers = {".safetensors": _read_safetensors, ".pth": _read_torch, ".pt": _read_torch}
    if path.suffix not in readers:
        raise ValueError(f"weights are read from {', '.join(readers)} files; got {path}.")
    with path.open("rb"):  # so that what is wrong with the file itself is said by the system, with its name
        pass
    return readers[path.suffix](path)


def _read_safetensors(path: Path) -> dict[str, np.ndarray]:
    import safetensors.numpy

    try:
        weights = safetensors.numpy.load_file(path)
    except safetensors.SafetensorError as error:
        raise ValueError(f"{path} is no safetensors file, or is damaged: {error}.") from error
    except KeyError as error:
        raise ValueError(f"{path} has numbers of type {error}, which NumPy lacks; save it as float32.") from error
    return {name: _widened(array) for name, array in weights.items()}


def _read_torch(path: Path) -> dict[str, np.ndarray]:
    try:
        import torch  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise ValueError(
            f"PyTorch is needed to read {path}; install it, or convert the file to safetensors."
        ) from error
    try:
        weights = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # unpickling a damaged file fails in many ways
        raise ValueError(f"{path} is no state dict of PyTorch, or is damaged: {error}.") from error
    if not isinstance(weights, dict) or not all(isinstance(tensor, torch.Tensor) for tensor in weights.values()):
        raise ValueError(f"{path} holds no state dict, name -> tensor; save `model.state_dict()`.")
    floats = (torch.float16, torch.bfloat16)
    return {k: (v.float() if v.dtype in floats else v).detach().numpy() for k, v in weights.items()}


def _widened(array: np.ndarray) -> np.ndarray:
    return array.astype(np.float32) if array.dtype.itemsize == 2 and array.dtype.kind == "f" else array
