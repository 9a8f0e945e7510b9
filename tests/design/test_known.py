"""Optimal designs with known support, weights and value: each is found, and certified by the equivalence theorem.

T1 to T20 are the classical closed forms; each support point lies on the grid that is searched.
"""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from alfi import criteria, design, testing
from alfi.fisher import DenseFactors

pytestmark = pytest.mark.slow  # a minute and a half of compilation

INF = float("inf")


def smallest(m):
    return jnp.linalg.eigvalsh(m)[0]


def D(prior=0.0):
    return criteria.d_optimal(prior_precision=prior)


def L(target, prior=0.0):
    return criteria.l_optimal(target, prior_precision=prior)


def A(prior=0.0):
    return criteria.a_optimal(prior_precision=prior)


def C(vector):
    return criteria.c_optimal(vector, prior_precision=0.0)


def phi(power):
    return criteria.phi_p(power, prior_precision=0.0)


def E():
    return criteria.e_optimal(prior_precision=0.0)


def G():
    return criteria.g_optimal(prior_precision=0.0)


def factors(rows):
    return DenseFactors(jnp.asarray(np.asarray(rows, float)[:, None]))


def powers(x, degree):
    return np.asarray(x, float)[:, None] ** np.arange(degree + 1)


def grid(low, high, extra=(), size=101):
    return np.unique(np.r_[np.linspace(low, high, size), extra])


def moments(degree):
    """Of the uniform density on [-1, 1]."""
    k = np.add.outer(np.arange(degree + 1), np.arange(degree + 1))
    return np.where(k % 2 == 0, 1 / (k + 1.0), 0)


def chebyshev(degree):
    return np.cos(np.arange(degree + 1) * np.pi / degree)


def legendre(degree):
    """The roots of (1 - x^2) P'(x)."""
    return np.r_[-1, np.polynomial.legendre.Legendre.basis(degree).deriv().roots().real, 1]


N = 128  # all candidate sets are padded to this, so that few programs serve all tests


def padded(data, z=None):
    array = np.zeros((N, *data.array.shape[1:]))
    array[: data.n] = data.array
    z = np.zeros(data.n) if z is None else z
    return DenseFactors(jnp.asarray(array)), jnp.arange(N) < data.n, jnp.asarray(np.r_[z, np.zeros(N - data.n)])


@functools.partial(jax.jit, static_argnames="method")
def solve(criterion, data, available, tolerance, method):
    options = {"method": method, "iterations": 500 if method == "pairwise" else 2000}
    return design.solve(criterion, data, available=available, budget=1.0, cap=INF, tolerance=tolerance, **options)


@jax.jit
def bound(criterion, data, available, z):
    return design.bound(criterion, data, z, available=available, budget=1.0, cap=INF)


def found(criterion, data, tolerance=1e-7, method="pairwise"):
    data, available, _ = padded(data)
    got = solve(criterion, data, available, tolerance, method)
    assert jnp.sum(jnp.where(available, 0, got.weights)) == 0
    return got._replace(weights=got.weights[available])


def tangent(criterion, data, z):
    data, available, z = padded(data, z)
    return float(bound(criterion, data, available, z))


def information(data, weights, prior=0.0):
    return testing.information(testing.write_out(data), weights, prior)


