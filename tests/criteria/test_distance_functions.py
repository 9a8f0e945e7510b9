"""The distances themselves against SciPy and NumPy, and as arguments of the criteria."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.distance import cdist

from alfi import criteria, fisher, testing
from alfi.criteria import distances

RNG = np.random.default_rng(0)
X = RNG.standard_normal((40, 9))
X[3] = 0  # no direction, nothing on
X[7] = np.abs(X[7])  # everything on


def kulsinski(x, y):
    """SciPy's formula until 1.11, pair by pair."""
    n = x.size
    tt, tf, ft = np.sum(x & y), np.sum(x & ~y), np.sum(~x & y)
    return (tf + ft - tt + n) / (ft + tf + n)


def cosine(x, y):
    lengths = np.linalg.norm(x) * np.linalg.norm(y)
    return 1 - (x @ y / lengths if lengths else 0)


DISTANCES = {
    "euclidean": lambda x, y: cdist(x, y),
    "city_block": lambda x, y: cdist(x, y, "cityblock"),
    "chebyshev": lambda x, y: cdist(x, y, "chebyshev"),
    "cosine": lambda x, y: cdist(x, y, cosine),
    "russell_rao": lambda x, y: cdist(x > 0, y > 0, "russellrao"),
    "kulsinski": lambda x, y: np.array([[kulsinski(a > 0, b > 0) for b in y] for a in x]),
}
names = pytest.mark.parametrize("name", DISTANCES)


def factors(x, dtype=float):
    return fisher.DenseFactors(jnp.asarray(x[:, None], dtype))


@names
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_equals_scipy(name, dtype):
    found = getattr(distances, name)(factors(X, dtype), factors(X[:11], dtype))
    assert found.dtype == dtype
    exact = DISTANCES[name](X, X[:11])
    np.testing.assert_allclose(
        found, exact, rtol=2e-4 if dtype == np.float32 else 1e-7, atol=2e-3 if dtype == np.float32 else 1e-7
    )


@names
@pytest.mark.parametrize(("criterion", "reduce"), [(criteria.mean_distance, np.mean), (criteria.min_distance, np.min)])
def test_criteria_take_it(name, criterion, reduce):
    data, chosen = factors(X), [1, 4, 20]
    one = criterion(getattr(distances, name))
    state = one.init(data, jnp.zeros(40).at[jnp.array(chosen[:2])].set(1.0), jnp.ones(40))
    state = one.update(data, state, jnp.array(20), data.take(jnp.array([20])))
    others = np.setdiff1d(np.arange(40), chosen)
    expected = reduce(DISTANCES[name](X, X[chosen]), axis=1)
    np.testing.assert_allclose(one.gain(data, state)[others], expected[others], rtol=1e-6)


def test_another_distance_is_another_leafless_pytree():
    """So that a compiled function is traced anew for it, and only then."""
    kinds = {jax.tree.structure(criteria.mean_distance(getattr(distances, name))) for name in (*DISTANCES, *DISTANCES)}
    assert len(kinds) == len(DISTANCES)


@pytest.mark.parametrize("name", ["city_block", "chebyshev", "russell_rao", "kulsinski"])
def test_factors_of_a_last_layer_are_refused(name):
    data = testing.last_layer(jax.random.key(0), 5, 1, 3, 2)
    with pytest.raises(ValueError, match="DenseFactors"):
        getattr(distances, name)(data, data)
