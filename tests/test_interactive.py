"""The front door: the plain functions compiled, and every message for what cannot be right."""

# ruff: noqa: E501 (a table reads best with one case in a line)

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.tree_util import Partial

import alfi
from alfi import criteria, fisher, selection, testing

N = 8
D = criteria.d_optimal(prior_precision=0.5)


def factors():
    return testing.dense(jax.random.key(0), N, 2, 3)


def spoilt():
    return fisher.DenseFactors(factors().array.at[jnp.array([2, 5]), 0, 1].set(jnp.nan))


SINGULAR = (
    "the criterion needs the inverse of the information, and has no prior to make it regular: that of the rows with "
    "weight has rank {} of 3. Give a positive prior_precision, or more such rows."
)
ALIKE = (
    "the gain of every available example is 0{}: the criterion does not tell them apart. With E-optimality no single "
    "example raises a smallest eigenvalue of higher multiplicity than its rank: use phi_p, or fisher.sketch the factors "
    "to no more parameters than the rank of the labelled information."
)
# call, message
MISTAKES = [
    (lambda: alfi.score(D, spoilt()), "2 of 8 examples hold NaN or infinity, the first is number 2."),
    (lambda: alfi.select(D, spoilt(), 1), "2 of 8 examples hold NaN or infinity, the first is number 2."),
    (lambda: alfi.spectrum(spoilt()), "2 of 8 examples hold NaN or infinity, the first is number 2."),
    (lambda: alfi.score(criteria.score(), jnp.array([1.0, jnp.inf])), "1 of 2 examples hold NaN or infinity, the first is number 1."),
    (lambda: alfi.score(criteria.score(), jnp.array([1, 2])), "data hold no array of real numbers."),
    (lambda: alfi.score(D, factors(), weights=jnp.ones(3)), "weights must have length 8, one entry for each example; got shape (3,)."),
    (lambda: alfi.spectrum(factors(), jnp.ones((8, 1))), "weights must have length 8, one entry for each example; got shape (8, 1)."),
    (lambda: alfi.score(D, factors(), weights=jnp.full(N, jnp.nan)), "weights hold NaN or infinity."),
    (lambda: alfi.score(D, factors(), population=jnp.ones(9)), "population must have length 8, one entry for each example; got shape (9,)."),
    (lambda: alfi.score(D, factors(), population=jnp.full(N, jnp.inf)), "population hold NaN or infinity."),
    (lambda: alfi.score(D, factors(), population=jnp.zeros(N)), "population must have a positive sum."),
    (lambda: alfi.select(D, factors(), 0), "batch_size must be a positive integer; got 0."),
    (lambda: alfi.select(D, factors(), True), "batch_size must be a positive integer; got True."),
    (lambda: alfi.select(D, factors(), 9), "batch_size is 9, but only 8 of the 8 examples are available."),
    (lambda: alfi.select(D, factors(), 2, available=jnp.arange(N) == 3), "batch_size is 2, but only 1 of the 8 examples are available."),
    (lambda: alfi.select(D, factors(), 6, weights=jnp.arange(N) < 3), "batch_size is 6, but only 5 of the 8 examples are available."),
    (lambda: alfi.select(D, factors(), 6, population=jnp.arange(N) < 3), "batch_size is 6, but only 3 of the 8 examples are available."),
    (lambda: alfi.select(D, factors(), 1, available=jnp.ones(3)), "available must be a mask of length 8; got shape (3,)."),
    (lambda: alfi.select(D, factors(), 1, groups=jnp.ones(3)), "groups must have length 8; got shape (3,)."),
    (lambda: alfi.select(D, factors(), 1, costs=jnp.ones((8, 2))), "costs must have length 8; got shape (8, 2)."),
    (lambda: alfi.select(D, factors(), 1, costs=jnp.arange(N)), "costs must be positive."),
    (lambda: alfi.select(D, factors(), 3, groups=np.arange(N) % 2), "batch_size is 3, but the available examples form only 2 groups."),
    (
        lambda: criteria.d_optimal(prior_precision=-1000.0),
        "prior_precision must be finite and not negative; got -1000.0. Positive is safe.",
    ),
    (
        lambda: alfi.select(criteria.d_optimal(prior_precision=0.0), factors(), 2),
        SINGULAR.format(0),
    ),
    (
        lambda: alfi.score(criteria.v_optimal(prior_precision=0.0), factors(), weights=jnp.arange(N) == 3),
        SINGULAR.format(2),
    ),
    (
        lambda: alfi.select(criteria.phi_p(2.0, prior_precision=[1.0, 0.0, 1.0]), factors(), 1),
        SINGULAR.format(2),
    ),
    (
        lambda: alfi.select(criteria.d_optimal(prior_precision=1e-300), fisher.DenseFactors(factors().array * 1e200), 2),
        "2 of 2 picks failed: the criterion's gain was not a number for every example left. "
        "Is the prior precision positive and large enough for this precision of arithmetic?",
    ),
    (
        lambda: alfi.select(criteria.e_optimal(), factors(), 2),
        ALIKE.format(""),
    ),
    (
        lambda: alfi.select(criteria.e_optimal(), testing.one_hot([1.0, 2.0, 3.0, 4.0]), 2, weights=jnp.array([1.0, 1.0, 0.0, 0.0])),
        ALIKE.format(""),
    ),
    (
        lambda: alfi.select(criteria.e_optimal(prior_precision=[1.0, 1.0, 0.5]), testing.one_hot([1.0, 2.0, 3.0]), 3),
        ALIKE.format(" after 1 picks"),
    ),
    (lambda: alfi.pool(jnp.ones((4, 2)), y=jnp.ones(3)), "y must have one entry for each of the 4 rows of x; got shape (3,)."),
    (lambda: alfi.pool(jnp.ones((4, 2)), groups=jnp.ones(5)), "groups must have one entry for each of the 4 rows of x; got shape (5,)."),
    (lambda: alfi.pool(jnp.ones((4, 2)), costs=1.0), "costs must have one entry for each of the 4 rows of x; got shape ()."),
    (lambda: alfi.pool(jnp.ones((4, 2)), population=jnp.ones(1)), "population must have one entry for each of the 4 rows of x; got shape (1,)."),
    (lambda: alfi.pool(jnp.ones((4, 2)), labelled=jnp.ones(2, bool)), "labelled must have one entry for each of the 4 rows of x; got shape (2,)."),
    (lambda: alfi.pool(jnp.ones((4, 2)), labelled=[1, 4]), "labelled indices must be in 0 ... 3; got 1 ... 4."),
    (lambda: alfi.pool(jnp.ones((4, 2)), available=[-1, 2]), "available indices must be in 0 ... 3; got -1 ... 2."),
]  # fmt: skip


