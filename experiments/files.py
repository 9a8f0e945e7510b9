"""A pool from .npy files: embeddings read through a memory map in pieces, labels, groups, costs, exclusions."""

from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

import alfi

CHUNK = 65536  # rows read at once


def open_array(path: Path) -> np.ndarray:
    """A memory map of a .npy."""
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise ValueError(f"{path} is not a .npy of numbers ({error}): write it with numpy.save.") from error


def read(path: Path, console: Any) -> np.ndarray:
    """Embeddings as float32 of root mean square 1, so that a prior precision of 1 weighs as much as one example."""
    from rich.progress import Progress

    stored = open_array(path)
    if stored.ndim != 2 or stored.dtype.kind != "f" or min(stored.shape) < 1:
        raise ValueError(f"{path} must hold real numbers [n, d]; got {stored.dtype} of shape {stored.shape}.")
    n = len(stored)
    x, bad, squares = np.empty(stored.shape, np.float32), [], 0.0
    with Progress(console=console, transient=True) as progress:
        for first in progress.track(range(0, n, CHUNK), description="reading"):
            piece = x[first : first + CHUNK]
            piece[:] = stored[first : first + CHUNK]
            rows = np.flatnonzero(~np.isfinite(piece).all(axis=1))
            bad.extend((first + rows).tolist())
            squares += float(np.einsum("nd,nd->", piece, piece, dtype=np.float64)) if not bad else 0.0
    if bad:
        some = ", ".join(map(str, bad[:10])) + (" ..." if len(bad) > 10 else "")
        raise ValueError(
            f"{len(bad)} of {n} rows of {path} hold NaN or infinity: {some}. Leave them out, or mend them."
        )
    if squares == 0:
        raise ValueError(f"{path} holds zeros only.")
    x /= np.sqrt(squares / x.size)
    return x


def column(path: Path, n: int, kinds: str, what: str) -> np.ndarray:
    """A .npy with one entry for each row."""
    values = np.asarray(open_array(path))
    if values.ndim == 0 or len(values) != n or values.dtype.kind not in kinds:
        raise ValueError(f"{path} must hold {what} for each of {n} rows; got {values.dtype} of shape {values.shape}.")
    return values


def make_pool(options: Any, x: np.ndarray) -> tuple[alfi.Pool, alfi.Likelihood, int]:
    """The pool, and the likelihood and number of outputs that fit its labels. `options` as in `experiments.select`."""
    n, y, labelled = len(x), np.zeros(len(x), np.float32), np.zeros(len(x), bool)
    likelihood, outputs = alfi.likelihoods.gaussian(), 1
    if options.labels is not None:
        y = column(options.labels, n, "iuf", "a label")
        if y.dtype.kind == "f":
            labelled = ~np.isnan(y).reshape(n, -1).any(axis=1)
            outputs = y.reshape(n, -1).shape[1]
            spread = y[labelled].std(axis=0) if labelled.any() else 1.0
            centre = y[labelled].mean(axis=0) if labelled.any() else 0.0
            shape = (n, *(1,) * (y.ndim - 1))
            y = np.where(labelled.reshape(shape), (y - centre) / np.where(spread > 0, spread, 1), 0).astype(np.float32)
        else:
            if y.ndim != 1 or (y.dtype.kind == "i" and y.min() < -1):
                raise ValueError(f"{options.labels}: classes are integers [n], 0 ... c - 1, and -1 where not labelled.")
            y = y.astype(np.int32)
            labelled = y >= 0
            likelihood, outputs = alfi.likelihoods.categorical(), max(int(y.max()) + 1, 2)
            y = np.where(labelled, y, 0)
        if not labelled.any():
            raise ValueError(
                f"{options.labels} labels no row: leave --labels out, and take a strategy that needs none."
            )
    excluded = np.zeros(n, bool) if options.exclude is None else column(options.exclude, n, "b", "a boolean")
    groups = None if options.groups is None else column(options.groups, n, "iu", "an integer").astype(np.int32)
    costs = None if options.costs is None else column(options.costs, n, "iuf", "a positive number").astype(np.float32)
    if costs is not None and not np.all((costs > 0) & np.isfinite(costs)):
        raise ValueError(f"{options.costs}: costs must be positive; row {np.argmin((costs > 0) & np.isfinite(costs))}.")
    available = ~labelled & ~excluded
    if options.budget is not None:
        available = available & (costs <= options.budget)
    return (
        alfi.pool(jnp.asarray(x), y, labelled=labelled, available=available, groups=groups, costs=costs),
        likelihood,
        outputs,
    )
