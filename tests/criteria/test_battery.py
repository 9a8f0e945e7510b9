"""Every criterion that is a function of the information matrix runs this battery: a new one is a row of CRITERIA.

Along random paths of adds and removes the fast criterion, ``from_matrix`` with the same function, and NumPy must say
the same everywhere.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.scipy.linalg import cho_solve
from jax.tree_util import Partial

from alfi import criteria, testing


def log_det(target, m):
    return 2 * jnp.sum(jnp.log(jnp.diagonal(jnp.linalg.cholesky(m))))


def minus_variance(target, m):
    return -jnp.trace(cho_solve((jnp.linalg.cholesky(m), True), target))


# name: (criterion, the same as a function of (target, M), the same in NumPy as target -> function of M)
CRITERIA = {
    "d_optimal": (criteria.d_optimal, log_det, lambda target: testing.log_det),
    "v_optimal": (criteria.v_optimal, minus_variance, testing.minus_variance),
}
P = 6
# name: factors of p = 6 parameters
FACTORS = {
    "dense r=1": lambda key, n: testing.dense(key, n, 1, P),
    "dense r=3": lambda key, n: testing.dense(key, n, 3, P),
    "last layer": lambda key, n: testing.last_layer(key, n, 2, 3, 2),
    "last layer, 3 sites": lambda key, n: testing.last_layer(key, n, 2, 3, 2, sites=3),
}
PRIORS = {
    "number": 0.7,
    "diagonal": np.linspace(0.2, 2, P),
    "matrix": np.diag(np.linspace(0.2, 2, P)) + np.outer(*[np.sin(np.arange(P))] * 2),
}
N = 9
POPULATION = np.r_[np.ones(N - 3), 0.0, 0.5, 2.0]
START = np.r_[1.0, 0.3, np.zeros(N - 2)]  # the design so far
WEIGHTS = [1.0, 0.3, -1.0]  # of the gains that are compared
SEEDS = range(3)

criterion = pytest.mark.parametrize("name", CRITERIA)
kinds = pytest.mark.parametrize("kind", FACTORS)


@functools.cache
def path(seed):
    """Random moves (index, weight): points are added, in part or whole, and taken out; the first has weight 0."""
    rng, design, moves = np.random.default_rng(seed), START.copy(), []
    for step in range(12):
        index = rng.integers(N)
        weight = 0.0 if step in (0, 5) else -design[index] if design[index] > 0 else rng.choice([1.0, 1.0, 0.3])
        design[index] += weight
        moves.append((index, weight))
    return moves


def designs(seed):
    """The weights after each move."""
    moves = np.zeros((len(path(seed)), N))
    for step, (index, weight) in enumerate(path(seed)):
        moves[step, index] = weight
    return START + np.cumsum(moves, axis=0)


@jax.jit
def walk(criterion, data, weights, population, indices, amounts):
    """Everything a criterion says after each move, and its last state."""

    def move(state, step):
        index, weight = step
        point = jax.tree.map(lambda x: jnp.take(x, index[None], axis=0), data)
        state = criterion.update(data, state, index, point, weight)
        gains = jax.vmap(lambda w: criterion.gain(data, state, w))(jnp.asarray(WEIGHTS, weights.dtype))
        return state, (gains, criterion.value(state), criterion.sensitivity(data, state))

    state = criterion.init(data, weights, population)
    last, said = jax.lax.scan(move, state, (indices, amounts.astype(weights.dtype)))
    return *said, last


def follow(criterion, data, weights, population, seed=0):
    return walk(
        criterion, data, weights, population, *(jnp.asarray(column) for column in zip(*path(seed), strict=True))
    )


@functools.cache
def problem(kind, dtype=np.float64):
    data = FACTORS[kind](jax.random.key(3), N)
    return jax.tree.map(lambda x: x.astype(dtype), data), jnp.asarray(START, dtype), jnp.asarray(POPULATION, dtype)


@functools.cache
def fast(name, kind, prior="matrix", dtype=np.float64, seed=0):
    return follow(CRITERIA[name][0](prior_precision=PRIORS[prior]), *problem(kind, dtype), seed)


def oracle(name, kind, prior, seed):
    """Gains [moves, weights, n] and values [moves] in NumPy, nan where the information is not positive."""
    array = testing.write_out(problem(kind)[0])
    phi = CRITERIA[name][2](testing.information(array, POPULATION / POPULATION.sum()))

    def value(m):
        return np.where(np.linalg.eigvalsh(m)[..., 0] > 0, phi(m), np.nan)

    ms = np.stack([testing.information(array, w, PRIORS[prior]) for w in designs(seed)])
    changed = ms[:, None, None] + np.asarray(WEIGHTS)[:, None, None, None] * testing.fisher(array)
    return value(changed) - value(ms)[:, None, None], value(ms)


@criterion
@pytest.mark.parametrize(
    ("kind", "prior"), [*((kind, "matrix") for kind in FACTORS), ("dense r=3", "number"), ("dense r=3", "diagonal")]
)
def test_equals_numpy_along_random_paths(name, kind, prior, close):
    for seed in SEEDS:
        gains, values, *_ = fast(name, kind, prior, seed=seed)
        expected_gains, expected_values = oracle(name, kind, prior, seed)
        close(gains, expected_gains, loss=1e5)
        close(values, expected_values, loss=1e5)


@criterion
@kinds
def test_equals_from_matrix_along_random_paths(name, kind, close):
    data, weights, population = problem(kind)
    target = data.information(population / population.sum())
    slow = criteria.from_matrix(Partial(CRITERIA[name][1], target), prior_precision=PRIORS["matrix"])
    for seed in SEEDS:
        reference = follow(slow, data, weights, population, seed)
        for mine, theirs in zip(fast(name, kind, seed=seed)[:3], reference[:3], strict=True):
            close(mine, theirs, loss=1e5)


@criterion
@kinds
def test_gain_is_the_change_of_value(name, kind, close):
    compared = 0
    for seed in SEEDS:
        gains, values, *_ = fast(name, kind, seed=seed)
        for step, (index, weight) in list(enumerate(path(seed)))[1:]:
            if weight in WEIGHTS:
                close(gains[step - 1, WEIGHTS.index(weight), index], values[step] - values[step - 1], loss=1e5)
                compared += 1
    assert compared > 20


@criterion
@kinds
def test_weight_zero_changes_nothing(name, kind):
    assert path(0)[5][1] == 0
    for said in fast(name, kind)[:3]:
        np.testing.assert_array_equal(said[5], said[4])


@criterion
@kinds
def test_update_equals_init_and_refresh(name, kind, close):
    """The whole state at the end of the path, not only what it says."""
    data, _, population = problem(kind)
    chosen, updated = CRITERIA[name][0](prior_precision=PRIORS["matrix"]), fast(name, kind)[3]

    @jax.jit
    def again(chosen, weights, state):
        return chosen.init(data, weights, population), chosen.refresh(data, state)

    afresh, refreshed = again(chosen, jnp.asarray(designs(0)[-1]), updated)
    for state in (updated, refreshed):
        jax.tree.map(lambda a, b: close(a, b, loss=1e5), state, afresh)


@criterion
@kinds
def test_sensitivity_is_the_derivative_of_value(name, kind, close):
    """By automatic differentiation of ``value(init(.))`` in the design, at all designs of the path."""
    data, _, population = problem(kind)
    slope = jax.jit(jax.vmap(jax.grad(lambda w, c: c.value(c.init(data, w, population))), (0, None)))
    expected = slope(jnp.asarray(designs(0)), CRITERIA[name][0](prior_precision=PRIORS["matrix"]))
    close(fast(name, kind)[2], expected, loss=1e5)


@criterion
@pytest.mark.parametrize("kind", ["dense r=3", "last layer, 3 sites"])
def test_float32_agrees_with_float64(name, kind):
    """Where gains are not large: taking out what was hardly there is ill conditioned."""
    single, double = (fast(name, kind, dtype=dtype)[:3] for dtype in (np.float32, np.float64))
    for a, b in zip(single, double, strict=True):
        assert a.dtype == np.float32
        known = np.abs(b) < 10 if a.ndim == 3 else np.isfinite(b)
        np.testing.assert_allclose(np.where(known, a, 0), np.where(known, b, 0), rtol=1e-3, atol=1e-4)


@criterion
def test_padding_changes_nothing(name, close):
    data, weights, population = problem("last layer")

    def pad(x):
        return jnp.asarray(np.concatenate([x, np.zeros((5, *x.shape[1:]))]))

    padded = follow(
        CRITERIA[name][0](prior_precision=PRIORS["matrix"]), *jax.tree.map(pad, (data, weights, population))
    )
    plain = fast(name, "last layer")
    close(padded[0][..., :N], plain[0])
    close(padded[1], plain[1])
    np.testing.assert_array_equal(padded[0][..., N:], 0)


@criterion
def test_a_scaled_population_is_the_same_population(name, close):
    data, weights, population = problem("last layer")
    scaled = follow(CRITERIA[name][0](prior_precision=PRIORS["matrix"]), data, weights, 7 * population)
    close(scaled[0], fast(name, "last layer")[0])


@criterion
def test_vmap_over_prior_precision_equals_a_loop_and_traces_once(name, close):
    data, weights, population = problem("dense r=3")
    traces = []

    @jax.jit
    def first_gains(chosen):
        traces.append(1)
        return chosen.gain(data, chosen.init(data, weights, population))

    precisions = [0.1, 1.0, 25.0]
    looped = np.stack([first_gains(CRITERIA[name][0](prior_precision=p)) for p in precisions])
    assert len(traces) == 1
    mapped = jax.jit(jax.vmap(lambda p: first_gains(CRITERIA[name][0](prior_precision=p))))(jnp.asarray(precisions))
    close(mapped, looped)


def test_from_matrix_traces_a_partial_once():
    """A module-level function with new arrays bound, in new criteria: one program."""
    traces = []

    def phi(scale, m):
        traces.append(1)
        return scale * jnp.linalg.slogdet(m)[1]

    counts = []
    for scale in (1.0, 2.0, 3.0):
        bound = Partial(phi, jnp.asarray(scale))
        follow(criteria.from_matrix(bound, prior_precision=scale), *problem("dense r=1"))
        counts.append(len(traces))
    assert counts[0] > 0
    assert counts[1:] == counts[:1] * 2
