"""The front door for continuous designs: the plain functions compiled, in float64, and every message."""

# ruff: noqa: E501 (a table reads best with one case in a line)

import itertools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.tree_util import Partial

import alfi
from alfi import certified, criteria, design, fisher, testing

N, INF = 10, float("inf")
D = criteria.d_optimal(prior_precision=0.5)
CLASSICAL = criteria.d_optimal(prior_precision=0.0)
LABELLED = np.arange(N) < 2


def factors():
    return testing.dense(jax.random.key(0), N, 2, 3)


def spoilt():
    return fisher.DenseFactors(factors().array.at[jnp.array([2, 5]), 0, 1].set(jnp.nan))


def flat():
    """Only two of three parameters are ever seen."""
    return fisher.DenseFactors(factors().array.at[:, :, 2].set(0))


NEEDS_TWO = alfi.Selection(jnp.array([3, 4]), jnp.zeros(2))
UNKNOWN = (
    "nothing is known of this criterion that a bound could rest on: if its value is concave in the weights, "
    "say concave=True, or known=alfi.Known(concave=True) where you make it."
)
SINGULAR = (
    " at equal weights on all available examples, where the search begins. Is the information singular "
    "(give a prior_precision > 0), or has the criterion no value?"
)

# call, message
MISTAKES = [
    (lambda: alfi.allocate(D, spoilt(), 2), "2 of 10 examples hold NaN or infinity, the first is number 2."),
    (lambda: alfi.certify(D, spoilt(), NEEDS_TWO), "2 of 10 examples hold NaN or infinity, the first is number 2."),
    (lambda: alfi.allocate(D, factors(), 2, weights=jnp.ones(3)), "weights must have length 10, one entry for each example; got shape (3,)."),
    (lambda: alfi.allocate(D, factors(), 2, population=np.zeros(N)), "population must have a positive sum."),
    (lambda: alfi.allocate(D, factors(), 2, available=jnp.ones(3)), "available must be a mask of length 10; got shape (3,)."),
    (lambda: alfi.allocate(D, factors(), 0), "budget must be a positive number; got 0."),
    (lambda: alfi.allocate(D, factors(), float("nan")), "budget must be a positive number; got nan."),
    (lambda: alfi.allocate(D, factors(), 2, cap=-1), "cap must be a positive number; got -1."),
    (lambda: alfi.allocate(D, factors(), INF, cap=INF), "budget is inf, but the 10 examples that are available hold at most inf."),
    (lambda: alfi.allocate(D, factors(), 9, weights=LABELLED), "budget is 9, but the 8 examples that are available hold at most 8."),
    (lambda: alfi.allocate(D, factors(), 3, cap=0.2), "budget is 3, but the 10 examples that are available hold at most 2."),
    (lambda: alfi.allocate(D, factors(), 1, cap=INF, available=np.zeros(N)), "budget is 1, but the 0 examples that are available hold at most 0."),
    (lambda: alfi.allocate(D, factors(), 2, method="newton"), "method must be one of pairwise, multiplicative, mirror; got 'newton'."),
    (lambda: alfi.allocate(CLASSICAL, flat(), 1, cap=INF), "the criterion's value is nan" + SINGULAR),
    (lambda: alfi.allocate(criteria.min_distance(), factors(), 2), "the criterion's value is nan" + SINGULAR),
    (lambda: alfi.certify(D, factors(), jnp.ones(2)), "selection must hold a list of integers; got float64 of shape (2,)."),
    (lambda: alfi.certify(D, factors(), []), "selection must hold a list of integers; got float64 of shape (0,)."),
    (lambda: alfi.certify(D, factors(), [3, 10]), "indices must be in 0 ... 9; got 3 ... 10."),
    (lambda: alfi.certify(D, factors(), [-1, 2]), "indices must be in 0 ... 9; got -1 ... 2."),
    (lambda: alfi.certify(D, factors(), [4, 1], weights=LABELLED), "example 1 of the batch is not available: give weights as they were before it."),
    (lambda: alfi.certify(D, factors(), [4, 5, 4]), "example 4 is 2 times in the batch, but cap is 1."),
    (
        lambda: alfi.certify(CLASSICAL, factors(), [3]),
        "the criterion's value is nan with this batch. Is the information still singular? Give a prior_precision > 0, or a larger batch.",
    ),
    (lambda: alfi.certify(criteria.from_matrix(jnp.trace), factors(), NEEDS_TWO), UNKNOWN),
    (lambda: alfi.certify(criteria.min_distance(), factors(), NEEDS_TWO), UNKNOWN),
]  # fmt: skip


@pytest.mark.parametrize(("call", "message"), MISTAKES, ids=[message[:40] for _, message in MISTAKES])
def test_a_mistake_is_told_in_one_line(call, message):
    with pytest.raises(ValueError, match="^" + re.escape(message) + "$"):
        call()


@pytest.mark.slow
def test_allocate_is_solve(close):
    population = np.r_[np.ones(N - 1), 0.0]
    got = alfi.allocate(D, factors(), 3, weights=LABELLED, population=population)
    expected = design.solve(
        D, factors(), budget=3.0, weights=jnp.asarray(LABELLED, float), available=~LABELLED & (population > 0)
    )
    jax.tree.map(close, got, expected)
    assert got.weights[N - 1] == 0  # padding
    assert 0 <= got.bound - got.value < 1e-6


