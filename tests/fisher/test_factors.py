"""Every kind of factors against the same factors written out as one NumPy array. A new kind is one row."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from alfi import fisher, likelihoods, testing
from alfi.typing import Factors

# name: function (key, n, dtype) -> Factors
FACTORS = {
    "dense r=1": lambda key, n, dtype: testing.dense(key, n, 1, 5, dtype),
    "dense r=3": lambda key, n, dtype: testing.dense(key, n, 3, 5, dtype),
    "last layer": lambda key, n, dtype: testing.last_layer(key, n, 2, 3, 2, dtype=dtype),
    "blocks": lambda key, n, dtype: testing.blocks(key, n, 3, 2, 2, dtype),
    "diagonal": lambda key, n, dtype: testing.blocks(key, n, 5, 1, 1, dtype),
    "last layer, 4 sites": lambda key, n, dtype: testing.last_layer(key, n, 2, 3, 2, sites=4, dtype=dtype),
}
kinds = pytest.mark.parametrize("make", FACTORS.values(), ids=FACTORS)


@jax.jit
def everything(factors, other, y, s, weights, indices):
    return {
        "project": factors.project(y),
        "quadratic": factors.quadratic(s),
        "information": factors.information(weights),
        "dense_information": factors.dense_information(weights),
        "inner": factors.inner(other),
        "squared_norms": factors.squared_norms(),
        "take": factors.take(indices).squared_norms(),
    }


@kinds
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_equals_the_factors_written_out(make, dtype, getkey, close):
    n, m = 600, 7  # more rows than one chunk of `information`
    factors, other = make(getkey(), n, dtype), make(getkey(), m, dtype)
    y, s = (testing.normal(getkey(), (factors.p, k), dtype) for k in (2, factors.p))
    weights = jnp.asarray(np.resize([0.0, 1.0, -1.0, 0.0, 0.0, 0.3, 0.0], n).astype(dtype))
    indices = jnp.array([3, 0, n - 1, 3])
    s = s + s.T
    got = everything(factors, other, y, s, weights, indices)

    a, b = testing.write_out(factors), testing.write_out(other)
    expected = {
        "project": a @ np.asarray(y, float),
        "quadratic": a @ np.asarray(s, float) @ a.transpose(0, 2, 1),
        "information": testing.information(a, weights),
        "dense_information": testing.information(a, weights),
        "inner": a.reshape(n, -1) @ b.reshape(m, -1).T,
        "squared_norms": np.sum(a**2, axis=(1, 2)),
        "take": np.sum(a[indices] ** 2, axis=(1, 2)),
    }
    assert isinstance(factors, Factors)
    assert (factors.n, factors.r, factors.p) == a.shape
    for name, value in expected.items():
        assert got[name].dtype == dtype, name
        close(got[name], value, loss=300)


@kinds
@pytest.mark.parametrize("count", [0, 1, 512, 600], ids="{} rows of weight".format)
def test_information_reads_the_rows_of_nonzero_weight_only(make, count, getkey, close):
    """Rows of weight zero may even be nan."""
    n = 600
    factors = make(getkey(), n, float)
    weights = np.zeros(n)
    weights[np.random.default_rng(count).permutation(n)[:count]] = 0.5
    spoilt = jax.tree.map(
        lambda x: jnp.asarray(np.where(weights.reshape(-1, *[1] * (x.ndim - 1)) == 0, np.nan, x)), factors
    )
    got = jax.jit(lambda factors, w: factors.information(w))(spoilt, jnp.asarray(weights))
    close(got, testing.information(testing.write_out(factors), weights))


@kinds
def test_information_is_differentiable_in_both_arguments(make, getkey):
    """Forward and backward, although the loop over chunks of the labelled set has no reverse mode of its own."""
    factors, weights = make(getkey(), 5, float), jnp.array([0.2, 1.0, 0.0, 0.5, 0.7])

    @jax.jit
    def scalar(factors, weights):
        return jnp.sum(jnp.sin(factors.information(weights)))

    check_grads(scalar, (factors, weights), order=1, modes=["fwd", "rev"])


def test_inner_products_need_one_kind_and_one_shape(getkey):
    dense, pieces = testing.dense(getkey(), 3, 2, 6), testing.last_layer(getkey(), 3, 2, 3, 2)
    with pytest.raises(ValueError, match="one kind; got LastLayerFactors and DenseFactors"):
        pieces.inner(dense)
    with pytest.raises(ValueError, match="one kind; got DenseFactors and LastLayerFactors"):
        dense.inner(pieces)
    with pytest.raises(ValueError, match="BlockFactors of one shape; got"):
        testing.blocks(getkey(), 3, 2, 2, 3).inner(testing.blocks(getkey(), 3, 2, 2, 4))
    with pytest.raises(ValueError, match=r"one shape; got roots \(3, 1, 2, 3\) and \(3, 2, 2, 3\)"):
        pieces.inner(testing.last_layer(getkey(), 3, 2, 3, 2, sites=2))


def test_dense_writes_out(getkey, close):
    factors = testing.last_layer(getkey(), 4, 2, 3, 2, sites=2)
    close(factors.dense().array, testing.write_out(factors))


def test_trace_of_the_fisher_information_of_a_softmax_layer(getkey, close):
    """theory.md T24: ``tr F = |phi|^2 (1 - |p|^2)``."""
    f, phi = testing.normal(getkey(), (5,)), testing.normal(getkey(), (4,))
    factors = fisher.LastLayerFactors(likelihoods.categorical().fisher_factor(f).T[None, None], phi[None, None])
    p = np.asarray(jax.nn.softmax(f))
    close(factors.squared_norms(), [np.sum(np.asarray(phi) ** 2) * (1 - np.sum(p**2))])
