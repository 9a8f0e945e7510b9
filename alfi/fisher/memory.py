"""What is too large for the device is refused before it is tried, with the memory it needs and what to use instead."""

import math
import os
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

# A matrix is seldom alone: its root or eigenvectors, its inverse and the work space are as large.
MATRICES = 4
INSTEAD = (
    "fewer parameters (fisher.last_layer; the `parameters` of fisher.jacobian; fisher.sketch or "
    "fisher.sketched_jacobian), blocks (fisher.block, fisher.diagonal), or products instead of matrices "
    "(fisher.ggn_vector_product with fisher.top_eigenpairs or fisher.lanczos_quadrature)"
)


def device_memory() -> float:
    """Bytes of the first device's memory; of the machine's where the device is its CPU.

    >>> device_memory() > 1e8
    True
    """
    limit = (jax.local_devices()[0].memory_stats() or {}).get("bytes_limit")
    if limit is not None:
        return float(limit)
    if hasattr(os, "sysconf"):
        return float(os.sysconf("SC_PAGE_SIZE")) * os.sysconf("SC_PHYS_PAGES")
    return math.inf


def require_square(what: str, rows: int, dtype: Any, instead: str = INSTEAD) -> None:
    """Refuse a square matrix, and what comes with it, that no longer fits into the device's memory.

    Shapes are static, so this happens while a program is traced and costs nothing when it runs. The limit is the
    device's own: what is refused on one device is done on a larger one.

    Raises
    ------
    ValueError
        If four such matrices need more than ``device_memory``.

    Examples
    --------
    >>> require_square("the information of 10^7 parameters", 10**7, jnp.float32)  # doctest: +IGNORE_EXCEPTION_DETAIL
    Traceback (most recent call last):
    ValueError: the information of 10^7 parameters needs 4 matrices of 10000000 x 10000000: 1600000 GB in float32 ...
    """
    _require(f"{what} needs {MATRICES} matrices of {rows} x {rows}", [MATRICES, rows, rows], dtype, instead)


def require_array(what: str, shape: Sequence[int], dtype: Any, instead: str) -> None:
    """Refuse one array that does not fit into the device's memory.

    Raises
    ------
    ValueError
        If it needs more than ``device_memory``.
    """
    _require(f"{what} needs an array of {' x '.join(map(str, shape))}", shape, dtype, instead)


def _require(what: str, shape: Sequence[int], dtype: Any, instead: str) -> None:
    dtype = jnp.dtype(dtype)
    needed, there = float(math.prod(shape)) * dtype.itemsize, device_memory()
    if needed > there:
        raise ValueError(
            f"{what}: {needed / 1e9:.0f} GB in {dtype.name}, and the device has {there / 1e9:.0f} GB. Use {instead}."
        )
