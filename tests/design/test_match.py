"""The cheapest design that meets a target: closed forms, linear programs, and what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize

from alfi import design, testing
from alfi.fisher import DenseFactors

pytestmark = pytest.mark.slow  # some seconds of compilation each

GAP = 6e-4  # relative, between total and bound
match = jax.jit(design.match)


def positive(p, seed):
    half = np.random.default_rng(seed).normal(size=(p, p))
    return half @ half.T + 0.1 * np.eye(p)


def relative(data, weights, target):
    """Smallest eigenvalue of the information in units of the target."""
    root = np.linalg.inv(np.linalg.cholesky(target))
    return np.linalg.eigvalsh(root @ testing.information(testing.write_out(data), weights) @ root.T)[0]


def check(found, best, data, target):
    assert found.bound - 1e-9 * best <= best <= found.total + 1e-9 * best
    assert found.total <= found.bound * (1 + GAP)
    assert (found.weights >= 0).all()
    np.testing.assert_allclose(np.sum(found.weights), found.total, rtol=1e-9)
    np.testing.assert_allclose(relative(data, found.weights, target), 1, rtol=1e-9)


@pytest.mark.parametrize("rotated", [False, True])
def test_orthogonal_unit_factors_get_the_eigenvalues_of_the_target(rotated):
    eigenvalues = np.array([7.0, 3.0, 3.0, 1.5])
    axes = np.linalg.qr(np.random.default_rng(0).normal(size=(4, 4)))[0] if rotated else np.eye(4)
    data, target = DenseFactors(jnp.asarray(axes.T[:, None])), (axes * eigenvalues) @ axes.T
    found = match(data, target)
    check(found, eigenvalues.sum(), data, target)
    np.testing.assert_allclose(found.weights, eigenvalues, rtol=2e-3, atol=2 * GAP * eigenvalues.sum())


def test_a_line_is_observed_at_its_ends():
    x = np.linspace(-1, 1, 9)
    data = DenseFactors(jnp.asarray(np.c_[np.ones(9), x][:, None]))
    found = match(data, 4 * np.eye(2))
    check(found, 4.0, data, 4 * np.eye(2))
    np.testing.assert_allclose(found.weights, [2, *7 * [0], 2], atol=2e-2)


@pytest.mark.parametrize("seed", range(5))
def test_diagonal_information_makes_it_a_linear_program(seed):
    generator = np.random.default_rng(seed)
    scales, target = generator.uniform(0.1, 2, size=(12, 4)), generator.uniform(0.5, 5, size=4)
    data = DenseFactors(jnp.asarray(scales[:, :, None] * np.eye(4)))
    best = scipy.optimize.linprog(np.ones(12), A_ub=-(scales.T**2), b_ub=-target).fun
    check(match(data, np.diag(target)), best, data, np.diag(target))


def test_it_is_invariant_to_the_parameters_and_no_design_that_meets_the_target_is_cheaper():
    """Another basis of the parameters changes nothing; none of many designs scaled to the target is below the bound."""
    data, target = testing.dense(jax.random.key(0), 15, 2, 4), positive(4, 0)
    found = match(data, target)
    check(found, float(found.total), data, target)
    basis = np.random.default_rng(1).normal(size=(4, 4))
    other = match(DenseFactors(data.array @ basis), basis.T @ target @ basis)
    np.testing.assert_allclose(other.total, found.total, rtol=GAP)
    root = np.linalg.inv(np.linalg.cholesky(target))
    designs = np.random.default_rng(2).dirichlet(np.full(15, 0.3), size=5000)
    designs[1:] = 0.9 * np.asarray(found.weights / found.total) + 0.1 * designs[1:]  # most of them near the optimum
    each = root @ testing.fisher(testing.write_out(data)) @ root.T
    totals = 1 / np.linalg.eigvalsh(np.einsum("sn,npq->spq", designs, each))[:, 0]
    assert found.bound <= totals.min() * (1 + 1e-9)
    assert totals.min() > found.total * (1 - GAP)


def test_of_a_last_layer_it_is_that_of_its_rows():
    data = testing.last_layer(jax.random.key(1), 12, 2, 2, 2)
    dense, target = DenseFactors(jnp.asarray(testing.write_out(data))), positive(4, 1)
    found = match(data, target)
    check(found, float(found.total), dense, target)
    np.testing.assert_allclose(found.total, match(dense, target).total, rtol=1e-6)


def test_a_quantity_of_interest_is_known_as_well_as_was_asked_for():
    """A singular target, made regular: two predictions with the variances that were asked for, and hardly more cost."""
    data = testing.dense(jax.random.key(2), 20, 1, 4)
    jacobian, variance = np.random.default_rng(3).normal(size=(2, 4)), np.array([0.04, 0.01])
    target = (jacobian.T / variance) @ jacobian
    found, coarse = (match(data, target + e * np.eye(4)) for e in (1e-4, 1e-2))
    covariance = np.linalg.inv(testing.information(testing.write_out(data), found.weights))
    known = jacobian @ covariance @ jacobian.T
    assert np.linalg.eigvalsh(np.diag(variance) - known)[0] >= -1e-9
    np.testing.assert_allclose(found.total, coarse.total, rtol=2e-2)


def test_only_available_rows_are_used():
    data, available = testing.one_hot([1.0, 2.0, 4.0]), jnp.array([True, True, False])
    both = DenseFactors(jnp.concatenate([data.array, 3 * data.array]))
    mask = jnp.concatenate([jnp.ones(3, bool), available & False])
    found = match(both, np.eye(3), available=mask)
    check(found, 1 + 1 / 4 + 1 / 16, both, np.eye(3))
    assert (found.weights[3:] == 0).all()


def test_what_cannot_be_met_is_refused_or_not_a_number():
    blind = DenseFactors(jnp.ones((5, 1, 2)))
    with pytest.raises(ValueError, match="no design meets the target"):
        design.match(blind, jnp.eye(2))
    assert all(np.isnan(x).all() for x in match(blind, jnp.eye(2)))


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (np.eye(3), "must be \\[p, p\\]; got shape \\(3, 3\\)"),
        (np.diag([1.0, 0.0]), "positive definite; its eigenvalues reach from 0 to 1"),
        (np.diag([1.0, -1.0]), "positive definite"),
        (np.array([[1.0, 0.5], [0.0, 1.0]]), "symmetric"),
        (np.diag([1.0, np.nan]), "finite"),
    ],
)
def test_a_target_is_an_information(target, message):
    with pytest.raises(ValueError, match=message):
        design.match(testing.one_hot([1.0, 2.0]), target)