R5, R37 = 1 / np.sqrt(5), np.sqrt(3 / 7)
A3, I3 = 0.463950902, 0.4366185903
ENDS3 = {-1: 0.25, -R5: 0.25, R5: 0.25, 1: 0.25}
third, QUAD = 1 / 3, (-1.0, 0.0, 1.0)
# Polynomials on [-1, 1]: name: (degree, criterion, {point: weight}, value)
POLYNOMIALS = {
    "T1 D": (1, lambda: D(), {-1: 0.5, 1: 0.5}, 0.0),
    "T1 A": (1, lambda: A(), {-1: 0.5, 1: 0.5}, -2.0),
    "T2 D": (2, lambda: D(), dict.fromkeys(QUAD, third), np.log(4 / 27)),
    "T2 A": (2, lambda: A(), {-1: 0.25, 0: 0.5, 1: 0.25}, -8.0),
    "T2 I": (2, lambda: L(moments(2)), {-1: 0.25, 0: 0.5, 1: 0.25}, -32 / 15),
    "T2 c": (2, lambda: C([0, 0, 1]), {-1: 0.25, 0: 0.5, 1: 0.25}, -4.0),
    "T2 Ds": (2, lambda: criteria.ds_optimal([2], prior_precision=0.0), {-1: 0.25, 0: 0.5, 1: 0.25}, -np.log(4)),
    "T3 D": (3, lambda: D(), ENDS3, np.log(0.00512)),
    "T3 A": (3, lambda: A(), {-1: 0.1504720758, -A3: 0.3495279242, A3: 0.3495279242, 1: 0.1504720758}, -37.5202591775),
    "T3 I": (
        3, lambda: L(moments(3)),
        {-1: 0.1548988666, -I3: 0.3451011334, I3: 0.3451011334, 1: 0.1548988666}, -2.9897864423,
    ),
    "T4 quartic D": (4, lambda: D(), dict.fromkeys((-1, -R37, 0, R37, 1), 0.2), np.log(4.297218239e-5)),
    **{
        f"T4 degree {d} D": (d, lambda: D(), dict.fromkeys(legendre(d), 1 / (d + 1)), None) for d in (2, 3, 5)
    },
    **{
        f"T5 degree {d} c": (
            d, lambda d=d: C(np.eye(d + 1)[d]),
            {x: (0.5 if abs(x) > 0.999 else 1) / d for x in chebyshev(d)}, -(4.0 ** (d - 1)),
        )
        for d in (2, 3, 4, 5)
    },
}  # fmt: skip


@pytest.mark.parametrize("name", POLYNOMIALS)
def test_polynomials(name):
    degree, criterion, support, value = POLYNOMIALS[name]
    points, expected = np.array(list(support)), np.array(list(support.values()))
    x = np.r_[points, np.setdiff1d(np.linspace(-1, 1, 41 + 2 * (degree == 5)), points)]
    x = np.r_[points, [u for u in x[len(points) :] if np.abs(u - points).min() > 1e-9]]
    data = factors(powers(x, degree))
    got = found(criterion(), data, 1e-9)
    slopes = float(got.bound - got.value)
    scale = degree + 1 if "D" in name else abs(float(got.value))
    assert 0 <= slopes + 1e-9 * scale <= 1e-6 * scale
    if value is not None:
        np.testing.assert_allclose(got.value, value, rtol=2e-9, atol=2e-9)
    np.testing.assert_allclose(got.weights[: len(points)], expected, atol=2e-4)
    assert float(jnp.sum(got.weights[len(points) :])) < 4e-4


@pytest.mark.parametrize(
    ("degree", "support", "value"),
    [
        (1, {-1: 0.5, 1: 0.5}, 1.0),
        (2, {-1: 0.2, 0: 0.6, 1: 0.2}, 0.2),
        (3, {-1: 19 / 150, -0.5: 28 / 75, 0.5: 28 / 75, 1: 19 / 150}, 1 / 25),
    ],
    ids=["T1", "T2", "T3"],
)
def test_e_optimal_polynomials_are_certified_by_the_smooth_dual(degree, support, value):
    points, expected = np.array(list(support)), np.array(list(support.values()))
    got = found(E(), factors(powers(np.linspace(-1, 1, 41), degree)), 1e-6)
    assert value - 1e-12 <= got.bound <= value * (1 + 1e-3)
    np.testing.assert_allclose(got.value, value, rtol=1e-3)
    at = np.searchsorted(np.linspace(-1, 1, 41), points - 1e-9)
    np.testing.assert_allclose(got.weights[at], expected, atol=0.02)


@pytest.mark.parametrize("k", [2, 3, 4])
@pytest.mark.parametrize("name", ["D", "A"])
def test_t6_the_full_factorial(k, name):
    x = np.array(list(itertools.product([-1.0, 0.0, 1.0], repeat=k)))
    data = factors(np.c_[np.ones(len(x)), x])
    got = found(D() if name == "D" else A(), data)
    np.testing.assert_allclose(got.value, 0 if name == "D" else -(k + 1), atol=1e-8)
    assert got.bound - got.value < 1e-6
    np.testing.assert_allclose(information(data, got.weights), np.eye(k + 1), atol=1e-3)


