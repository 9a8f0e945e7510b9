"""Factors that draw: labels (Monte Carlo) and directions (matrix-free sketch), against the exact ones."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import alfi
from alfi import fisher, likelihoods, testing

pytestmark = pytest.mark.slow  # minutes of compilation together: make test-slow

LIKELIHOODS = {
    "categorical": (likelihoods.categorical(), 3),
    "heteroscedastic_gaussian": (likelihoods.heteroscedastic_gaussian(), 2),
    "segmentation": (likelihoods.segmentation(likelihoods.bernoulli(), effective_sites=1), 1),
}
cases = pytest.mark.parametrize(("likelihood", "c"), LIKELIHOODS.values(), ids=LIKELIHOODS)
SITES = {"1 site": (), "3 sites": (3,)}
sites = pytest.mark.parametrize("sites", SITES.values(), ids=SITES)
N = 4


@functools.cache
def problem(c, sites, dtype=float):
    model, x = testing.network(c), testing.normal(jax.random.key(1), (N, *sites, 2), dtype)
    return model, alfi.Fitted(jax.jit(model.init)(jax.random.key(2), x)), alfi.pool(x)


@cases
@sites
def test_monte_carlo_is_unbiased(likelihood, c, sites):
    """The mean of 2,000 draws of the information, within five standard errors of the exact one."""
    model, fitted, pool = problem(c, sites)
    pairs = [
        (fisher.jacobian(model.apply, likelihood), fisher.monte_carlo(model.apply, likelihood, samples=2)),
        (fisher.last_layer(model, likelihood), fisher.monte_carlo_last_layer(model, likelihood, samples=2)),
    ]

    def information(factor_fn, key):
        a = fisher.write_out(factor_fn(key, fitted, pool))
        return jnp.einsum("nrp,nrq->npq", a, a)

    @jax.jit
    def both(key):
        draws = [jax.vmap(lambda k, f=f: information(f, k))(jax.random.split(key, 2000)) for _, f in pairs]
        return draws, [information(f, key) for f, _ in pairs]

    for draws, want in zip(*both(jax.random.key(5)), strict=True):
        draws, want = np.asarray(draws), np.asarray(want)
        error = np.abs(draws.mean(axis=0) - want)
        np.testing.assert_array_less(error, 5 * draws.std(axis=0) / np.sqrt(len(draws)) + 1e-12)


def test_monte_carlo_has_the_rank_of_its_samples_however_many_sites(close):
    model, fitted, pool = problem(3, (3,))

    def array(chunk_size):
        factor_fn = fisher.monte_carlo(model.apply, likelihoods.categorical(), samples=2, chunk_size=chunk_size)
        return jax.jit(lambda fitted: factor_fn(jax.random.key(0), fitted, pool))(fitted).array

    whole = array(None)
    assert whole.shape == (N, 2, 2 * 4 + 4 + 4 * 3 + 3)
    close(array(3), whole)


def is_head(path):
    return path.startswith("['head']")


# name: (likelihood, draw, parameters, dtype)
SKETCHES = {
    "categorical": ("categorical", jax.random.normal, None, np.float64),
    "signs": ("categorical", jax.random.rademacher, None, np.float64),
    "head": ("heteroscedastic_gaussian", jax.random.normal, is_head, np.float64),
    "effective sites, float32": ("segmentation", jax.random.rademacher, None, np.float32),
}


@pytest.mark.parametrize(("name", "draw", "parameters", "dtype"), SKETCHES.values(), ids=SKETCHES)
def test_matrix_free_sketch_is_the_jacobian_times_the_same_directions(name, draw, parameters, dtype, close):
    likelihood, c = LIKELIHOODS[name]
    model, fitted, pool = problem(c, (3,), dtype)
    key, s = jax.random.key(3), 5
    exact = fisher.jacobian(model.apply, likelihood, parameters=parameters)
    factor_fn = fisher.sketched_jacobian(model.apply, likelihood, s, draw=draw, parameters=parameters, chunk_size=3)

    @jax.jit
    def both(fitted):
        a = exact(key, fitted, pool).array
        directions = jax.random.split(jax.random.split(key)[0], s)
        omega = jnp.stack([draw(k, a.shape[2:], a.dtype) for k in directions], axis=1)
        return factor_fn(key, fitted, pool).array, jnp.matmul(a, omega, precision="highest") / np.sqrt(s)

    got, want = both(fitted)
    assert got.dtype == dtype
    close(got, want, loss=300 if dtype == np.float32 else 1e4)


def test_matrix_free_sketch_of_drawn_labels_is_that_of_their_gradients(close):
    model, fitted, pool = problem(3, (3,))
    likelihood, key, s = likelihoods.categorical(), jax.random.key(3), 5
    sampled = fisher.monte_carlo(model.apply, likelihood, samples=2)
    factor_fn = fisher.sketched_jacobian(model.apply, likelihood, s, samples=2)

    @jax.jit
    def both(fitted):
        key_directions, key_labels = jax.random.split(key)
        a = sampled(key_labels, fitted, pool).array
        omega = [jax.random.normal(k, a.shape[2:], a.dtype) for k in jax.random.split(key_directions, s)]
        return factor_fn(key, fitted, pool).array, a @ jnp.stack(omega, axis=1) / np.sqrt(s)

    got, want = both(fitted)
    assert got.shape == (N, 2, s)
    close(got, want)


def test_a_large_matrix_free_sketch_has_the_traces_of_the_jacobian():
    model, fitted, pool = problem(3, ())
    exact = fisher.jacobian(model.apply, likelihoods.categorical())
    sketched = fisher.sketched_jacobian(model.apply, likelihoods.categorical(), 4000)

    @jax.jit
    def traces(fitted):
        return [f(jax.random.key(4), fitted, pool).squared_norms() for f in (sketched, exact)]

    got, want = traces(fitted)
    np.testing.assert_allclose(got, want, rtol=5 * np.sqrt(2 / 4000))
