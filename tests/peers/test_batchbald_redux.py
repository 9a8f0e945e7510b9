"""BALD and BatchBALD beside batchbald_redux 2.0, by the authors of BatchBALD."""

import warnings

import jax
import numpy as np
import pytest

import alfi
from alfi import criteria, likelihoods, strategies

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    pytest.importorskip("batchbald_redux")
    torch = pytest.importorskip("torch")
    from batchbald_redux import batchbald

pytestmark = pytest.mark.peers

N, K, C, D = 40, 8, 3, 4


@pytest.fixture
def problem(draw, probabilities):
    """Inputs, the members' weights, and their probabilities [n, k, c]."""
    x, weights = draw(0, N, D), 1.5 * draw(1, K, D, C)
    return x, weights, probabilities(x, weights)


def logs(p):
    return torch.from_numpy(np.log(p))


def test_bald_agrees_exactly(problem, linear, fitted):
    x, weights, p = problem
    theirs = batchbald.get_bald_batch(logs(p), 6)
    scores = batchbald.compute_entropy(logs(p)) - batchbald.compute_conditional_entropy(logs(p))
    np.testing.assert_allclose(alfi.score(criteria.bald(), p), scores.numpy(), rtol=1e-12, atol=1e-14)
    strategy = strategies.bald(linear, likelihoods.categorical(), posterior="members")
    ours = strategy.select(jax.random.key(0), fitted(weights), alfi.pool(x), 6)
    assert ours.indices.tolist() == theirs.indices
    np.testing.assert_allclose(ours.gains, theirs.scores, rtol=1e-12)


def test_batch_bald_agrees_exactly_while_both_enumerate_all_labels(problem, linear, fitted):
    """Their score is the information of the batch so far, alfi's gains are its increments."""
    x, weights, p = problem
    theirs = batchbald.get_batchbald_batch(logs(p), 6, num_samples=C**5, dtype=torch.double)
    strategy = strategies.batch_bald(linear, likelihoods.categorical(), posterior="members")
    ours = strategy.select(jax.random.key(0), fitted(weights), alfi.pool(x), 6)
    assert ours.indices.tolist() == theirs.indices
    np.testing.assert_allclose(np.cumsum(ours.gains), theirs.scores, rtol=1e-10)


def test_their_notebooks_values():
    """Of 01_batchbald: points tie by symmetry, so only the values are compared."""
    ends = [
        ((0.7, 0.1, 0.1, 0.1), (0.3, 0.3, 0.2, 0.2)),
        ((0.1, 0.7, 0.1, 0.1), (0.2, 0.3, 0.3, 0.2)),
        ((0.1, 0.1, 0.7, 0.1), (0.2, 0.2, 0.3, 0.3)),
        ((0.1, 0.1, 0.1, 0.7), (0.3, 0.2, 0.2, 0.3)),
    ]
    p = np.stack([np.linspace(first, last, 20) for first, last in ends])
    theirs = batchbald.get_batchbald_batch(logs(p), 4, num_samples=1000, dtype=torch.double)
    ours = alfi.select(criteria.batch_bald(), p, 4)
    expected = [0.030715639666234917, 0.059619586271582925, 0.0869107051474467, 0.11275304532467789]
    np.testing.assert_allclose(theirs.scores, expected, rtol=1e-10)
    np.testing.assert_allclose(np.cumsum(ours.gains), expected, rtol=1e-10)


def test_their_fault_a_member_that_excludes_a_class_is_scored_nan_and_picked(problem):
    """They take 0 log 0 for nan, which is the largest of all to torch; alfi takes it for 0."""
    p = problem[2].copy()
    certain = int(np.argmin(alfi.score(criteria.bald(), p)))
    p[certain] = [1.0, 0.0, 0.0]  # all members agree and are sure: nothing to learn
    with np.errstate(divide="ignore"):
        theirs = batchbald.get_batchbald_batch(logs(p), 1, num_samples=10, dtype=torch.double)
    assert theirs.indices == [certain]
    assert np.isnan(theirs.scores[0])
    assert float(alfi.score(criteria.batch_bald(), p)[certain]) == 0
    others = np.delete(np.arange(N), certain)
    same = batchbald.get_batchbald_batch(logs(p[others]), 1, num_samples=10, dtype=torch.double)
    assert others[same.indices[0]] == alfi.select(criteria.batch_bald(), p, 1).indices[0]


def test_their_fault_sampled_labels_give_scores_that_no_batch_can_have(problem):
    """No labels tell more than log k of which of k members is right, and no further label takes information away.

    With as few samples as members theirs breaks both; alfi's estimate, from as many, keeps them by construction.
    """
    p = problem[2]
    torch.manual_seed(0)
    theirs = batchbald.get_batchbald_batch(logs(p), 8, num_samples=K, dtype=torch.double)
    assert max(theirs.scores) > np.log(K)
    assert np.min(np.diff(theirs.scores)) < 0
    gains = alfi.select(criteria.batch_bald(configurations=K), p, 8).gains
    assert np.all(np.asarray(gains) >= 0)
    assert np.sum(gains) <= np.log(K)


def test_their_fault_with_few_samples_one_batch_holds_the_same_example_twice(draw):
    """Their issue 16, in a pool where every example is there twice; alfi's does not, with as few configurations."""
    e = np.exp(3 * draw(0, 20, 10, C))
    twice = np.tile(e / e.sum(axis=2, keepdims=True), (2, 1, 1))
    torch.manual_seed(0)
    theirs = batchbald.get_batchbald_batch(logs(twice), 8, num_samples=10, dtype=torch.double)
    assert len({pick % 20 for pick in theirs.indices}) < len(set(theirs.indices)) == 8
    for configurations in (10, 4096):
        picks = np.asarray(alfi.select(criteria.batch_bald(configurations=configurations), twice, 8).indices)
        assert len(set(picks % 20)) == 8
