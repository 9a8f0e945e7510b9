"""Uncertainty and committees beside modAL 0.4."""

import warnings

import jax
import numpy as np
import pytest

import alfi
from alfi import criteria, likelihoods, strategies

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    pytest.importorskip("modAL")
    from modAL import disagreement, dropout, uncertainty
    from modAL.models import ActiveLearner, Committee, CommitteeRegressor
    from sklearn.base import BaseEstimator

pytestmark = pytest.mark.peers

N, K, C, D, BATCH = 60, 5, 4, 6, 8
KEY = jax.random.key(0)


class Softmax(BaseEstimator):
    """A fitted classifier of scikit-learn's kind, with given weights."""

    def __init__(self, weights=None):
        self.weights = weights

    def fit(self, x, y):
        self.classes_ = np.arange(self.weights.shape[1])
        return self

    def predict_proba(self, x):
        e = np.exp(x @ self.weights)
        return e / e.sum(axis=1, keepdims=True)

    def predict(self, x):
        return (x @ self.weights).argmax(axis=1)


class Linear(Softmax):
    def predict(self, x):
        return (x @ self.weights)[:, 0]


def learners(estimator, weights, x):
    """Of one each; the labels they are fitted to are never read."""
    return [ActiveLearner(estimator(w), X_training=x[:C], y_training=np.arange(C)) for w in weights]


def run(strategy, fitted, x, size=BATCH):
    return strategy.select(KEY, fitted, alfi.pool(x), size)


@pytest.mark.parametrize(
    ("ours", "theirs", "sign"),
    [
        ("entropy", "entropy_sampling", 1),
        ("margin", "margin_sampling", -1),  # the margin itself, smallest first
        ("least_confidence", "uncertainty_sampling", 1),
    ],
)
def test_uncertainty_agrees_exactly_but_for_the_order_of_a_batch(ours, theirs, sign, draw, linear, fitted):
    """Their batch is a partition, in no order: "the n largest"; alfi's is from the largest down."""
    x, weights = draw(0, N, D), draw(1, D, C)
    picks, values = getattr(uncertainty, theirs)(Softmax(weights), x, n_instances=BATCH)
    batch = run(getattr(strategies, ours)(linear, likelihoods.categorical()), fitted(weights), x)
    order = np.argsort(-sign * values)
    assert batch.indices.tolist() == picks[order].tolist()
    np.testing.assert_allclose(batch.gains, sign * values[order], rtol=1e-12)


def test_a_learners_own_query_is_the_same(draw, linear, fitted):
    x, weights = draw(0, N, D), draw(1, D, C)
    (learner,) = learners(Softmax, weights[None], x)
    picks, _ = learner.query(x, n_instances=1)
    batch = run(strategies.least_confidence(linear, likelihoods.categorical()), fitted(weights), x, 1)
    assert picks.tolist() == batch.indices.tolist()


MEMBERS = {
    "bald": dropout._bald_divergence,
    "mean_std": dropout._mean_standard_deviation,
    "variation_ratio": dropout._variation_ratios,
}


@pytest.mark.parametrize("name", MEMBERS)
def test_scores_of_dropout_masks_agree_exactly(name, draw, linear, fitted, probabilities):
    x, weights = draw(2, N, D), draw(3, K, D, C)
    theirs = MEMBERS[name](list(np.moveaxis(probabilities(x, weights), 1, 0)))
    batch = run(getattr(strategies, name)(linear, likelihoods.categorical(), posterior="members"), fitted(weights), x)
    assert batch.indices.tolist() == np.argsort(-theirs, kind="stable")[:BATCH].tolist()
    np.testing.assert_allclose(batch.gains, np.sort(theirs)[::-1][:BATCH], rtol=1e-11)


def test_their_fault_the_entropy_over_dropout_masks_is_not_that_of_the_mean(draw, probabilities):
    """They cite Gal et al. 2017, "max entropy" of the averaged prediction, and average entropies; over classes too.

    What is missing is just what dropout was for: the disagreement, BALD.
    """
    p = probabilities(draw(2, N, D), draw(3, K, D, C))
    theirs = dropout._entropy(list(np.moveaxis(p, 1, 0))) * C / K
    mean = p.mean(axis=1)
    missing = -(mean * np.log(mean)).sum(axis=1) - theirs
    np.testing.assert_allclose(missing, alfi.score(criteria.bald(), p), rtol=1e-9, atol=1e-14)


def test_committees_by_votes_agree_but_for_the_measure(draw, linear, fitted):
    """Votes are counted alike; they take the entropy of the counts where alfi takes Freeman's variation ratio.

    Of two members the order is the same: one vote apart or none.
    """
    x, weights = draw(2, N, D), draw(3, 2, D, C)
    theirs = disagreement.vote_entropy(Committee(learners(Softmax, weights, x)), x)
    strategy = strategies.variation_ratio(linear, likelihoods.categorical(), votes=True, posterior="members")
    batch = run(strategy, fitted(weights), x, N)
    ratios = np.empty(N)
    ratios[np.asarray(batch.indices)] = batch.gains
    assert set(np.round(ratios, 12)) == {0, 0.5}
    np.testing.assert_allclose(theirs, np.log(2) * 2 * ratios, atol=1e-12)


def test_committees_by_divergence_differ_they_take_the_largest_alfi_the_mean(draw, probabilities):
    """BALD is the mean over members of the divergence from the consensus: below the largest one."""
    x, weights = draw(2, N, D), draw(3, K, D, C)
    theirs = disagreement.KL_max_disagreement(Committee(learners(Softmax, weights, x)), x)
    p = probabilities(x, weights)
    each = (p * np.log(p / p.mean(axis=1, keepdims=True))).sum(axis=2)
    np.testing.assert_allclose(theirs, each.max(axis=1), rtol=1e-10)
    np.testing.assert_allclose(alfi.score(criteria.bald(), p), each.mean(axis=1), rtol=1e-10, atol=1e-14)


def test_regressors_standard_deviation_agrees_exactly(draw, linear, fitted):
    x, weights = draw(2, N, D), draw(3, K, D, 1)
    committee = CommitteeRegressor(learners(Linear, weights, x))
    picks, values = disagreement.max_std_sampling(committee, x, n_instances=BATCH)
    batch = run(strategies.mean_std(linear, likelihoods.gaussian(), posterior="members"), fitted(weights), x)
    order = np.argsort(-values)
    assert batch.indices.tolist() == picks[order].tolist()
    np.testing.assert_allclose(batch.gains, values[order], rtol=1e-12)
