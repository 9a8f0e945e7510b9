"""Criteria of distances against NumPy along paths of adds: a new one is a row of CRITERIA."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from alfi import criteria, testing

pytestmark = pytest.mark.slow  # minutes of compilation together: make test-slow

N, CHOSEN = 150, [3, 17, 40]  # at the start
POPULATION = np.r_[np.ones(N - 30), np.full(20, 0.3), np.zeros(10)]
BANDWIDTH = 1.5


def mean_distance(squared, design, population):
    return np.sqrt(squared) @ design / design.sum()


def cluster(squared, design, population):
    centres = np.flatnonzero(design)
    own = centres[np.argmin(squared[:, centres], axis=1)]
    nearest = squared[:, centres].min(axis=1)
    sizes = np.bincount(own, population * nearest, minlength=len(design))
    return np.where(own == np.argmax(sizes), nearest, 0)


def gains_of(value):
    """Of a set function: the change of ``value(similarity, design, population)`` by each point."""

    def gains(similarity, design, population):
        return np.array(
            [value(similarity, np.maximum(design, row), population) for row in np.eye(len(design))]
        ) - value(similarity, design, population)

    return gains


@gains_of
def represented(similarity, design, population):
    return np.average(similarity[:, design > 0].max(axis=1), weights=population)


def facility_location(squared, design, population):
    return represented(np.exp(-squared / (2 * BANDWIDTH**2)), design, population)


def coverage(squared, design, population):
    return represented((np.sqrt(squared) < BANDWIDTH).astype(float), design, population)


def herding(squared, design, population):
    similarity = np.exp(-squared / (2 * BANDWIDTH**2))
    return similarity @ population / population.sum() - similarity @ design / (1 + design.sum())


# name: (criterion, gains from squared distances [n, n], the design and the population; whether a weight is a number)
CRITERIA = {
    "mean_distance": (criteria.mean_distance(), mean_distance, True),
    "cluster": (criteria.cluster(), cluster, False),
    "facility_location": (criteria.facility_location(bandwidth=BANDWIDTH), facility_location, False),
    "coverage": (criteria.coverage(radius=BANDWIDTH), coverage, False),
    "herding": (criteria.herding(bandwidth=BANDWIDTH), herding, True),
}
PATH = [(5, 1.0), (9, 0.5), (9, 0.0), (70, 1.0), (149, 0.0), (147, 1.0)]
names = pytest.mark.parametrize("name", CRITERIA)


@jax.jit
def walk(criterion, data, weights, population, indices, amounts):
    def move(state, step):
        index, weight = step
        point = jax.tree.map(lambda x: jnp.take(x, index[None], axis=0), data)
        state = criterion.update(data, state, index, point, weight)
        return state, (criterion.gain(data, state), criterion.gain(data, state, -1.0), criterion.value(state))

    state = criterion.init(data, weights, population)
    return criterion.gain(data, state), *jax.lax.scan(move, state, (indices, amounts))


@functools.cache
def problem(kind, dtype=np.float64):
    key = jax.random.key(1)
    dense, kronecker = testing.dense(key, N, 2, 2), testing.last_layer(key, N, 1, 2, 2, sites=2)
    data = {"dense": dense, "last layer": kronecker, "product": (dense, kronecker)}[kind]
    parts = data if kind == "product" else (data,)
    squared = np.prod([testing.squared_distances(testing.write_out(part)) for part in parts], axis=0)
    return jax.tree.map(lambda x: x.astype(dtype), data), squared


def follow(criterion, data, chosen=CHOSEN, population=POPULATION):
    dtype = jax.tree.leaves(data)[0].dtype
    weights = np.zeros(len(population))
    weights[chosen] = 1
    indices, amounts = (jnp.asarray(column) for column in zip(*PATH, strict=True))
    return walk(
        criterion, data, jnp.asarray(weights, dtype), jnp.asarray(population, dtype), indices, amounts.astype(dtype)
    )


@names
@pytest.mark.parametrize("kind", ["dense", "last layer", "product"])
def test_equals_numpy_along_the_path(name, kind, close):
    criterion, gains_by, real = CRITERIA[name]
    data, squared = problem(kind)
    first, _, (gains, removals, _) = follow(criterion, data)
    design = np.zeros(N)
    design[CHOSEN] = 1
    # The square root of a distance of 0 is that of a rounding error, where the point is not the one that was picked.
    loss = 1e8 if name == "mean_distance" else 1e5
    close(first, gains_by(squared, design, POPULATION), loss=loss)
    for step, (index, weight) in enumerate(PATH):
        design[index] += weight if real else weight > 0
        close(gains[step], gains_by(squared, design, POPULATION), loss=loss)
    assert np.isnan(removals).all()


@names
def test_float32_agrees_with_float64(name):
    criterion = CRITERIA[name][0]
    for single, double in zip(
        *(
            jax.tree.leaves(follow(criterion, problem("last layer", dtype)[0])[2][0])
            for dtype in (np.float32, np.float64)
        ),
        strict=True,
    ):
        assert single.dtype == np.float32
        np.testing.assert_allclose(single, double, rtol=1e-4, atol=3e-3 if name == "mean_distance" else 1e-4)


@names
def test_nothing_chosen_yet_and_padding(name, close):
    """At the start distances are infinite, and a kernel sees the population alone; padded rows change nothing."""
    criterion, gains_by, _ = CRITERIA[name]
    data, squared = problem("dense")
    pad = jax.tree.map(lambda x: jnp.asarray(np.concatenate([x, np.zeros((30, *x.shape[1:]))])), data)
    first, _, (gains, *_) = follow(criterion, pad, [], np.r_[POPULATION, np.zeros(30)])
    if name in ("mean_distance", "cluster"):
        assert np.isposinf(first[:N]).all()
    elif name == "herding":
        close(first[:N], gains_by(squared, np.zeros(N), POPULATION))
    else:
        similarity = np.exp(-squared / (2 * BANDWIDTH**2)) if name == "facility_location" else squared < BANDWIDTH**2
        close(first[:N], POPULATION @ similarity / POPULATION.sum())
    plain = follow(criterion, data, [])[2][0]
    close(gains[:, :N], plain, loss=1e5)


@pytest.mark.parametrize("name", ["facility_location", "coverage"])
def test_gains_are_changes_of_the_value(name, close):
    criterion = CRITERIA[name][0]
    _, last, (gains, _, values) = follow(criterion, problem("dense")[0])
    for step in (3, 5):
        close(gains[step - 1, PATH[step][0]], values[step] - values[step - 1])
    assert np.all(np.diff(values) >= 0)
    assert float(criterion.value(last)) == values[-1]


@pytest.mark.parametrize("name", ["mean_distance", "herding"])
def test_a_point_can_be_taken_out_again(name, close):
    criterion = CRITERIA[name][0]
    data, _ = problem("dense")

    @jax.jit
    def there_and_back():
        start = criterion.init(data, jnp.zeros(N).at[jnp.asarray(CHOSEN)].set(1), jnp.asarray(POPULATION))
        index = jnp.asarray(60)
        point = data.take(index[None])
        there = criterion.update(data, start, index, point, 1.0)
        return criterion.gain(data, start), criterion.gain(data, criterion.update(data, there, index, point, -1.0))

    close(*reversed(there_and_back()))


def test_product_of_distances_is_igs(close):
    """Inputs and outputs: the nearest by the product of both distances, which is not the product of the nearest."""
    x, y = testing.dense(jax.random.key(5), N, 1, 3), testing.dense(jax.random.key(6), N, 1, 1)
    squared = [testing.squared_distances(testing.write_out(part))[:, CHOSEN] for part in (x, y)]
    first, *_ = follow(criteria.min_distance(), (x, y))
    close(first, (squared[0] * squared[1]).min(axis=1), loss=1e5)
    assert not np.allclose(first, squared[0].min(axis=1) * squared[1].min(axis=1))


def test_cluster_serves_the_dense_region_before_the_outlier():
    """LCMD by hand: the sum of squared distances decides on the cluster (28 against 25), then the farthest in it."""
    positions = np.array([0.0, 100.0, 1.0, 1.0, 1.0, -5.0, 105.0])  # sizes: 3 + 25 around 0, 25 around 100
    data = testing.DenseFactors(jnp.asarray(positions)[:, None, None])
    criterion = criteria.cluster()
    state = criterion.init(data, jnp.zeros(7).at[:2].set(1), jnp.ones(7))
    np.testing.assert_array_equal(criterion.gain(data, state), [0, 0, 1, 1, 1, 25, 0])
    state = criterion.update(data, state, jnp.asarray(5), data.take(jnp.asarray([5])), 1.0)
    np.testing.assert_array_equal(criterion.gain(data, state), [0, 0, 0, 0, 0, 0, 25])


@pytest.mark.parametrize("make", [criteria.facility_location, criteria.herding])
@pytest.mark.parametrize("bandwidth", [0.0, -1.0, np.nan, [1.0, 2.0]])
def test_a_bandwidth_must_be_positive(make, bandwidth):
    with pytest.raises(ValueError, match="positive, finite bandwidth"):
        make(bandwidth=bandwidth)
