"""What a criterion says it is: concave along random segments, submodular on random sets, and of its degree."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from alfi import criteria, design, testing

N, P = 12, 4
PRIOR = 0.3
C = np.arange(1.0, P + 1)
# name: prior precision -> criterion
CRITERIA = {
    "a_optimal": lambda prior: criteria.a_optimal(prior_precision=prior),
    "c_optimal": lambda prior: criteria.c_optimal(C, prior_precision=prior),
    "d_optimal": lambda prior: criteria.d_optimal(prior_precision=prior),
    "ds_optimal": lambda prior: criteria.ds_optimal([0, 2], prior_precision=prior),
    "e_optimal": lambda prior: criteria.e_optimal(prior_precision=prior),
    "eig": lambda prior: criteria.eig(prior_precision=prior),
    "g_optimal": lambda prior: criteria.g_optimal(prior_precision=prior),
    "l_optimal": lambda prior: criteria.l_optimal(np.outer(C, C), prior_precision=prior),
    "phi_p": lambda prior: criteria.phi_p(3.0, prior_precision=prior),
    "soft_minimum": lambda prior: criteria.soft_minimum(0.3, prior_precision=prior),
    "trace": lambda prior: criteria.trace(prior_precision=prior),
    "v_optimal": lambda prior: criteria.v_optimal(prior_precision=prior),
}
every = pytest.mark.parametrize("name", CRITERIA)


def values(criterion, designs):
    data = testing.dense(jax.random.key(0), N, 2, P)
    return np.asarray(
        jax.jit(jax.vmap(lambda w: criterion.value(criterion.init(data, w, jnp.ones(N)))))(jnp.asarray(designs))
    )


@every
def test_concave(name):
    criterion = CRITERIA[name](PRIOR)
    assert criterion.known.concave
    ends = np.random.default_rng(0).exponential(size=(2, 40, N)) ** 3
    a, b, middle = values(criterion, np.concatenate([*ends, ends.mean(axis=0)])).reshape(3, 40)
    assert (middle >= (a + b) / 2 - 1e-9 * np.abs(middle)).all()


@every
def test_submodular(name):
    """Gains never grow as the set grows, and are never negative."""
    criterion = CRITERIA[name](PRIOR)
    if not criterion.known.submodular:
        pytest.skip("does not say so")
    rng, n = np.random.default_rng(1), 60
    small = (rng.uniform(size=(n, N)) < 0.3) * 1.0
    large = np.maximum(small, rng.uniform(size=(n, N)) < 0.4)
    extra = np.eye(N)[[rng.choice(np.flatnonzero(row == 0)) if (row == 0).any() else 0 for row in large]]
    a, b, c, d = values(criterion, np.concatenate([small, small + extra, large, large + extra])).reshape(4, n)
    assert ((b - a) >= (d - c) - 1e-9).all()
    assert ((d - c) >= -1e-9).all()


@pytest.mark.slow
@every
def test_degree_and_logdet(name):
    criterion = CRITERIA[name](0.0)
    w = np.random.default_rng(2).exponential(size=(10, N))
    once, twice, thrice = (values(criterion, t * w) for t in (1.0, 2.0, 4.0))
    if criterion.known.degree is None:
        assert not np.allclose(twice, once * 2)
    elif criterion.known.degree == 0:
        np.testing.assert_allclose(twice - once, thrice - twice, rtol=1e-8)
        np.testing.assert_allclose(np.ptp(twice - once), 0, atol=1e-8)
    else:
        np.testing.assert_allclose(twice, once * 2.0**criterion.known.degree, rtol=1e-8)
    if criterion.known.logdet:
        np.testing.assert_allclose(twice - once, criterion.known.logdet * P * np.log(2), rtol=1e-8)


def test_an_indefinite_target_is_not_said_to_be_concave():
    assert not criteria.l_optimal(np.diag([1.0, -1.0])).known.concave


def test_e_optimality_carries_its_dual():
    found = design.solve(
        criteria.e_optimal(prior_precision=0.0), testing.one_hot([1.0, 2.0, 3.0, 5.0]), budget=1.0, cap=float("inf")
    )
    np.testing.assert_allclose(found.value, 0.7137192704, rtol=1e-3)
    assert 0.7137192704 - 1e-9 < found.bound < 0.7137192704 * (1 + 1.6e-3)


def test_g_optimality_carries_its_dual():
    """With a prior, nothing repeated: a bound above every batch, and a design better than that of equal weights."""
    n, k, criterion = 10, 3, criteria.g_optimal(prior_precision=0.1)
    data = testing.dense(jax.random.key(4), n, 1, 3)
    batches = np.array(list(itertools.combinations(range(n), k)))
    value = jax.jit(jax.vmap(lambda w: criterion.value(criterion.init(data, w, jnp.ones(n)))))
    found = jax.jit(lambda: design.solve(criterion, data, budget=float(k), iterations=100))()
    best = value(jnp.asarray(np.eye(n)[batches].sum(axis=1))).max()
    equal = value(jnp.full((1, n), k / n))[0]
    assert best - 1e-9 <= found.bound <= found.value + 2e-3 * abs(found.value)
    assert found.value > equal + 1e-3