@pytest.mark.parametrize("k", [2, 3])
def test_t6_the_full_factorial_is_e_and_g_optimal(k):
    x = np.array(list(itertools.product([-1.0, 0.0, 1.0], repeat=k)))
    data = factors(np.c_[np.ones(len(x)), x])
    for criterion, value in ((E(), 1.0), (G(), -(k + 1.0))):
        got = found(criterion, data, 1e-7)
        np.testing.assert_allclose(got.value, value, rtol=1e-3)
        assert value - 1e-9 <= got.bound <= value + 1e-3 * abs(value)


@pytest.mark.parametrize("degree", [1, 2, 3])
def test_g_optimal_designs_are_d_optimal_ones(degree):
    """Kiefer & Wolfowitz; T1 to T3. Certified by a smooth maximum, as E-optimality is by a smooth minimum."""
    support = {1: (-1, 1), 2: (-1, 0, 1), 3: (-1, -R5, R5, 1)}[degree]
    x = grid(-1, 1, support, 41)
    got = found(G(), factors(powers(x, degree)), 1e-7)
    p = degree + 1
    np.testing.assert_allclose(got.value, -p, rtol=1e-4)
    assert -p - 1e-9 <= got.bound <= -p * (1 - 1e-3)
    near = np.abs(x[None] - np.asarray(support)[:, None]) < 0.08  # neighbours on the grid serve almost as well
    np.testing.assert_allclose(near @ np.asarray(got.weights), 1 / p, atol=1e-2)


def quadratic(x):
    k = x.shape[1]
    pairs = [x[:, i] * x[:, j] for i in range(k) for j in range(i, k)]
    return np.c_[np.ones(len(x)), x, np.stack(pairs, axis=1)]


def test_t7_full_quadratic_on_the_square():
    x = np.array(list(itertools.product([-1.0, 0.0, 1.0], repeat=2)))
    data = factors(quadratic(x))
    got = found(D(), data, 1e-10)
    expected = np.array([0.0961930231, 0.0801608526, 0.1457908916])[(x**2).sum(axis=1).astype(int)]
    np.testing.assert_allclose(got.weights, expected, atol=1e-6)
    np.testing.assert_allclose(np.exp(got.value / 6), 0.4745937662, rtol=1e-9)
    fine = np.array(list(itertools.product(np.linspace(-1, 1, 10), repeat=2)))
    top = tangent(D(), factors(quadratic(np.r_[x, fine])), np.r_[got.weights, np.zeros(len(fine))])
    assert top - got.value < 1e-6


def test_t8_full_quadratic_on_the_cube():
    x = np.array(list(itertools.product([-1.0, 0.0, 1.0], repeat=3)))
    got = found(D(), factors(quadratic(x)), 1e-9)
    np.testing.assert_allclose(np.exp(got.value / 10), 0.4744782067, rtol=1e-9)
    assert got.bound - got.value < 1e-6


def test_t9_an_exact_design_is_evaluated():
    grid3 = np.array(list(itertools.product([-1.0, 0.0, 1.0], repeat=3)))
    data = factors(quadratic(grid3))
    z = jnp.asarray((np.arange(27) % 2 == 0) / 14.0)
    assert int((z > 0).sum()) == 14
    m = information(data, z)
    spread = testing.write_out(data)[:, 0]
    d = np.einsum("np,pq,nq->n", spread, np.linalg.inv(m), spread)
    np.testing.assert_allclose(np.linalg.det(m) ** 0.1, 0.4630447419, rtol=1e-9)
    np.testing.assert_allclose([np.trace(np.linalg.inv(m)) / 10, d.mean()], [3.22, 9.9458333333], rtol=1e-10)
    value = np.linalg.slogdet(m)[1]
    top = tangent(D(), data, z)
    np.testing.assert_allclose(top - value, d.max() - 10, rtol=1e-9)  # the tangent, of which Ge and Dea are functions
    np.testing.assert_allclose([10 / (10 + top - value), np.exp(-(top - value) / 10)], [0.8928571429, 0.8869204367])


