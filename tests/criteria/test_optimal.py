"""A-, L-, c-, Ds-, E-, G- and Phi_p-optimality, EIG and the trace on problems with a known answer (theory.md, 3.3)."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import alfi
from alfi import criteria, fisher, selection, testing

pytestmark = pytest.mark.slow  # minutes of compilation together: make test-slow

SCALES = np.array([1.0, 2.0, 3.0, 5.0])


def factors(rows):
    return fisher.DenseFactors(jnp.asarray(rows, float)[:, None])


@jax.jit
def ask(criterion, data, weights):
    state = criterion.init(data, weights, jnp.ones_like(weights))
    return criterion.value(state), criterion.gain(data, state), criterion.sensitivity(data, state)


QUADRATIC = factors(np.stack([np.linspace(-1, 1, 21) ** power for power in range(3)], axis=1))
MOMENTS = np.array([[1, 0, 1 / 3], [0, 1 / 3, 0], [1 / 3, 0, 1 / 5]])  # of the uniform density on [-1, 1]
LAST = [0.0, 0.0, 1.0]

# name: (criterion without prior, weights of the optimal design at -1, 0, 1, its value, bound of the sensitivity)
T2 = {
    "d": (criteria.d_optimal, (1 / 3, 1 / 3, 1 / 3), np.log(4 / 27), 3),
    "eig": (criteria.eig, (1 / 3, 1 / 3, 1 / 3), np.log(4 / 27) / 2, 3 / 2),
    "g": (criteria.g_optimal, (1 / 3, 1 / 3, 1 / 3), -3, None),
    "a": (criteria.a_optimal, (1 / 4, 1 / 2, 1 / 4), -8, 8),
    "phi_1": (functools.partial(criteria.phi_p, 1), (1 / 4, 1 / 2, 1 / 4), -8 / 3, 8 / 3),
    "e": (criteria.e_optimal, (1 / 5, 3 / 5, 1 / 5), 1 / 5, 1 / 5),
    "i": (functools.partial(criteria.l_optimal, MOMENTS), (1 / 4, 1 / 2, 1 / 4), -32 / 15, 32 / 15),
    "c": (functools.partial(criteria.c_optimal, LAST), (1 / 4, 1 / 2, 1 / 4), -4, 4),
    "ds by index": (functools.partial(criteria.ds_optimal, [2]), (1 / 4, 1 / 2, 1 / 4), -np.log(4), 1),
    "ds by mask": (functools.partial(criteria.ds_optimal, np.array(LAST) > 0), (1 / 4, 1 / 2, 1 / 4), -np.log(4), 1),
}


@pytest.mark.parametrize("name", T2)
def test_quadratic_regression(name):
    """T2: the value of the optimal design, and the equivalence theorem: nowhere is the sensitivity above its bound."""
    make, design, value, bound = T2[name]
    weights = jnp.zeros(21).at[jnp.array([0, 10, 20])].set(jnp.array(design))
    found, _, slope = ask(make(prior_precision=0.0), QUADRATIC, weights)
    np.testing.assert_allclose(found, value, rtol=1e-12)
    if bound is not None:
        np.testing.assert_allclose(slope[jnp.array([0, 10, 20])], bound, rtol=1e-9)
        assert np.max(slope) <= bound * (1 + 1e-9)


def test_the_optimal_e_design_of_t2_is_certified_by_its_chebyshev_direction():
    """T2: the smallest eigenvalue is simple, its eigenvector (-1, 0, 2) / sqrt 5."""
    weights = jnp.zeros(21).at[jnp.array([0, 10, 20])].set(jnp.array([0.2, 0.6, 0.2]))
    *_, slope = ask(criteria.e_optimal(prior_precision=0.0), QUADRATIC, weights)
    x = np.linspace(-1, 1, 21)
    np.testing.assert_allclose(slope, (2 * x**2 - 1) ** 2 / 5, atol=1e-12)


def test_one_hot_candidates_have_closed_forms(close):
    """T18: with ``f_i = a_i e_i`` and a diagonal prior r, every direction is on its own."""
    r, weights = np.array([0.1, 4.0, 0.2, 30.0]), np.array([0.5, 0.0, 2.0, 1.0])
    m, c = r + weights * SCALES**2, np.array([1.0, -2.0, 0.5, 3.0])
    after = m + SCALES**2
    expected = {  # value, gains, sensitivities
        criteria.a_optimal: (-np.sum(1 / m), 1 / m - 1 / after, SCALES**2 / m**2),
        functools.partial(criteria.c_optimal, c): (
            -np.sum(c**2 / m),
            c**2 * (1 / m - 1 / after),
            (c * SCALES / m) ** 2,
        ),
        functools.partial(criteria.ds_optimal, [0, 3]): (
            np.log(m[0]) + np.log(m[3]),
            [np.log(after[0] / m[0]), 0, 0, np.log(after[3] / m[3])],
            [1 / m[0], 0, 0, 25 / m[3]],
        ),
        criteria.eig: (np.sum(np.log(m)) / 2, np.log(after / m) / 2, SCALES**2 / m / 2),
        criteria.trace: (np.sum(m), SCALES**2, SCALES**2),
        criteria.e_optimal: (0.6, [min(1.6, 4) - 0.6, 0, 0, 0], [1, 0, 0, 0]),
    }
    for make, answers in expected.items():
        said = ask(make(prior_precision=r), testing.one_hot(SCALES), jnp.asarray(weights))
        for mine, answer in zip(said, answers, strict=True):
            close(mine, np.asarray(answer))


@pytest.mark.parametrize(
    ("make", "design", "value"),
    [
        (criteria.a_optimal, (0.4918032787, 0.2459016393, 0.1639344262, 0.0983606557), -4.1344444444),
        (criteria.e_optimal, (0.7137192704, 0.1784298176, 0.0793021412, 0.0285487708), 0.7137192704),
        (functools.partial(criteria.phi_p, 2), (0.5730884329, 0.2274302953, 0.1324524421, 0.0670288297), None),
    ],
    ids=["a", "e", "phi_2"],
)
def test_one_hot_designs(make, design, value):
    """T18: the optimal continuous designs; where the criterion is smooth the sensitivity is the same everywhere."""
    found, _, slope = ask(make(prior_precision=0.0), testing.one_hot(SCALES), jnp.asarray(design))
    if value is not None:
        np.testing.assert_allclose(found, value, rtol=1e-9)
    if make is not criteria.e_optimal:
        np.testing.assert_allclose(slope, slope[0], rtol=1e-8)


def test_phi_p_lies_between_d_a_and_e(close):
    """A small exponent gives the geometric mean of the variances, 1 the mean, a large one the largest."""
    data = testing.dense(jax.random.key(0), 12, 2, 4)
    weights = jnp.ones(12)
    m = testing.information(testing.write_out(data), np.ones(12), 1.0)
    variances = 1 / np.linalg.eigvalsh(m)
    for exponent, mean in ((1e-7, np.exp(np.log(variances).mean())), (1.0, variances.mean()), (2e4, variances.max())):
        value, gain, slope = ask(criteria.phi_p(exponent), data, weights)
        np.testing.assert_allclose(value, -mean, rtol=1e-3)
        assert np.all(gain >= 0)
        assert np.all(np.isfinite(slope))


def test_phi_p_tells_apart_what_e_optimality_cannot():
    """With a prior that is a number every direction is the worst: no single point raises the smallest eigenvalue."""
    data = testing.dense(jax.random.key(0), 9, 1, 4)
    _, gain, _ = ask(criteria.e_optimal(), data, jnp.zeros(9))
    np.testing.assert_array_equal(gain, 0)
    with pytest.raises(ValueError, match="use phi_p"):
        alfi.select(criteria.e_optimal(), data, 2)
    _, gain, slope = ask(criteria.phi_p(2.0), data, jnp.zeros(9))
    assert np.min(np.diff(np.sort(gain))) > 1e-6
    assert np.min(gain) > 1e-4
    assert np.all(np.isfinite(slope))


def test_expected_information_gain_in_nats():
    """T22: a linear model with normal noise, prior deviations (1, 1.5), observed at e1, e2 and e2."""
    data = factors([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    criterion = criteria.eig(prior_precision=[1.0, 1 / 1.5**2])
    gained = ask(criterion, data, jnp.ones(3))[0] - ask(criterion, data, jnp.zeros(3))[0]
    np.testing.assert_allclose(gained, 1.1989476364, rtol=1e-10)


FLOAT32 = {
    "a_optimal": (criteria.a_optimal, np.eye(12)),
    "c_optimal": (functools.partial(criteria.c_optimal, np.cos(np.arange(12))), np.outer(*[np.cos(np.arange(12))] * 2)),
    "ds_optimal": (functools.partial(criteria.ds_optimal, np.arange(5)), None),
}


@pytest.mark.parametrize("name", FLOAT32)
def test_greedy_in_float32_picks_what_float64_brute_force_picks(name):
    make, target = FLOAT32[name]
    data = testing.last_layer(jax.random.key(4), 80, 2, 3, 4)
    value = (
        (lambda m: -np.linalg.slogdet(np.linalg.inv(m)[..., :5, :5])[1])
        if target is None
        else testing.minus_variance(target)
    )
    labelled = np.arange(80) < 5
    array = testing.write_out(data)
    picks, gains = testing.greedy(value, testing.information(array, labelled, 1.0), array, ~labelled, 15)
    single = jax.tree.map(lambda x: x.astype(np.float32), data)
    batch = jax.jit(selection.greedy(), static_argnums=5)(
        jax.random.key(0),
        make(),
        single,
        jnp.asarray(labelled, np.float32),
        jnp.asarray(~labelled),
        15,
        population=jnp.ones(80, np.float32),
    )
    assert batch.gains.dtype == np.float32
    assert batch.indices.tolist() == picks
    np.testing.assert_allclose(batch.gains, gains, rtol=1e-3)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: criteria.a_optimal(prior_precision=-1.0), "finite and not negative"),
        (lambda: criteria.d_optimal(prior_precision=[1.0, np.nan]), "finite and not negative"),
        (lambda: criteria.v_optimal(prior_precision=[[1.0, 0.5], [0.0, 1.0]]), "symmetric"),
        (lambda: criteria.trace(prior_precision=np.ones((2, 3))), "a number, a diagonal"),
        (lambda: criteria.l_optimal(), "exactly one"),
        (lambda: criteria.l_optimal(np.eye(2), root=np.eye(2)), "exactly one"),
        (lambda: criteria.l_optimal(np.ones((3, 2))), "square"),
        (lambda: criteria.l_optimal(root=np.ones(3)), "two axes"),
        (lambda: criteria.c_optimal(np.eye(3)), "vector"),
        (lambda: criteria.ds_optimal([]), "at least one"),
        (lambda: criteria.ds_optimal([0.5]), "indices"),
        (lambda: criteria.ds_optimal([1, 1]), "differ"),
        (lambda: criteria.ds_optimal([-1]), "not negative"),
        (lambda: criteria.phi_p(0.0), "positive"),
        (lambda: criteria.phi_p(np.inf), "positive"),
    ],
)
def test_impossible_criteria_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("criterion", "message"),
    [
        (criteria.d_optimal(prior_precision=[1.0, 2.0]), "have 3 parameters"),
        (criteria.l_optimal(np.eye(2)), "have 3 parameters"),
        (criteria.c_optimal([1.0, 2.0]), "have 3 parameters"),
        (criteria.ds_optimal([True, False]), "have 3 parameters"),
    ],
)
def test_criteria_that_do_not_fit_the_factors_are_refused(criterion, message):
    with pytest.raises(ValueError, match=message):
        criterion.init(QUADRATIC, jnp.zeros(21), jnp.ones(21))


def test_an_index_beyond_the_parameters_is_reported():
    *_, slope = ask(criteria.ds_optimal([3]), QUADRATIC, jnp.zeros(21))
    assert np.isnan(slope).all()
