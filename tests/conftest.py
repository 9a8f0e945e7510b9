"""For all tests: float64 is allowed, ranks are never promoted silently, keys are the same ones in every run."""

import itertools
import os

# XLA calls LAPACK from several threads, and OpenBLAS would start as many again in each: thirty times slower.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import jax
import numpy as np
import pytest

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_numpy_rank_promotion", "raise")


@pytest.fixture
def getkey():
    """A function that gives another key in each call, the same ones in each run."""
    numbers = itertools.count()
    return lambda: jax.random.key(next(numbers))


@pytest.fixture(scope="session")
def close():
    """``assert_allclose`` to the rounding error of the coarser of two dtypes, times ``loss``."""

    def assert_close(actual, desired, *, loss=1e4, scale=None):
        dtypes = [np.asarray(x).dtype for x in (actual, desired)]
        eps = max(np.finfo(dtype).eps for dtype in dtypes if np.issubdtype(dtype, np.floating))
        scale = np.nanmax(np.abs(desired), initial=1.0, where=np.isfinite(desired)) if scale is None else scale
        np.testing.assert_allclose(actual, desired, rtol=loss * eps, atol=loss * eps * scale)

    return assert_close