@pytest.mark.parametrize(("q", "det", "trace"), [(3, 5.232780886e-9, 450), (4, 5.960464478e-18, 1480)])
def test_t10_scheffe_mixtures(q, det, trace):
    steps = 10 if q == 3 else 6
    lattice = [np.array(c) / steps for c in itertools.product(range(steps + 1), repeat=q) if sum(c) == steps]
    x = np.array(lattice)
    cross = np.stack([x[:, i] * x[:, j] for i, j in itertools.combinations(range(q), 2)], axis=1)
    data = factors(np.c_[x, cross])
    got = found(D(), data, 1e-9)
    np.testing.assert_allclose(np.exp(got.value), det, rtol=1e-8)
    assert got.bound - got.value < 1e-6
    support = np.isclose((x**2).sum(axis=1), 1) | np.isclose(np.sort(x, axis=1)[:, -2:], 0.5).all(axis=1)
    np.testing.assert_allclose(got.weights, support / support.sum(), atol=1e-4)
    np.testing.assert_allclose(np.trace(np.linalg.inv(information(data, support / support.sum()))), trace, rtol=1e-8)


@pytest.mark.parametrize("m", [1, 2, 3])
def test_t11_fourier_regression(m):
    t = np.arange(14 * (2 * m + 1)) * 2 * np.pi / (14 * (2 * m + 1))
    j = np.arange(1, m + 1)
    data = factors(np.c_[np.ones(len(t)), np.cos(np.outer(t, j)), np.sin(np.outer(t, j))])
    got = found(D(), data)
    np.testing.assert_allclose(got.value, -m * np.log(4), atol=1e-8)
    assert got.bound - got.value < 1e-6
    np.testing.assert_allclose(information(data, got.weights), np.diag(np.r_[1, np.full(2 * m, 0.5)]), atol=1e-6)
    equal = information(data, np.full(len(t), 1 / len(t)))
    np.testing.assert_allclose(np.trace(np.linalg.inv(equal)), 4 * m + 1, rtol=1e-9)
    np.testing.assert_allclose(np.linalg.eigvalsh(equal)[0], 0.5, rtol=1e-9)


def logistic(x):
    return np.sqrt(1 / (4 * np.cosh(x / 2) ** 2))


def probit(x):
    from scipy.stats import norm

    return norm.pdf(x) / np.sqrt(norm.cdf(x) * norm.sf(x))


def mixed_inhibition(x):
    v, km, kic, kiu = 1.5, 5.2, 3.4, 5.6
    s, i = x[:, 0], x[:, 1]
    below = km * (1 + i / kic) + s * (1 + i / kiu)
    pull = v * s / below**2
    return np.c_[s / below, -pull * (1 + i / kic), pull * km * i / kic**2, pull * s * i / kiu**2]


def plane(support):
    side = list(itertools.product(np.linspace(0, 30, 11), np.linspace(0, 60, 11)))
    return np.unique(np.array([*side, *support]), axis=0)


B, K, T, U = 10.0, 2.0, 15.0, 150.0
LOG = (U + T) * T * (np.log(U + T) - np.log(T)) / U - T
EDGE, PROBIT, N17 = 1.5434046384, 1.1381012775, [(30, 0), (3.861406, 0), (30, 5.111376), (4.600633, 4.168798)]
# Nonlinear models, D: name: (regressors of x, candidates, support, det, trace of the inverse; None: not stated)
MODELS = {
    "T12 logistic": (
        lambda x: logistic(x)[:, None] * powers(x, 1),
        grid(-8, 8, (-EDGE, EDGE)),
        (-EDGE, EDGE),
        0.05011849434,
        9.788302065,
    ),
    "T12 probit": (
        lambda x: probit(x)[:, None] * powers(x, 1),
        grid(-6, 6, (-PROBIT, PROBIT)),
        (-PROBIT, PROBIT),
        0.1986837312,
        4.524520609,
    ),
    "T13 Poisson": (lambda x: np.exp(x / 2)[:, None] * powers(x, 1), grid(-4, 2, (0,)), (0, 2), np.exp(2), None),
    "T14 decay": (
        lambda x: np.c_[np.exp(-0.7 * x), -3 * x * np.exp(-0.7 * x)],
        grid(0, 20, (1 / 0.7,)),
        (0, 1 / 0.7),
        0.6214375251,
        None,
    ),
    "T14 offset": (lambda x: np.c_[np.ones(len(x)), -x * np.exp(-10 * x)], grid(0, 1), (0, 0.1), 0.0003383382081, None),
    "T15 Michaelis-Menten": (
        lambda x: np.c_[x / (K + x), -x / (K + x) ** 2],
        grid(0, B, (10 / 7,)),
        (10 / 7, B),
        0.001308195221,
        339.264,
    ),
    "T16 log-linear": (
        lambda x: np.c_[np.ones(len(x)), np.log(x + T), 1 / (x + T)],
        grid(0, U, (LOG,)),
        (0, LOG, U),
        None,
        None,
    ),
    "T16 Emax": (
        lambda x: np.c_[np.ones(len(x)), x / (x + T), -x / (x + T) ** 2],
        grid(0, U, (12.5,)),
        (0, 12.5, U),
        None,
        None,
    ),
    "T17 mixed inhibition": (mixed_inhibition, plane(N17), N17, 1.247927297e-11, None),
    "T20": (lambda x: np.c_[x, x**2], grid(0, 1), (0.5, 1), 1 / 64, None),
}


