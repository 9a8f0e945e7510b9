"""The three kinds of posterior against the inverse of a dense float64 matrix, and their samples against its moments."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import alfi
from alfi import fisher, likelihoods, models, testing

pytestmark = pytest.mark.slow  # minutes of compilation together: make test-slow

WEIGHTS, PRIOR, TEMPERATURE = np.array([1.0, 0.0, 2.0, 1.0, 0.0]), 0.7, 1.3
KINDS = {
    "dense": testing.dense(jax.random.key(3), 5, 2, 9),
    "last layer": testing.last_layer(jax.random.key(4), 5, 2, 2, 5),
    "sites": testing.last_layer(jax.random.key(5), 5, 1, 2, 4, sites=3),
}


def exact(factors):
    return fisher.posterior(factors, jnp.asarray(WEIGHTS, jnp.result_type(*factors)), PRIOR, temperature=TEMPERATURE)


def low_rank(factors):
    operator = fisher.factor_vector_product(factors, jnp.asarray(WEIGHTS))
    pairs = fisher.top_eigenpairs(jax.random.key(0), operator, factors.p, steps=factors.p)
    return fisher.low_rank_posterior(pairs, PRIOR, temperature=TEMPERATURE)


def diagonal(factors):
    values = jnp.diagonal(factors.information(jnp.asarray(WEIGHTS, jnp.result_type(*factors))))
    return fisher.diagonal_posterior(values, PRIOR, temperature=TEMPERATURE)


FORMS = {"exact": exact, "low rank": low_rank, "diagonal": diagonal}
forms = pytest.mark.parametrize("form", FORMS)


def truth(factors, form):
    """The data's information as each form sees it, and the covariance of the parameters."""
    information = testing.information(testing.write_out(factors), WEIGHTS)
    information = np.diag(np.diag(information)) if form == "diagonal" else information
    return information, TEMPERATURE * np.linalg.inv(information + PRIOR * np.eye(factors.p))


@pytest.mark.parametrize("kind", KINDS)
@forms
def test_covariances_are_those_of_the_inverse(kind, form, close):
    factors = KINDS[kind]
    result = jax.jit(FORMS[form])(factors)  # a posterior is a pytree: it leaves a compiled function and enters another
    information, sigma = truth(factors, form)
    array = testing.write_out(factors)
    close(jax.jit(lambda p, f: p.covariance(f))(result, factors), np.einsum("nrp,pq,nsq->nrs", array, sigma, array))
    close(result.log_determinant, np.linalg.slogdet(np.eye(factors.p) + information / PRIOR)[1])


@forms
def test_samples_have_these_covariances(form):
    factors = KINDS["dense"]
    result = jax.jit(FORMS[form])(factors)
    draws = np.asarray(result.sample(jax.random.key(1), 40_000))
    _, sigma = truth(factors, form)
    half = np.linalg.cholesky(sigma)
    whitened = np.linalg.solve(half, draws.T)
    np.testing.assert_allclose(
        whitened @ whitened.T / len(draws.T[0]), np.eye(factors.p), atol=5 / np.sqrt(40_000) * 1.5
    )
    np.testing.assert_allclose(whitened.mean(axis=1), 0, atol=5 / np.sqrt(40_000))


def test_fewer_directions_leave_the_prior_in_the_others(close):
    factors = KINDS["dense"]
    operator = fisher.factor_vector_product(factors, jnp.asarray(WEIGHTS))
    pairs = fisher.top_eigenpairs(jax.random.key(0), operator, 3, steps=9)
    covariance = jax.jit(lambda f: fisher.low_rank_posterior(pairs, PRIOR).covariance(f))(factors)
    values, vectors = np.linalg.eigh(testing.information(testing.write_out(factors), WEIGHTS))
    values[:-3] = 0
    sigma, array = vectors @ np.diag(1 / (values + PRIOR)) @ vectors.T, testing.write_out(factors)
    close(covariance, np.einsum("nrp,pq,nsq->nrs", array, sigma, array))


@pytest.mark.parametrize("form", ["exact", "diagonal"])
def test_float32_agrees_with_float64(form, close):
    single, double = (
        jax.jit(lambda f: FORMS[form](f).covariance(f))(fisher.DenseFactors(KINDS["dense"].array.astype(dtype)))
        for dtype in (np.float32, np.float64)
    )
    assert single.dtype == np.float32
    close(single, double.astype(np.float32), loss=100)


def test_predictive_variance_of_a_well_known_direction_survives_a_weak_prior():
    """In float32, with eigenvalue over prior 1e8: as a difference from the prior's it would be noise."""
    factors = fisher.DenseFactors(jnp.asarray([[[800.0, 600, 0]], [[-0.6, 0.8, 0]]], jnp.float32))
    vectors = jnp.asarray([[0.8, -0.6], [0.6, 0.8], [0, 0]], jnp.float32)
    pairs = fisher.Eigenpairs(jnp.asarray([1e6, 1], jnp.float32), vectors, jnp.zeros(2, jnp.float32))
    low = fisher.low_rank_posterior(pairs, 1e-2).covariance(factors)[:, 0, 0]
    np.testing.assert_allclose(low, [1, 1 / 1.01], rtol=1e-4)
    full = fisher.posterior(factors, jnp.ones(2, jnp.float32), 1e-2).covariance(factors)[:, 0, 0]
    np.testing.assert_allclose(full, [1, 1 / 1.01], rtol=0.05)  # what the information itself loses in float32


