"""The certificate of criteria with kinks: how good it gets, and that it holds wherever the search is stopped."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from alfi import criteria, design, testing
from alfi.fisher import DenseFactors

pytestmark = pytest.mark.slow  # some seconds of compilation each

CRITERIA = {"e_optimal": criteria.e_optimal(prior_precision=0.1), "g_optimal": criteria.g_optimal(prior_precision=0.1)}
PROBLEMS = {"a batch": (10.0, 1.0), "classical": (1.0, float("inf")), "repeated twice": (12.0, 2.0)}
cases = pytest.mark.parametrize("name", CRITERIA)


@functools.partial(jax.jit, static_argnames=("iterations", "tolerance"))
def solve(criterion, data, budget, cap, iterations=500, tolerance=None):
    return design.solve(criterion, data, budget=budget, cap=cap, iterations=iterations, tolerance=tolerance)


@cases
def test_the_gap_is_below_a_thousandth(name):
    for budget, cap in PROBLEMS.values():
        for seed in range(3):
            data = testing.dense(jax.random.key(seed), 60, 2, 6)
            found = solve(CRITERIA[name], data, budget, cap)
            assert 0 <= found.bound - found.value <= 6e-4 * abs(found.value)
            assert ((found.weights >= 0) & (found.weights <= cap * (1 + 1e-12))).all()
            np.testing.assert_allclose(jnp.sum(found.weights), budget, rtol=1e-9)


@cases
def test_the_bound_holds_wherever_the_search_is_stopped(name):
    """After 10, 50 and 200 steps for each width: never below what a long search has found, and better with more."""
    data = testing.dense(jax.random.key(0), 60, 2, 6)
    best = solve(CRITERIA[name], data, 10.0, 1.0, 1000, 1e-5)
    early = [solve(CRITERIA[name], data, 10.0, 1.0, count) for count in (1, 5, 20)]
    bounds, values = np.array([(found.bound, found.value) for found in early]).T
    assert (bounds >= best.value).all()
    assert (values <= best.bound).all()
    assert bounds[-1] - values[-1] < bounds[0] - values[0]
    assert best.bound - best.value <= 2.5e-4 * abs(best.value)


@cases
def test_labelled_examples_count(name):
    """The value is that of the labelled set and the design; a design of nearly nothing is worth what is labelled."""
    data, criterion = testing.dense(jax.random.key(1), 30, 2, 4), CRITERIA[name]
    weights = (jnp.arange(30) < 8) * 1.0
    found = jax.jit(lambda budget: design.solve(criterion, data, weights=weights, budget=budget))
    value = jax.jit(lambda w: criterion.value(criterion.init(data, w, jnp.ones(30))))
    np.testing.assert_allclose(found(1e-9).value, value(weights), rtol=1e-6)
    some = found(5.0)
    np.testing.assert_allclose(some.value, value(weights + some.weights), rtol=1e-9)
    assert (some.weights[:8] == 0).all()
    assert 0 <= some.bound - some.value <= 6e-4 * abs(some.value)


MEMBERS = {
    "worst D": (criteria.d_optimal(prior_precision=0.1), jnp.min, 4 * 6e-4),
    "worst A": (criteria.a_optimal(prior_precision=0.1), jnp.min, None),
    "worst E": (criteria.e_optimal(prior_precision=0.1), jnp.min, None),
    "mean D": (criteria.d_optimal(prior_precision=0.1), jnp.mean, 4 * 1e-6),
    "mean E": (criteria.e_optimal(prior_precision=0.1), jnp.mean, None),
}


@pytest.mark.parametrize(("inner", "reduce", "gap"), MEMBERS.values(), ids=MEMBERS)
def test_a_design_for_several_problems_is_certified_unasked(inner, reduce, gap):
    """Against all batches; the gap in units of p for D, else of the value."""
    n, k = 12, 3
    criterion = criteria.over(inner, reduce)
    data = DenseFactors(testing.normal(jax.random.key(5), (n, 3, 2, 4)))
    found = solve(criterion, data, float(k), 1.0)
    batches = np.eye(n)[np.array(list(itertools.combinations(range(n), k)))].sum(axis=1)
    values = jax.jit(jax.vmap(lambda w: criterion.value(criterion.init(data, w, jnp.ones(n)))))(jnp.asarray(batches))
    assert values.max() - 1e-9 <= found.bound
    assert 0 <= found.bound - found.value <= (gap or 6e-4 * abs(found.value))
    np.testing.assert_allclose(
        found.value, criterion.value(criterion.init(data, found.weights, jnp.ones(n))), rtol=1e-9
    )


def test_in_float32_too():
    data = testing.dense(jax.random.key(2), 40, 1, 5, np.float32)
    with jax.enable_x64(False):
        found = solve(CRITERIA["e_optimal"], jax.tree.map(np.asarray, data), 8.0, 1.0)
        assert found.bound.dtype == np.float32
        assert found.bound - found.value <= 1e-3 * found.value
    exact = solve(CRITERIA["e_optimal"], data, 8.0, 1.0)
    np.testing.assert_allclose(found.bound, exact.bound, rtol=1e-3)
