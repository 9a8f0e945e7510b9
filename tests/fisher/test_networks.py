"""Factors of a network against the Fisher information by definition and autodiff. A new likelihood is one row."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import alfi
from alfi import criteria, fisher, likelihoods, testing

# name: (likelihood, labels with their probabilities, number of outputs)
LIKELIHOODS = {
    "categorical": (likelihoods.categorical(), testing.every_class, 3),
    "gaussian": (likelihoods.gaussian(0.7), testing.normal_points(0.7), 2),
    "multi_label": (likelihoods.multi_label(), testing.every_set_of_labels, 2),
    "heteroscedastic_gaussian": (likelihoods.heteroscedastic_gaussian(), testing.heteroscedastic_points, 2),
    "ordinal": (likelihoods.ordinal([-1.0, 0.5]), testing.every_grade([-1.0, 0.5]), 1),
    "poisson": (likelihoods.poisson(), testing.counts(500), 1),
}
SITES = {"1 site": (), "2 x 2 sites": (2, 2)}
cases = pytest.mark.parametrize("case", LIKELIHOODS.values(), ids=LIKELIHOODS)
sites = pytest.mark.parametrize("sites", SITES.values(), ids=SITES)
N, INPUTS = 7, 2


def is_head(path):
    return path.startswith("['head']")


@functools.cache
def problem(outputs, sites=(), dtype=float):
    model, x = testing.network(outputs), testing.normal(jax.random.key(1), (N, *sites, INPUTS), dtype)
    return model, alfi.Fitted(jax.jit(model.init)(jax.random.key(2), x)), alfi.pool(x)


def written_out(factor_fn, fitted, pool):
    return testing.write_out(jax.jit(lambda fitted: factor_fn(jax.random.key(0), fitted, pool))(fitted))


@pytest.mark.slow
@cases
@sites
def test_jacobian_is_the_root_of_the_fisher_information(case, sites, close):
    likelihood, labels, c = case
    model, fitted, pool = problem(c, sites)
    expected = testing.network_fisher(
        lambda params, x: model.apply(alfi.Variables(params), x), likelihood, labels, fitted.variables.params, pool.x
    )
    for chunk_size in (None, 1, 3, 100):
        factor_fn = fisher.jacobian(model.apply, likelihood, chunk_size=chunk_size)
        close(testing.fisher(written_out(factor_fn, fitted, pool)), expected)


@cases
@sites
def test_last_layer_equals_the_jacobian_of_the_head(case, sites, close):
    """In the contrasts of the outputs: the information of the head is that of the last layer, turned back."""
    likelihood, _, c = case
    model, fitted, pool = problem(c, sites)
    last = testing.fisher(written_out(fisher.last_layer(model, likelihood), fitted, pool))
    head = testing.fisher(written_out(fisher.jacobian(model.apply, likelihood, parameters=is_head), fitted, pool))
    # Parameters of the head: bias [c], kernel [d, c]. Those of the last layer: [q, (d, 1)].
    d = 4
    contrasts = np.eye(c) if likelihood.contrasts is None else np.asarray(likelihood.contrasts(c))
    head_of_last = np.zeros((c + d * c, contrasts.shape[1] * (d + 1)))
    for q, contrast in enumerate(contrasts.T):
        head_of_last[:c, q * (d + 1) + d] = contrast
        for k in range(d):
            head_of_last[c + k * c : c + (k + 1) * c, q * (d + 1) + k] = contrast
    close(head_of_last @ last @ head_of_last.T, head)


@pytest.mark.parametrize("criterion", [criteria.d_optimal, criteria.v_optimal])
@sites
def test_gains_in_the_last_layer_are_those_in_the_head(criterion, sites, close):
    likelihood = likelihoods.categorical()
    model, fitted, pool = problem(3, sites)

    @functools.partial(jax.jit, static_argnums=0)
    def gains(factor_fn):
        factors = factor_fn(jax.random.key(0), fitted, pool)
        weights = jnp.zeros(N).at[:2].set(1)
        chosen = criterion(prior_precision=0.3)
        return chosen.gain(factors, chosen.init(factors, weights, jnp.ones(N)))

    last = fisher.last_layer(model, likelihood)
    head = fisher.jacobian(model.apply, likelihood, parameters=is_head)
    assert written_out(last, fitted, pool).shape[2] < written_out(head, fitted, pool).shape[2]
    close(gains(last), gains(head))


def test_temperature_is_that_of_the_tempered_likelihood(close):
    """A network whose outputs are divided by T, seen from the weights before the division."""
    model, fitted, pool = problem(3)
    cooled = fisher.last_layer(model, likelihoods.categorical(), temperature=2.5)
    tempered = fisher.jacobian(lambda v, x: model.apply(v, x) / 2.5, likelihoods.categorical(), parameters=is_head)
    traces = [np.sum(written_out(f, fitted, pool) ** 2, axis=(1, 2)) for f in (cooled, tempered)]
    close(*traces)
    assert not np.allclose(
        traces[0], np.sum(written_out(fisher.last_layer(model, likelihoods.categorical()), fitted, pool) ** 2)
    )


@sites
def test_hypothesised_is_the_gradient_at_the_predicted_label(sites, close):
    likelihood = likelihoods.categorical()
    model, fitted, pool = problem(3, sites)
    kernel, bias = (np.asarray(x) for x in model.head(fitted.variables))
    features = np.asarray(model.features(fitted.variables, pool.x)).reshape(N, -1, kernel.shape[0])

    def loss(kernel, phi):
        f = phi @ kernel + bias
        return -likelihood.log_prob(f, jnp.argmax(f))

    gradient = jax.jit(jax.vmap(jax.vmap(jax.grad(loss), (None, 0)), (None, 0)))(kernel, features)  # [n, t, d, c]
    got = written_out(fisher.hypothesised(model, likelihood), fitted, pool)  # [n, t, (c, d)]
    close(got, np.swapaxes(gradient, 2, 3).reshape(got.shape))


@sites
def test_embedding_is_the_mean_of_the_features_over_sites(sites, close):
    model, fitted, pool = problem(3, sites)
    features = np.asarray(model.features(fitted.variables, pool.x)).reshape(N, -1, 4)
    close(written_out(fisher.embedding(model), fitted, pool), features.mean(axis=1, keepdims=True))


@pytest.mark.parametrize(
    "factor_fn",
    [
        lambda model, likelihood: fisher.last_layer(model, likelihood),
        lambda model, likelihood: fisher.hypothesised(model, likelihood),
        lambda model, likelihood: fisher.embedding(model),
        lambda model, likelihood: fisher.jacobian(model.apply, likelihood, chunk_size=3),
    ],
    ids=["last_layer", "hypothesised", "embedding", "jacobian"],
)
def test_float32_stays_float32_and_agrees_with_float64(factor_fn, close):
    model, fitted, pool = problem(3, dtype=np.float32)
    make = factor_fn(model, likelihoods.categorical())
    compiled = jax.jit(lambda fitted, x: make(jax.random.key(0), fitted, alfi.pool(x)))
    arrays = []
    for dtype in (np.float32, np.float64):
        factors = compiled(*jax.tree.map(lambda x, dtype=dtype: x.astype(dtype), (fitted, pool.x)))
        assert {leaf.dtype for leaf in jax.tree.leaves(factors)} == {np.dtype(dtype)}
        arrays.append(testing.write_out(factors).astype(dtype))
    close(*arrays, loss=100)


def test_jacobian_of_no_parameters_names_those_there_are():
    model, fitted, pool = problem(3)
    with pytest.raises(ValueError, match=r"no parameter satisfies.*\['head'\]\['kernel'\]"):
        fisher.jacobian(model.apply, likelihoods.categorical(), parameters=lambda path: False)(
            jax.random.key(0), fitted, pool
        )


@pytest.mark.parametrize(
    "factor_fn", [fisher.last_layer, fisher.hypothesised, lambda model, _: fisher.embedding(model)]
)
def test_a_model_without_features_is_refused(factor_fn):
    with pytest.raises(ValueError, match="no `features`"):
        factor_fn(testing.network(3)._replace(features=None), likelihoods.categorical())