@functools.cache
def problem():
    model, x = models.mlp(3, hidden=(4,)), testing.normal(jax.random.key(1), (6, 2))
    fitted = alfi.Fitted(jax.jit(model.init)(jax.random.key(2), x))
    return model, fitted, alfi.pool(x, labelled=[0, 1, 4])


def test_outputs_of_the_last_layer_have_the_predicted_covariance(close):
    """And the last layer's, in contrasts, is that of the whole head, less the mean output."""
    model, fitted, pool = problem()
    likelihood = likelihoods.categorical()

    @jax.jit
    def run(fitted):
        after = fisher.last_layer_posterior(model, likelihood, prior_precision=0.5)(jax.random.key(0), fitted, pool)
        jacobians = fisher.last_layer(model, fisher.linearised(likelihood))(jax.random.key(0), fitted, pool)
        outputs = model.apply(fitted.variables, pool.x)
        samples = fisher.sample_outputs(jax.random.key(3), after, outputs, jacobians, 20_000)
        head = fisher.layers(fitted.variables)["['head']"]
        whole, all_outputs = (
            fisher.jacobian(model.apply, l, parameters=head)(jax.random.key(0), fitted, pool)
            for l in (likelihood, fisher.linearised(likelihood))
        )
        reference = fisher.posterior(whole, pool.labelled.astype(float), 0.5).covariance(all_outputs)
        return after.covariance(jacobians), outputs, samples, reference

    covariance, outputs, samples, reference = run(fitted)
    centre = np.eye(3) - 1 / 3
    close(covariance, centre @ np.asarray(reference) @ centre)
    deviations = np.asarray(samples - outputs[None])
    empirical = np.einsum("snc,snd->ncd", deviations, deviations) / len(deviations)
    np.testing.assert_allclose(empirical, covariance, atol=0.05 * np.abs(covariance).max())
    assert not np.allclose(empirical[:, 0, 1], 0, atol=0.05 * np.abs(covariance).max())


def test_evidence_is_the_default_prior(close):
    model, fitted, pool = problem()
    likelihood = likelihoods.categorical()
    labelled = pool.labelled.astype(float)

    @jax.jit
    def run(fitted):
        factors = fisher.last_layer(model, likelihood)(jax.random.key(0), fitted, pool)
        precision = fisher.evidence(model, likelihood)(factors, fitted, pool)
        by_default = fisher.last_layer_posterior(model, likelihood)(jax.random.key(0), fitted, pool)
        around = precision * jnp.asarray([0.9, 1.0, 1.1])
        log_determinants = jax.vmap(lambda l: fisher.posterior(factors, labelled, l).log_determinant)(around)
        covariances = [p.covariance(factors) for p in (by_default, fisher.posterior(factors, labelled, precision))]
        return around, log_determinants, covariances

    around, log_determinants, covariances = run(fitted)
    close(*covariances)
    # It is where the evidence, -lambda |W|^2 / 2 - 1/2 log det(I + M / lambda), is largest.
    kernel, bias = model.head(fitted.variables)
    weights = np.concatenate([kernel, bias[None]]) @ np.asarray(likelihood.contrasts(3))
    evidence = -np.asarray(around) * np.sum(weights**2) / 2 - np.asarray(log_determinants) / 2
    assert evidence[1] > max(evidence[0], evidence[2])


def test_members_are_networks_that_differ_in_the_chosen_part():
    model, fitted, pool = problem()
    likelihood = likelihoods.categorical()
    head = fisher.layers(fitted.variables)["['head']"]
    factors = fisher.jacobian(model.apply, likelihood, parameters=head)(jax.random.key(0), fitted, pool)
    after = fisher.posterior(factors, pool.labelled.astype(float), 1.0)
    members = fisher.sample_members(jax.random.key(1), after, fitted.variables, 7, parameters=head)
    body, last = members.params["layers"]["hidden_1"]["kernel"], members.params["head"]["kernel"]
    assert body.shape[0] == last.shape[0] == 7
    assert np.all(body == fitted.variables.params["layers"]["hidden_1"]["kernel"][None])
    assert np.all(np.std(last, axis=0) > 0)
    assert jax.vmap(model.apply, (0, None))(members, pool.x).shape == (7, 6, 3)


def test_too_many_parameters_are_refused_with_what_to_do():
    wide = jax.ShapeDtypeStruct((2, 1, 10**7), np.float32)
    with pytest.raises(ValueError, match=r"10000000 x 10000000: 1600000 GB in float32.*low_rank_posterior"):
        jax.eval_shape(lambda array: fisher.posterior(fisher.DenseFactors(array), jnp.ones(2), 1.0), wide)


def test_a_prior_precision_that_is_not_positive_is_refused():
    pairs = fisher.Eigenpairs(jnp.ones(1), jnp.ones((2, 1)), jnp.ones(1))
    factors = fisher.DenseFactors(jnp.ones((1, 1, 2)))
    for make in (
        lambda prior: fisher.posterior(factors, jnp.ones(1), prior),
        lambda prior: fisher.low_rank_posterior(pairs, prior),
        lambda prior: fisher.diagonal_posterior(jnp.ones(2), prior),
    ):
        with pytest.raises(ValueError, match=r"must be positive and finite; got -1.0"):
            make(-1.0)