@pytest.mark.parametrize(("call", "message"), MISTAKES, ids=[message[:40] for _, message in MISTAKES])
def test_a_mistake_is_told_in_one_line(call, message):
    with pytest.raises(ValueError, match="^" + re.escape(message) + "$"):
        call()


WEIGHTS = np.r_[1.0, 0.0, 0.4, np.zeros(N - 3)]
POPULATION = np.r_[np.ones(N - 2), 0.0, 3.0]


@pytest.mark.parametrize("weight", [1.0, -0.5])
def test_score_is_the_gain(weight, close):
    data = factors()
    state = D.init(data, jnp.asarray(WEIGHTS), jnp.asarray(POPULATION))
    got = alfi.score(D, data, weights=WEIGHTS, population=POPULATION, weight=weight)
    close(got, D.gain(data, state, weight))


@pytest.mark.slow
@pytest.mark.parametrize(
    "rule", [selection.greedy(), selection.sample(), selection.forward_backward(), selection.top_k()]
)
def test_select_is_the_rule(rule):
    data, criterion, key = factors(), criteria.v_optimal(prior_precision=0.5), jax.random.key(3)
    options = {"groups": jnp.array([0, 1, 2, 3, 4, 4, 5, 6]), "costs": jnp.linspace(1.0, 2.0, N)}
    got = alfi.select(criterion, data, 2, rule=rule, key=key, weights=WEIGHTS, population=POPULATION, **options)
    available = jnp.asarray((WEIGHTS == 0) & (POPULATION > 0))
    expected = rule(
        key, criterion, data, jnp.asarray(WEIGHTS), available, 2, population=jnp.asarray(POPULATION), **options
    )
    np.testing.assert_array_equal(got.indices, expected.indices)
    np.testing.assert_allclose(got.gains, expected.gains, rtol=1e-10)