@pytest.mark.parametrize("name", MODELS)
def test_nonlinear_models(name):
    regressors, x, support, det, trace = MODELS[name]
    rows = regressors(x)
    p = rows.shape[1]
    got = found(D(), factors(rows), 1e-8)
    assert got.bound - got.value < 1e-6 * p
    at = [np.argmin(np.abs(np.asarray(x) - point).reshape(len(x), -1).sum(axis=1)) for point in support]
    np.testing.assert_allclose(np.asarray(got.weights)[at], 1 / p, atol=1e-3)
    uniform = np.zeros(len(x))
    uniform[at] = 1 / p
    m = information(factors(rows), uniform)
    assert tangent(D(), factors(rows), uniform) - np.linalg.slogdet(m)[1] < 1e-6
    if det is not None:
        np.testing.assert_allclose([np.linalg.det(m), np.exp(got.value)], det, rtol=3e-7 if name[:3] == "T17" else 2e-8)
    if trace is not None:
        np.testing.assert_allclose(np.trace(np.linalg.inv(m)), trace, rtol=1e-6)


def test_t14_t16_numbers_of_the_text():
    np.testing.assert_allclose(LOG, 24.565272, rtol=1e-7)
    x = grid(0, 1)
    rows = factors(np.c_[np.ones(len(x)), -x * np.exp(-10 * x)])
    z = np.zeros(len(x))
    z[[np.argmin(np.abs(x - 0.1)), len(x) - 1]] = 0.5
    value = np.linalg.slogdet(information(rows, z))[1]
    gap = tangent(D(), rows, z) - value
    np.testing.assert_allclose(2 / (2 + gap), 0.9975, atol=1e-4)


SCALES = np.array([1.0, 2.0, 3.0, 5.0])
PRIOR = np.array([0.1, 4.0, 0.2, 30.0])
ONE_HOT = {
    "D": (lambda: D(), np.full(4, 0.25)),
    "A": (lambda: A(), [0.4918032787, 0.2459016393, 0.1639344262, 0.0983606557]),
    "Phi_1/2": (lambda: phi(0.5), SCALES ** (-1 / 1.5) / np.sum(SCALES ** (-1 / 1.5))),
    "Phi_2": (lambda: phi(2.0), [0.5730884329, 0.2274302953, 0.1324524421, 0.0670288297]),
    "Phi_3": (lambda: phi(3.0), SCALES ** (-6 / 4) / np.sum(SCALES ** (-6 / 4))),
    "Bayesian D": (lambda: D(PRIOR), [0.4611111111, 0, 0.5388888889, 0]),
    "Bayesian A": (lambda: A(PRIOR), [0.7416666667, 0, 0.2583333333, 0]),
}


@pytest.mark.parametrize("name", ONE_HOT)
@pytest.mark.parametrize("method", ["pairwise", "multiplicative", "mirror"])
def test_t18_one_hot_candidates(name, method):
    criterion, expected = ONE_HOT[name]
    got = found(criterion(), testing.one_hot(SCALES), 1e-9, method)
    loose = 1e-7 if method == "pairwise" else 1e-3
    np.testing.assert_allclose(got.weights, expected, atol=loose)
    assert 0 <= got.bound - got.value + 1e-12 <= 1e-6 if method == "pairwise" else 1e-2


def test_t18_values():
    got = found(A(), testing.one_hot(SCALES), 1e-10)
    np.testing.assert_allclose(got.value, -4.1344444444, rtol=1e-9)
    got = found(E(), testing.one_hot(SCALES), 1e-6)
    np.testing.assert_allclose(got.value, 0.7137192704, rtol=1e-3)
    assert 0.7137192704 - 1e-9 < got.bound < 0.7137192704 * (1 + 1e-3)
    np.testing.assert_allclose(got.weights, [0.7137192704, 0.1784298176, 0.0793021412, 0.0285487708], atol=2e-3)


