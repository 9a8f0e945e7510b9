"""Every criterion that is a function of the information matrix runs this battery: a new one is a row of CRITERIA.

One path of adds and removes, one compiled program for each kind of problem: the fast criterion, ``from_matrix`` with
the same function, and NumPy must say the same everywhere along it.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.scipy.linalg import cho_solve
from jax.tree_util import Partial

from alfi import criteria, testing

P = 6
ROOT = np.cos(np.arange(2 * P)).reshape(P, 2)  # of a matrix L for L- and c-optimality
INTEREST = np.array([True, False, False, True, True, False])  # the parameters of Ds-optimality


def inverse(m):
    return cho_solve((jnp.linalg.cholesky(m), True), jnp.eye(len(m)))


def log_det(m):
    return 2 * jnp.sum(jnp.log(jnp.diagonal(jnp.linalg.cholesky(m))))


def population_information(array, population):
    return jnp.einsum("n,nrp,nrq->pq", population / population.sum(), array, array)


def predictive(array, m):
    """``A_t M^-1 A_t^T`` for every row t."""
    return jnp.einsum("nrp,pq,nsq->nrs", array, inverse(m), array)


# The criteria as functions of (factors written out, population, M), by definition alone.


def d_phi(array, population, m):
    return log_det(m)


def v_phi(array, population, m):
    return -jnp.trace(inverse(m) @ population_information(array, population))


def a_phi(array, population, m):
    return -jnp.trace(inverse(m))


def l_phi(array, population, m):
    return -jnp.trace(ROOT.T @ inverse(m) @ ROOT)


def c_phi(array, population, m):
    return -ROOT[:, 0] @ inverse(m) @ ROOT[:, 0]


def ds_phi(array, population, m):
    a, b = np.ix_(INTEREST, INTEREST), np.ix_(~INTEREST, ~INTEREST)
    across = m[np.ix_(INTEREST, ~INTEREST)]
    return log_det(m[a] - across @ jnp.linalg.solve(m[b], across.T)) + 0 * log_det(m)  # nan where M is not positive


def eig_phi(array, population, m):
    return log_det(m) / 2


def trace_phi(array, population, m):
    return jnp.trace(m)


def e_phi(array, population, m):
    return jnp.linalg.eigvalsh(m)[0]


def phi_3(array, population, m):
    return -((jnp.sum(jnp.linalg.eigvalsh(m) ** -3.0) / P) ** (1 / 3)) + 0 * log_det(m)


def g_phi(array, population, m):
    return -jnp.max(jnp.where(population > 0, jnp.trace(predictive(array, m), axis1=1, axis2=2), 0))


def epig_phi(array, population, m):
    s = predictive(array, m)
    return -population @ jnp.linalg.slogdet(jnp.eye(s.shape[1])[None] + s)[1] / (2 * population.sum())


def numpy_predictive(array, m):
    return np.einsum("nrp,...pq,nsq->...nrs", array, np.linalg.inv(m), array)


# name: (criterion, the same as a function of M in JAX, and in NumPy as (array, population) -> function of M[..., p, p])
CRITERIA = {
    "d_optimal": (criteria.d_optimal, d_phi, lambda a, w: testing.log_det),
    "v_optimal": (
        criteria.v_optimal,
        v_phi,
        lambda a, w: testing.minus_variance(testing.information(a, w / w.sum())),
    ),
    "a_optimal": (criteria.a_optimal, a_phi, lambda a, w: testing.minus_variance(np.eye(P))),
    "l_optimal": (
        functools.partial(criteria.l_optimal, ROOT @ ROOT.T),
        l_phi,
        lambda a, w: testing.minus_variance(ROOT @ ROOT.T),
    ),
    "l_optimal by root": (
        functools.partial(criteria.l_optimal, root=ROOT),
        l_phi,
        lambda a, w: testing.minus_variance(ROOT @ ROOT.T),
    ),
    "c_optimal": (
        functools.partial(criteria.c_optimal, ROOT[:, 0]),
        c_phi,
        lambda a, w: testing.minus_variance(np.outer(ROOT[:, 0], ROOT[:, 0])),
    ),
    "ds_optimal": (
        functools.partial(criteria.ds_optimal, np.flatnonzero(INTEREST)),
        ds_phi,
        lambda a, w: lambda m: -testing.log_det(np.linalg.inv(m)[..., INTEREST, :][..., INTEREST]),
    ),
    "eig": (criteria.eig, eig_phi, lambda a, w: lambda m: testing.log_det(m) / 2),
    "trace": (criteria.trace, trace_phi, lambda a, w: lambda m: np.trace(m, axis1=-2, axis2=-1)),
    "e_optimal": (criteria.e_optimal, e_phi, lambda a, w: lambda m: np.linalg.eigvalsh(m)[..., 0]),
    "phi_p": (
        functools.partial(criteria.phi_p, 3.0),
        phi_3,
        lambda a, w: (
            lambda m: -((np.trace(np.linalg.matrix_power(np.linalg.inv(m), 3), axis1=-2, axis2=-1) / P) ** (1 / 3))
        ),
    ),
    "g_optimal": (
        criteria.g_optimal,
        g_phi,
        lambda a, w: lambda m: -np.trace(numpy_predictive(a[w > 0], m), axis1=-2, axis2=-1).max(axis=-1),
    ),
    "epig": (
        criteria.epig,
        epig_phi,
        lambda a, w: lambda m: -testing.log_det(np.eye(a.shape[1]) + numpy_predictive(a, m)) @ w / (2 * w.sum()),
    ),
}
DEFINED_ANYWHERE = {"trace", "e_optimal"}  # also where the information is not positive definite
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

# Kinds of factors, priors and padding differ in code that all criteria share: two try everything, the others one kind.
EVERYWHERE = ["d_optimal", "v_optimal"]
# The others go through the same battery in `make test-slow`.
ALWAYS = ("d_optimal", "v_optimal", "c_optimal")


def row(name, *rest):
    marks = () if name in ALWAYS else pytest.mark.slow
    return pytest.param(name, *rest, marks=marks)


criterion = pytest.mark.parametrize("name", [row(name) for name in CRITERIA])
cases = pytest.mark.parametrize(
    ("name", "kind"),
    [row(name, kind) for name in CRITERIA for kind in (FACTORS if name in EVERYWHERE else ["last layer"])],
)


@functools.cache
def path(seed):
    """Twelve random moves (index, weight): points are added, in part or whole, and taken out; weight 0 is no move."""
    rng, design, moves = np.random.default_rng(seed), START.copy(), []
    for step in range(12):
        index = rng.integers(N)
        weight = 0.0 if step == 4 else -design[index] if design[index] > 0 else rng.choice([1.0, 1.0, 0.3])
        design[index] += weight
        moves.append((index, weight))
    return moves


def designs(seed):
    """The weights at the start and after each move."""
    moves = np.zeros((len(path(seed)) + 1, N))
    for step, (index, weight) in enumerate(path(seed)):
        moves[step + 1, index] = weight
    return START + np.cumsum(moves, axis=0)


@jax.jit
def walk(criterion, data, weights, population, indices, amounts):
    """Everything a criterion says at the start (a move of weight 0) and after each move, and its last state."""

    def move(state, step):
        index, weight = step
        point = jax.tree.map(lambda x: jnp.take(x, index[None], axis=0), data)
        state = criterion.update(data, state, index, point, weight)
        gains = jax.vmap(lambda w: criterion.gain(data, state, w))(jnp.asarray(WEIGHTS, weights.dtype))
        return state, (gains, criterion.value(state), criterion.sensitivity(data, state))

    start = criterion.init(data, weights, population)
    moves = jnp.pad(indices, (1, 0)), jnp.pad(amounts.astype(weights.dtype), (1, 0))
    last, said = jax.lax.scan(move, start, moves)
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
    """Gains [moves + 1, weights, n] and values [moves + 1] in NumPy: nan where M would not be positive."""
    array = testing.write_out(problem(kind)[0])
    phi = CRITERIA[name][2](array, POPULATION)

    def value(m):
        with np.errstate(invalid="ignore"):  # powers of negative eigenvalues, replaced below
            values = phi(m)
        return values if name in DEFINED_ANYWHERE else np.where(np.linalg.eigvalsh(m)[..., 0] > 0, values, np.nan)

    ms = np.stack([testing.information(array, w, PRIORS[prior]) for w in designs(seed)])
    changed = ms[:, None, None] + np.asarray(WEIGHTS)[:, None, None, None] * testing.fisher(array)
    return value(changed) - value(ms)[:, None, None], value(ms)


@pytest.mark.parametrize(
    ("name", "kind", "prior"),
    [
        *(
            row(name, kind, "matrix")
            for name in CRITERIA
            for kind in (FACTORS if name in EVERYWHERE else ["last layer"])
        ),
        *((name, "dense r=3", prior) for name in EVERYWHERE for prior in ("number", "diagonal")),
    ],
)
def test_equals_numpy_along_random_paths(name, kind, prior, close):
    for seed in SEEDS:
        gains, values, *_ = fast(name, kind, prior, seed=seed)
        expected_gains, expected_values = oracle(name, kind, prior, seed)
        close(gains, expected_gains, loss=1e5)
        close(values, expected_values, loss=1e5)


@cases
def test_equals_from_matrix_along_random_paths(name, kind, close):
    data, weights, population = problem(kind)
    phi = Partial(CRITERIA[name][1], jnp.asarray(testing.write_out(data)), population)
    slow = criteria.from_matrix(phi, prior_precision=PRIORS["matrix"])
    for seed in SEEDS:
        reference = follow(slow, data, weights, population, seed)
        for mine, theirs in zip(fast(name, kind, seed=seed)[:3], reference[:3], strict=True):
            close(mine, theirs, loss=1e5)


@cases
def test_gain_is_the_change_of_value(name, kind, close):
    compared = 0
    for seed in SEEDS:
        gains, values, *_ = fast(name, kind, seed=seed)
        for step, (index, weight) in enumerate(path(seed)):
            if weight in WEIGHTS:
                close(gains[step, WEIGHTS.index(weight), index], values[step + 1] - values[step], loss=1e5)
                compared += 1
    assert compared > 20


@cases
def test_weight_zero_changes_nothing(name, kind):
    step = [weight for _, weight in path(0)].index(0)
    for said in fast(name, kind)[:3]:
        np.testing.assert_array_equal(said[step + 1], said[step])


@cases
def test_update_equals_init_and_refresh(name, kind, close):
    """The whole state at the end of the path, not only what it says."""
    data, _, population = problem(kind)
    chosen, updated = CRITERIA[name][0](prior_precision=PRIORS["matrix"]), fast(name, kind)[3]

    @jax.jit
    def again(chosen, weights, state):
        refresh = chosen.refresh or (lambda data, state: state)
        return chosen.init(data, weights, population), refresh(data, state)

    afresh, refreshed = again(chosen, jnp.asarray(designs(0)[-1]), updated)
    for state in (updated, refreshed):
        jax.tree.map(lambda a, b: close(a, b, loss=1e5), state, afresh)


@pytest.mark.parametrize(("name", "kind"), [(name, kind) for name in EVERYWHERE for kind in FACTORS])
def test_sensitivity_is_the_derivative_of_value(name, kind, close):
    """By automatic differentiation of ``value(init(.))`` in the design, at all designs of the path.

    For the others ``from_matrix`` has said it above, by automatic differentiation of the function of M.
    """
    data, _, population = problem(kind)
    slope = jax.jit(jax.vmap(jax.grad(lambda w, c: c.value(c.init(data, w, population))), (0, None)))
    expected = slope(jnp.asarray(designs(0)), CRITERIA[name][0](prior_precision=PRIORS["matrix"]))
    close(fast(name, kind)[2], expected, loss=1e5)


@pytest.mark.parametrize(
    ("name", "kind"), [*(row(name, "last layer") for name in CRITERIA), *((name, "dense r=3") for name in EVERYWHERE)]
)
def test_float32_agrees_with_float64(name, kind):
    """Where gains are not large: taking out what was hardly there is ill conditioned."""
    single, double = (fast(name, kind, dtype=dtype)[:3] for dtype in (np.float32, np.float64))
    for a, b in zip(single, double, strict=True):
        assert a.dtype == np.float32
        known = np.abs(b) < 10 if a.ndim == 3 else np.isfinite(b)
        np.testing.assert_allclose(np.where(known, a, 0), np.where(known, b, 0), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", [*EVERYWHERE, "ds_optimal", "g_optimal", "epig"])
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
    np.testing.assert_allclose(padded[0][..., N:], 0, atol=1e-14)


@criterion
def test_a_scaled_population_is_the_same_population(name, close):
    data, weights, population = problem("last layer")
    scaled = follow(CRITERIA[name][0](prior_precision=PRIORS["matrix"]), data, weights, 7 * population)
    close(scaled[0], fast(name, "last layer")[0])


@pytest.mark.parametrize("name", [*EVERYWHERE, "l_optimal", "ds_optimal", "phi_p", "epig"])
def test_vmap_over_prior_precision_equals_a_loop_and_traces_once(name, close):
    data, weights, population = problem("last layer")
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