def test_select_is_greedy_by_default_and_takes_masks():
    mask = jnp.arange(N) < 3
    got = alfi.select(D, factors(), 2, weights=mask, available=~mask)
    expected = alfi.select(D, factors(), 2, weights=mask.astype(float), rule=selection.greedy())
    np.testing.assert_array_equal(got.indices, expected.indices)


def test_spectrum_is_that_of_the_information(close):
    close(alfi.spectrum(factors(), WEIGHTS), fisher.spectrum(factors(), jnp.asarray(WEIGHTS)))
    close(alfi.spectrum(factors()), fisher.spectrum(factors()))


def test_a_second_call_does_not_trace_again():
    """A user's phi sees the tracing: new values, new criteria, new data of the same shape run the program there is."""
    traces = []

    def phi(power, m):
        traces.append(1)
        return jnp.sum(jnp.linalg.eigvalsh(m) ** power)

    counts = []
    for step, precision in enumerate((0.1, 1.0, 7.0)):
        criterion = criteria.from_matrix(Partial(phi, jnp.asarray(0.5 + step)), prior_precision=precision)
        alfi.score(criterion, factors(), weight=precision)
        alfi.select(criterion, fisher.DenseFactors(factors().array + step), 2, key=jax.random.key(step))
        counts.append(len(traces))
    assert counts[0] > 0
    assert counts == counts[:1] * 3


@pytest.mark.parametrize("make", [criteria.d_optimal, criteria.v_optimal])
def test_a_new_prior_precision_is_not_a_new_program(make):
    from alfi import interactive

    calls = [interactive._score, interactive._select]
    sizes = []
    for precision in (0.3, 2, np.float32(5)):
        alfi.score(make(prior_precision=precision), factors())
        alfi.select(make(prior_precision=precision), factors(), 2)
        sizes.append([call._cache_size() for call in calls])
    assert sizes[0] == sizes[1] == sizes[2]


def test_pool_takes_natural_values():
    x = jnp.ones((5, 2))
    pool = alfi.pool(x, labelled=[1], population=jnp.array([1.0, 1.0, 0.0, 2.0, 1.0]))
    assert pool.labelled.tolist() == [False, True, False, False, False]
    assert pool.available.tolist() == [True, False, False, True, True]  # padding may not be asked
    assert pool.y.shape == (5,)
    assert alfi.pool(x).population.tolist() == [1.0] * 5
    assert alfi.pool(x, available=[0, 4]).available.tolist() == [True, False, False, False, True]
    assert alfi.pool(x, labelled=jnp.zeros(5, bool)).labelled.sum() == 0


def test_a_classical_design_needs_no_prior():
    """Rows with weight of full rank; and a criterion that inverts nothing needs not even that."""
    data, none = factors(), criteria.e_optimal(prior_precision=0.0)
    assert np.isfinite(alfi.score(criteria.d_optimal(prior_precision=0.0), data, weights=jnp.ones(N))).all()
    assert np.isfinite(alfi.score(none, data, weights=jnp.arange(N) == 0)).all()
    assert np.isfinite(alfi.score(criteria.min_distance(), data, weights=jnp.arange(N) == 0)).all()


def test_a_singular_information_is_found_behind_rounding():
    """In float32 the Cholesky factor of a matrix of rank 4 of 6 may well exist."""
    rows = testing.normal(jax.random.key(1), (30, 1, 4), np.float32)
    data = fisher.DenseFactors(rows @ testing.normal(jax.random.key(2), (4, 6), np.float32))
    with pytest.raises(ValueError, match="has rank 4 of 6"):
        alfi.select(criteria.d_optimal(prior_precision=0.0), data, 2, weights=jnp.arange(30) < 20)
