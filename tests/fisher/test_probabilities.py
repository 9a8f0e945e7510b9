"""Where posterior samples come from, and the label probabilities made of their outputs."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import alfi
from alfi import fisher, likelihoods, testing
from alfi.fisher.probabilities import label_probabilities, probabilities, sampled_outputs

MODEL, LIKELIHOOD = testing.network(3), likelihoods.categorical()
KEY = jax.random.key(0)


@functools.cache
def problem():
    pool = alfi.pool(testing.normal(jax.random.key(1), (9, 5)), labelled=[0, 3])
    shapes = jax.eval_shape(MODEL.init, KEY, pool.x)
    members = jax.tree.map(lambda leaf: testing.normal(jax.random.key(2), (4, *leaf.shape)), shapes)
    return alfi.Fitted(jax.tree.map(lambda leaf: leaf[3], members), members), pool


def test_probabilities_of_members_are_those_of_each(close):
    fitted, pool = problem()
    p = probabilities(MODEL, LIKELIHOOD, posterior="members")(KEY, fitted, pool)
    assert p.shape == (9, 4, 3)
    for k in range(4):
        f = np.asarray(MODEL.apply(jax.tree.map(lambda leaf, k=k: leaf[k], fitted.members), pool.x))
        close(p[:, k], np.exp(f) / np.exp(f).sum(axis=1, keepdims=True))


def test_dropout_asks_the_model_for_one_function_for_each_sample():
    model = alfi.models.mlp(3, hidden=(16,), dropout=0.5)
    _, pool = problem()
    variables = jax.jit(model.init)(KEY, pool.x)
    outputs_of = jax.jit(sampled_outputs(model, LIKELIHOOD, posterior="dropout", samples=3))
    outputs, one = outputs_of(KEY, alfi.Fitted(variables), pool), jax.jit(model.stochastic)
    expected = np.stack([one(key, variables, pool.x) for key in jax.random.split(KEY, 3)])
    np.testing.assert_allclose(outputs, expected, rtol=1e-6)
    assert np.abs(outputs[0] - outputs[1]).max() > 0.01


def test_laplace_samples_have_the_mean_and_covariance_of_the_linearised_posterior():
    """From the Jacobian of the last layer by autodiff, and a posterior by hand."""
    fitted, pool = problem()
    outputs_of = sampled_outputs(MODEL, LIKELIHOOD, samples=20000, prior_precision=0.5)
    outputs = np.asarray(jax.jit(outputs_of)(KEY, fitted, pool))
    f = np.asarray(MODEL.apply(fitted.variables, pool.x))
    h = np.c_[np.asarray(MODEL.features(fitted.variables, pool.x)), np.ones(9)]
    jacobian = np.einsum("nd,kl->nkld", h, np.eye(3)).reshape(9, 3, -1)
    p = np.exp(f) / np.exp(f).sum(axis=1, keepdims=True)
    each = np.einsum("nka,nkl,nlb->nab", jacobian, p[:, :, None] * np.eye(3) - p[:, :, None] * p[:, None], jacobian)
    covariance = np.linalg.inv(0.5 * np.eye(each.shape[1]) + each[[0, 3]].sum(axis=0))
    less_mean = np.eye(3) - 1 / 3  # the softmax does not see the mean of its logits
    expected = np.einsum("kl,nlp,pq,njq,ij->nki", less_mean, jacobian, covariance, jacobian, less_mean)
    np.testing.assert_allclose(outputs.mean(axis=0), f, atol=0.15)
    centred = outputs - f
    np.testing.assert_allclose(
        np.einsum("mnk,mni->nki", centred, centred) / len(outputs), expected, atol=0.05 * np.abs(expected).max()
    )


@pytest.mark.parametrize(
    ("likelihood", "outputs", "classes"),
    [(LIKELIHOOD, 4, None), (likelihoods.bernoulli(), 1, None), (likelihoods.ordinal([-1.0, 0.5]), 1, 3)],
)
def test_label_probabilities_sum_to_one_and_are_the_likelihoods(likelihood, outputs, classes, close):
    f = testing.normal(KEY, (2, 5, outputs))
    p = jax.jit(lambda f: label_probabilities(likelihood, f, classes))(f)
    close(p.sum(axis=-1), np.ones((2, 5)))
    close(p[1, 2, 1], np.exp(likelihood.log_prob(f[1, 2], jnp.asarray(1))))


@pytest.mark.parametrize(
    ("likelihood", "outputs"),
    [
        (likelihoods.ordinal([-1.0, 0.5]), 1),
        (likelihoods.gaussian(), 1),
        (likelihoods.multi_label(), 3),
        (likelihoods.poisson(), 1),
    ],
)
def test_labels_that_cannot_be_told_are_refused(likelihood, outputs):
    with pytest.raises(ValueError, match=r"labels are 0 \.\.\. .*give `classes`"):
        jax.jit(lambda f: label_probabilities(likelihood, f))(jnp.zeros((2, outputs)))


def test_errors_say_what_to_do():
    fitted, pool = problem()
    with pytest.raises(ValueError, match=r"no dropout.*laplace"):
        sampled_outputs(MODEL, LIKELIHOOD, posterior="dropout")
    with pytest.raises(ValueError, match=r"fitted\.members.*deep_ensemble"):
        sampled_outputs(MODEL, LIKELIHOOD, posterior="members")(KEY, fitted._replace(members=None), pool)
    with pytest.raises(ValueError, match="laplace, members, dropout"):
        sampled_outputs(MODEL, LIKELIHOOD, posterior="ensemble")
    with pytest.raises(ValueError, match="at least 1; got 0"):
        sampled_outputs(MODEL, LIKELIHOOD, samples=0)
    with pytest.raises(ValueError, match="these outputs have sites"):
        probabilities(MODEL, LIKELIHOOD, posterior=lambda *_: jnp.zeros((2, 9, 4, 3)))(KEY, fitted, pool)


def test_a_function_of_ones_own_is_a_posterior():
    mine = lambda key, fitted, pool: jnp.zeros((2, 9, 3))  # noqa: E731
    np.testing.assert_allclose(fisher.probabilities(MODEL, LIKELIHOOD, posterior=mine)(KEY, *problem()), 1 / 3)
