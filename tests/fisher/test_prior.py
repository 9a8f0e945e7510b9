"""The prior precision: evidence against its formula, on a grid and by scipy; eigenvalues against NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import optimize

import alfi
from alfi import fisher, likelihoods, testing

# name: (eigenvalues, squared norm)
SPECTRA = {
    "decades": (np.logspace(-3, 3, 9), 5.0),
    "low rank": (np.r_[50.0, 8.0, np.zeros(20)], 3.0),
    "large weights": (np.r_[2.0, 1.0, 0.1], 400.0),
    "small weights": (np.r_[2.0, 1.0, 0.1], 1e-3),
}


def log_evidence(log_precision, values, squared_norm):
    precision = np.exp(log_precision)
    return -precision * squared_norm / 2 + len(values) / 2 * log_precision - np.sum(np.log(precision + values)) / 2


@pytest.mark.parametrize(("values", "squared_norm"), SPECTRA.values(), ids=SPECTRA)
def test_maximise_evidence_is_the_maximum_of_the_formula(values, squared_norm):
    got = float(jax.jit(fisher.maximise_evidence)(jnp.asarray(values), jnp.asarray(squared_norm)))
    grid = np.linspace(np.log(1e-8), np.log(1e8), 100_001)
    best = grid[np.argmax([log_evidence(g, values, squared_norm) for g in grid])]
    assert abs(np.log(got) - best) <= grid[1] - grid[0]
    found = optimize.minimize_scalar(
        lambda g: -log_evidence(g, values, squared_norm), bounds=(best - 1, best + 1), options={"xatol": 1e-10}
    )
    np.testing.assert_allclose(np.log(got), found.x, atol=1e-5)  # a maximum is found to the root of the precision only
    root = optimize.brentq(
        lambda g: np.sum(values / (np.exp(g) + values)) - np.exp(g) * squared_norm, -19, 19, xtol=1e-14
    )
    np.testing.assert_allclose(np.log(got), root, atol=1e-12)


@pytest.mark.parametrize(("values", "squared_norm"), SPECTRA.values(), ids=SPECTRA)
def test_maximise_evidence_in_float32(values, squared_norm):
    double = jax.jit(fisher.maximise_evidence)(jnp.asarray(values), jnp.asarray(squared_norm))
    single = jax.jit(fisher.maximise_evidence)(jnp.asarray(values, jnp.float32), jnp.asarray(squared_norm, jnp.float32))
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, double, rtol=1e-4)


def test_evidence_without_data_or_without_weights_stays_in_its_bounds():
    maximise = jax.jit(fisher.maximise_evidence)
    nothing, no_weights = maximise(jnp.zeros(3), jnp.asarray(2.0)), maximise(jnp.ones(3), jnp.asarray(0.0))
    np.testing.assert_allclose([nothing, no_weights], [1e-8, 1e8], rtol=1e-6)


def problem(likelihood):
    model, x = testing.network(3), testing.normal(jax.random.key(1), (12, 2))
    fitted, pool = alfi.Fitted(jax.jit(model.init)(jax.random.key(2), x)), alfi.pool(x, labelled=[1, 4, 5])
    factors = jax.jit(lambda fitted: fisher.last_layer(model, likelihood)(jax.random.key(0), fitted, pool))(fitted)
    return model, factors, fitted, pool


@pytest.mark.parametrize(
    "likelihood", [likelihoods.categorical(), likelihoods.gaussian()], ids=["categorical", "gaussian"]
)
def test_evidence_of_a_model_is_that_of_its_head_and_labelled_rows(likelihood):
    model, factors, fitted, pool = problem(likelihood)
    got = jax.jit(fisher.evidence(model, likelihood))(factors, fitted, pool)

    kernel, bias = (np.asarray(x) for x in model.head(fitted.variables))
    weights = np.concatenate([kernel, bias[None]])
    if likelihood.contrasts is not None:  # the softmax does not see the mean of its logits
        weights = weights - weights.mean(axis=1, keepdims=True)
    values = np.linalg.eigvalsh(testing.information(testing.write_out(factors), pool.labelled)).clip(0)
    root = optimize.brentq(
        lambda g: np.sum(values / (np.exp(g) + values)) - np.exp(g) * np.sum(weights**2), -18, 18, xtol=1e-14
    )
    np.testing.assert_allclose(np.log(got), root, atol=1e-8)


def test_evidence_of_nothing_is_one():
    likelihood = likelihoods.categorical()
    model, factors, fitted, pool = problem(likelihood)
    nothing = pool._replace(labelled=jnp.zeros_like(pool.labelled))
    assert fisher.evidence(model, likelihood)(factors, fitted, nothing) == 1


def test_prior_reads_what_a_strategy_is_given():
    likelihood = likelihoods.categorical()
    model, *arguments = problem(likelihood)
    np.testing.assert_allclose(fisher.prior(0.25, model, likelihood)(*arguments), 0.25)
    np.testing.assert_allclose(fisher.prior(fisher.weight_decay(0.1), model, likelihood)(*arguments), 0.3)
    by_evidence = fisher.evidence(model, likelihood)(*arguments)
    np.testing.assert_array_equal(fisher.prior("evidence", model, likelihood)(*arguments), by_evidence)


@pytest.mark.parametrize(
    ("prior_precision", "message"),
    [
        ("strong", "'evidence', a positive number or a function; got 'strong'"),
        (0.0, "must be positive and finite; got 0.0"),
        (-1, "must be positive and finite; got -1"),
        (np.float32(-0.5), "must be positive and finite; got -0.5"),
        (jnp.array([1.0, 0.0]), "must be positive and finite"),
        (float("nan"), "must be positive and finite; got nan"),
    ],
)
def test_prior_refuses(prior_precision, message):
    with pytest.raises(ValueError, match=message):
        fisher.prior(prior_precision, testing.network(2), likelihoods.categorical())


def test_evidence_needs_a_head():
    with pytest.raises(ValueError, match=r"no `head`.*or a number for prior_precision"):
        fisher.evidence(testing.network(2)._replace(head=None), likelihoods.categorical())


def test_spectrum_and_effective_dimension(getkey, close):
    factors = testing.dense(getkey(), 10, 2, 5)
    weights = jnp.linspace(0, 1, 10)
    array = testing.write_out(factors)
    values = jax.jit(fisher.spectrum)(factors)
    close(values, np.linalg.eigvalsh(testing.information(array, np.ones(10)))[::-1])
    close(jax.jit(fisher.spectrum)(factors, weights), np.linalg.eigvalsh(testing.information(array, weights))[::-1])
    # tr(M^-1 F), the trace of the hat matrix
    hat = np.linalg.solve(testing.information(array, np.ones(10), 0.5), testing.information(array, np.ones(10)))
    close(fisher.effective_dimension(values, jnp.asarray(0.5)), np.trace(hat))