def test_the_optimum_of_a_straight_line(close):
    line = fisher.DenseFactors(jnp.stack([jnp.ones(5), jnp.linspace(-1, 1, 5)], axis=1)[:, None])
    got = alfi.allocate(CLASSICAL, line, 1, cap=INF)
    close(got.weights, np.array([0.5, 0, 0, 0, 0.5]), loss=1e9)
    close(got.bound, 0.0)


V = pytest.param(criteria.v_optimal(prior_precision=0.5), marks=pytest.mark.slow, id="V")


@pytest.mark.parametrize("criterion", [pytest.param(D, id="D"), V])
def test_the_certificate_holds_for_the_best_of_all_batches(criterion):
    data, weights = factors(), LABELLED.astype(float)

    @jax.jit
    @jax.vmap
    def value(z):
        return criterion.value(criterion.init(data, weights + z, jnp.ones(N)))

    batches = list(itertools.combinations(np.flatnonzero(~LABELLED).tolist(), 3))
    chosen = np.array([np.isin(np.arange(N), batch) for batch in batches], float)
    values = dict(zip(batches, value(chosen).tolist(), strict=True))
    best, worst = max(values.values()), min(values, key=values.get)
    nothing = float(value(np.zeros((1, N)))[0])
    picked = alfi.select(criterion, data, 3, weights=weights)
    for batch in (picked, worst):
        found = alfi.certify(criterion, data, batch, weights=weights)
        reached = values[tuple(sorted(np.asarray(getattr(batch, "indices", batch)).tolist()))]
        np.testing.assert_allclose([found.value, found.labelled], [reached, nothing], rtol=1e-9)
        assert found.bound >= best - 1e-9
        assert found.fraction <= (reached - nothing) / (best - nothing) + 1e-9
    assert alfi.certify(criterion, data, picked, weights=weights).fraction > 0.9


def test_repetition_with_a_cap():
    found = alfi.certify(CLASSICAL, testing.one_hot([1.0, 1.0]), [0, 1, 0, 1], cap=INF)
    np.testing.assert_allclose(found.classical, 1, rtol=1e-6)
    assert alfi.certify(CLASSICAL, testing.one_hot([1.0, 1.0]), [0, 0, 0, 1], cap=INF).classical < 0.9


def log_determinant(m):
    return jnp.linalg.slogdet(m)[1]


def test_a_criterion_of_ones_own():
    own = criteria.from_matrix(log_determinant, prior_precision=0.5)
    picked = alfi.certify(own, factors(), [1, 2, 3], concave=True)
    batch = jnp.isin(jnp.arange(N), jnp.array([1, 2, 3])).astype(float)
    expected = log_determinant(factors().information(batch) + 0.5 * jnp.eye(3))
    np.testing.assert_allclose(picked.value, expected, rtol=1e-9)
    assert 0 < picked.fraction < 1


@pytest.mark.slow
def test_without_sensitivity_it_is_climbed_by_mirror_ascent():
    own = criteria.from_matrix(log_determinant, prior_precision=0.5)
    assert np.isnan(alfi.allocate(own, factors(), 3).bound)  # nobody said that it is concave
    pairwise, mirror = (
        alfi.allocate(each, factors(), 3, concave=True) for each in (own, own._replace(sensitivity=None))
    )
    expected = alfi.allocate(D, factors(), 3)
    np.testing.assert_allclose([pairwise.value, mirror.value], expected.value, rtol=1e-5)
    np.testing.assert_allclose([pairwise.bound, mirror.bound], expected.bound, rtol=1e-4)


@pytest.mark.slow
def test_float64_without_being_asked_for():
    """A user in float32 gets float32 arrays, and the numbers of float64."""
    exact = alfi.certify(D, factors(), NEEDS_TWO)
    with jax.enable_x64(False):
        data = fisher.DenseFactors(jnp.asarray(np.asarray(factors().array), jnp.float32))
        criterion = criteria.d_optimal(prior_precision=0.5)
        got = alfi.certify(criterion, data, NEEDS_TWO)
        weights = alfi.allocate(criterion, data, 2).weights
        assert {x.dtype for x in (*got, weights)} == {jnp.dtype("float32")}
        assert float(weights.sum().round(3)) == 2
    # The gap is the difference of two larger numbers: in float32 throughout it would be worse.
    np.testing.assert_allclose(got.gap, exact.gap, rtol=3e-6)


def test_a_second_call_does_not_trace_again():
    traces = []

    def phi(power, m):
        traces.append(1)
        return jnp.sum(jnp.linalg.eigvalsh(m) ** power)

    counts = []
    for step, precision in enumerate((0.1, 1.0, 7.0)):
        own = criteria.from_matrix(Partial(phi, jnp.asarray(0.5 + step / 10)), prior_precision=precision)
        data = fisher.DenseFactors(factors().array + step)
        alfi.allocate(own, data, 2 + step, cap=1 + step, concave=True)
        alfi.certify(own, data, [1, 2 + step], weights=np.arange(N) == 7, concave=True)
        counts.append(len(traces))
    assert counts[0] > 0
    assert counts == counts[:1] * 3
    assert certified._jitted_solve._cache_size() > 0
