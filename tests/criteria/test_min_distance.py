"""Distances against NumPy along paths of adds, for every kind of factors."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from alfi import criteria, testing

FACTORS = {
    "dense r=1": lambda key, n: testing.dense(key, n, 1, 5),
    "dense r=3": lambda key, n: testing.dense(key, n, 3, 5),
    "last layer": lambda key, n: testing.last_layer(key, n, 1, 3, 2),
    "last layer, 3 sites": lambda key, n: testing.last_layer(key, n, 2, 3, 2, sites=3),
}
kinds = pytest.mark.parametrize("make", FACTORS.values(), ids=FACTORS)
N = 150  # centres come in chunks: this is three of them
PATH = [(5, 1.0), (9, 0.3), (9, 0.0), (40, 0.0), (70, 1.0), (5, 1.0)]


@jax.jit
def walk(data, weights, indices, amounts):
    criterion = criteria.min_distance()

    def move(state, step):
        index, weight = step
        point = jax.tree.map(lambda x: jnp.take(x, index[None], axis=0), data)
        state = criterion.update(data, state, index, point, weight)
        return state, (criterion.gain(data, state), criterion.gain(data, state, -1.0), criterion.value(state))

    state = criterion.init(data, weights, jnp.ones_like(weights))
    return criterion.gain(data, state), jax.lax.scan(move, state, (indices, amounts))[1]


def follow(data, chosen):
    weights = np.zeros(N)
    weights[chosen] = 1
    indices, amounts = (jnp.asarray(column) for column in zip(*PATH, strict=True))
    return walk(data, jnp.asarray(weights, jax.tree.leaves(data)[0].dtype), indices, amounts)


def nearest(array, chosen):
    return testing.squared_distances(array)[:, chosen].min(axis=1, initial=np.inf)


@kinds
@pytest.mark.parametrize("start", [0, 1, 64, 100], ids="{} chosen".format)
def test_equals_numpy_along_the_path(make, start, getkey, close):
    data = make(getkey(), N)
    array, chosen = testing.write_out(data), list(np.random.default_rng(start).permutation(N)[:start])
    first, (gains, removals, values) = follow(data, chosen)
    close(first, nearest(array, chosen), loss=1e5)
    for step, (index, weight) in enumerate(PATH):
        chosen += [index] if weight > 0 else []
        close(gains[step], nearest(array, chosen), loss=1e5)
        assert gains[step][index] == 0 or weight == 0  # exactly, whatever rounding says
    assert np.isnan(removals).all()
    assert np.isnan(values).all()


def test_distances_are_never_negative_where_they_are_small(close):
    """Far from the origin, differences of large norms: rounding is clipped."""
    data = testing.dense(jax.random.key(0), N, 1, 3, np.float32)
    far = jax.tree.map(lambda x: 1e-3 * x + 1e3, data)
    first, (gains, *_) = follow(far, [0, 1, 2])
    assert first.dtype == gains.dtype == np.float32
    assert np.min(first) >= 0
    assert np.min(gains) >= 0


@kinds
def test_padding_changes_nothing(make, getkey):
    data = make(getkey(), N - 30)
    padded = jax.tree.map(lambda x: jnp.asarray(np.concatenate([x, np.zeros((30, *x.shape[1:]))])), data)
    array = testing.write_out(data)
    first, (gains, *_) = follow(padded, [3, 4])
    np.testing.assert_allclose(first[: N - 30], nearest(array, [3, 4]), atol=1e-10)
    np.testing.assert_allclose(gains[-1][: N - 30], nearest(array, [3, 4, 5, 9, 70]), atol=1e-10)