def test_t18_sensitivities_at_the_bayesian_optimum():
    for criterion, expected, slope in (
        (D(PRIOR), ONE_HOT["Bayesian D"][1], 1.7821782178),
        (A(PRIOR), ONE_HOT["Bayesian A"][1], 1.4116263111),
    ):
        data = testing.one_hot(SCALES)
        slopes = criterion.sensitivity(data, criterion.init(data, jnp.asarray(expected), jnp.ones(4)))
        np.testing.assert_allclose(slopes[jnp.asarray([0, 2])], slope, rtol=1e-9)
        assert (slopes[jnp.asarray([1, 3])] < slope).all()


@pytest.mark.parametrize(("k", "trace"), [(3, 6.75), (7, 21.4375)])
@pytest.mark.parametrize("name", ["D", "A"])
def test_t19_spring_balance(k, trace, name):
    x = np.array([row for row in itertools.product([0.0, 1.0], repeat=k) if any(row)])
    got = found(D() if name == "D" else A(), factors(x), 1e-9)
    assert got.bound - got.value < 1e-6
    det = (k + 1) ** (k + 1) / (4.0**k * k**k)
    np.testing.assert_allclose(got.value, np.log(det) if name == "D" else -trace, rtol=1e-8)
    np.testing.assert_allclose(jnp.sum(got.weights[x.sum(axis=1) == (k + 1) / 2]), 1, atol=1e-4)
    if k == 7:
        np.testing.assert_allclose(det, 0.001243408055, rtol=1e-9)


T21 = {
    0: (6.583799, -1.957487, 4.626312, 1.958421, 2.666958),
    5: (6.691229, -2.026853, 4.664375, 2.027857, 2.635514),
    10: (6.864795, -2.236425, 4.628369, 2.238198, 2.388400),
}


def test_t21_rooney_biegler_as_criteria():
    a, k, s = 15.0, 0.5, 0.1

    def jacobian(t):
        return np.c_[1 - np.exp(-k * t), a * t * np.exp(-k * t)] / s

    times = np.arange(11.0)
    data = factors(jacobian(times))
    prior = information(factors(jacobian(np.array([1.0, 2, 3, 4, 5, 7]))), np.ones(6))
    forms = {
        "det": criteria.d_optimal(prior_precision=prior),
        "trace of inverse": A(prior),
        "trace": criteria.from_matrix(jnp.trace, prior_precision=prior),
        "smallest": criteria.from_matrix(smallest, prior_precision=prior),
        "condition": criteria.from_matrix(lambda m: jnp.linalg.cond(m), prior_precision=prior),
    }
    for t, expected in T21.items():
        one = jnp.zeros(11).at[t].set(1.0)
        value = {name: float(c.value(c.init(data, one, jnp.ones(11)))) for name, c in forms.items()}
        got = [value["det"] / np.log(10), *np.log10([abs(value[name]) for name in list(forms)[1:]])]
        np.testing.assert_allclose(got, expected, atol=1e-6)
    for name in ("det", "trace of inverse"):
        c = forms[name]
        assert int(jnp.argmax(c.gain(data, c.init(data, jnp.zeros(11), jnp.ones(11))))) == 10
    scaled = jacobian(np.array([5.0])) * [a, k]
    np.testing.assert_allclose(scaled.T @ scaled, [[18957.7789, 4238.2717], [4238.2717, 947.5238]], rtol=1e-7)
    np.testing.assert_allclose(factors([[2, 3, 6, 1]]).information(jnp.ones(1)), np.outer([2, 3, 6, 1], [2, 3, 6, 1]))


def test_t22_expected_information_gain_of_a_linear_gaussian_model():
    data = factors([[1, 0], [0, 1], [0, 1]])
    eig = criteria.eig(prior_precision=[1.0, 1 / 1.5**2])
    after, before = (eig.value(eig.init(data, jnp.full(3, w), jnp.ones(3))) for w in (1.0, 0.0))
    np.testing.assert_allclose(after - before, 1.1989476364, rtol=1e-10)
