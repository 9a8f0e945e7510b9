"""What the next batch would tell, against quadrature and brute force."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import alfi
from alfi import likelihoods
from alfi.stopping import stopping

X = np.array([[1.0, 0.2], [-0.4, 1.1], [0.7, -0.9], [-1.2, -0.3], [2.0, 1.5]])
LABELLED, PRECISION = [0, 3], 0.7
KERNEL, BIAS = np.array([[0.3, -0.5], [0.8, 0.1]]), np.array([0.2, -0.1])
MODEL, FITTED = (
    alfi.models.linear(2),
    alfi.Fitted(alfi.Variables({"kernel": jnp.asarray(KERNEL), "bias": jnp.asarray(BIAS)})),
)


def closed_form():
    """Two classes: the logit's mean and covariance, in the one contrast (1, -1) / sqrt(2)."""
    features = np.concatenate([X, np.ones((len(X), 1))], axis=1)
    logits = (X @ KERNEL + BIAS) @ [1, -1]
    p = 1 / (1 + np.exp(-logits))
    fisher = 2 * (p * (1 - p))[:, None, None] * features[:, :, None] * features[:, None]
    return features, logits, fisher


def report(batch_size, members, available=(1, 2, 4), **options):
    pool = alfi.pool(jnp.asarray(X), labelled=LABELLED, available=np.isin(np.arange(len(X)), available))
    run = stopping(MODEL, likelihoods.categorical(), batch_size, members=members, prior_precision=PRECISION, **options)
    return jax.jit(run)(FITTED, pool)


def entropy(p):
    p = np.asarray(p)
    return -(p * np.log(np.maximum(p, 1e-300))).sum(axis=0)


@pytest.mark.parametrize(
    "batch", [pytest.param([4], marks=pytest.mark.slow), [1, 2], pytest.param([1, 2, 4], marks=pytest.mark.slow)]
)
def test_information_is_that_of_labels_and_posterior(batch):
    """By samples of the weights of its own, and all configurations of the labels."""
    features, logits, fisher = closed_form()
    covariance = np.linalg.inv(PRECISION * np.eye(3) + fisher[LABELLED].sum(axis=0))
    weights = np.random.default_rng(0).multivariate_normal(np.zeros(3), covariance, 200_000)
    p = 1 / (1 + np.exp(-(logits[batch] + np.sqrt(2) * weights @ features[batch].T)))  # [samples, batch]
    joint = [
        np.prod(np.where(labels, p, 1 - p), axis=1).mean() for labels in itertools.product([0, 1], repeat=len(batch))
    ]
    expected = entropy(joint) - entropy([p, 1 - p]).mean(axis=0).sum()
    actual = report(len(batch), 20_000, available=batch).batch_information
    np.testing.assert_allclose(actual, expected, rtol=0.03)


@pytest.mark.slow
def test_information_grows_with_the_batch_and_not_beyond_the_samples():
    told = [float(report(size, 4).batch_information) for size in (1, 3)]
    assert told == sorted(told)
    assert told[-1] < np.log(4)


def test_variance_and_its_decrease_are_those_of_the_greedy_batch():
    features, _, fisher = closed_form()
    del features
    target = fisher.mean(axis=0)

    def variance(rows):
        return np.trace(np.linalg.solve(PRECISION * np.eye(3) + fisher[rows].sum(axis=0), target))

    chosen = list(LABELLED)
    for _ in range(2):
        chosen.append(min(set(range(5)) - set(chosen), key=lambda i: variance([*chosen, i])))
    actual = report(2, 8)
    np.testing.assert_allclose(actual.variance, variance(LABELLED), rtol=1e-8)
    np.testing.assert_allclose(actual.variance_decrease, 1 - variance(chosen) / variance(LABELLED), rtol=1e-8)


def test_nothing_left_to_ask_tells_nothing():
    actual = report(2, 8, available=())
    assert (float(actual.batch_information), float(actual.variance_decrease)) == (0, 0)


def test_information_of_real_labels_is_not_reported():
    pool = alfi.pool(jnp.asarray(X), labelled=LABELLED)
    actual = jax.jit(stopping(MODEL, likelihoods.gaussian(), 2, prior_precision=1.0))(FITTED, pool)
    assert np.isnan(actual.batch_information)
    assert 0 < actual.variance_decrease < 1


@pytest.mark.parametrize("options", [{"batch_size": 0}, {"batch_size": 1, "members": 0}])
def test_numbers_must_be_positive(options):
    with pytest.raises(ValueError, match="positive numbers"):
        stopping(MODEL, likelihoods.categorical(), **options)
