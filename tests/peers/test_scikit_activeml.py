"""Scores, coverage, BADGE and greedy sampling beside scikit-activeml 1.0."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import alfi
from alfi import criteria, fisher, likelihoods, strategies
from alfi.typing import Variables

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    pytest.importorskip("skactiveml")
    from skactiveml import pool as theirs
    from skactiveml.base import SkactivemlClassifier, SkactivemlRegressor

pytestmark = pytest.mark.peers

N, K, C, D, BATCH = 60, 5, 4, 6, 8
LABELLED = [3, 17, 40]
KEY = jax.random.key(0)


class Softmax(SkactivemlClassifier):
    """A fitted classifier of theirs, with given weights."""

    def fit(self, X, y, sample_weight=None):
        self.classes_ = np.arange(self.weights.shape[1])
        return self

    def predict_proba(self, X):
        e = np.exp(X @ self.weights)
        return e / e.sum(axis=1, keepdims=True)

    def predict(self, X):
        return (X @ self.weights).argmax(axis=1)


class Linear(SkactivemlRegressor):
    def fit(self, X, y, sample_weight=None):
        self.fitted_ = True
        return self

    def predict(self, X):
        return (X @ self.weights)[:, 0]


def estimator(kind, weights):
    made = kind()
    made.weights = weights
    return made.fit(None, None)


def labels(known=LABELLED, values=0):
    """Theirs: nan is what has no label yet."""
    y = np.full(N, np.nan)
    y[list(known)] = values
    return y


def query(strategy, x, y, *estimators, batch_size=BATCH, **options):
    fit = {"fit_clf": False} if estimators and isinstance(estimators[0], Softmax) else options
    picks, utilities = strategy.query(x, y, *estimators, batch_size=batch_size, return_utilities=True, **fit)
    return list(map(int, picks)), utilities


def run(strategy, fitted, x, *, y=None, labelled=LABELLED, size=BATCH):
    return strategy.select(KEY, fitted, alfi.pool(x, y, labelled=labelled), size)


def points(x):
    return fisher.DenseFactors(jnp.asarray(x)[:, None])


def along(criterion, data, picks, *, weights, **options):
    """Gains before each pick: with the peer's picks, ties cannot tell the two apart."""
    weights = np.array(weights, float)
    for pick in picks:
        yield np.asarray(alfi.score(criterion, data, weights=weights, **options))
        weights[pick] = 1


@pytest.fixture
def labelled():
    return np.isin(np.arange(N), LABELLED)


# --- scores


@pytest.mark.parametrize(
    ("ours", "method", "offset"),
    [("entropy", "entropy", 0), ("margin", "margin_sampling", 1), ("least_confidence", "least_confident", 0)],
)
def test_uncertainty_agrees_exactly(ours, method, offset, draw, linear, fitted):
    """Their margin is ``1 - margin``, alfi's ``-margin``."""
    x, weights = draw(0, N, D), draw(1, D, C)
    picks, utilities = query(theirs.UncertaintySampling(method), x, labels(), estimator(Softmax, weights))
    batch = run(getattr(strategies, ours)(linear, likelihoods.categorical()), fitted(weights), x)
    assert batch.indices.tolist() == picks
    np.testing.assert_allclose(batch.gains, np.nanmax(utilities, axis=1) - offset, rtol=1e-9, atol=1e-15)


@pytest.fixture
def committee(draw, probabilities):
    """Inputs, the members' weights, theirs, and probabilities [n, k, c]."""
    x, weights = draw(2, N, D), draw(3, K, D, C)
    return x, weights, [estimator(Softmax, w) for w in weights], probabilities(x, weights)


def test_bald_agrees_to_the_least_probability_that_they_take_a_logarithm_of(committee, linear, fitted):
    x, weights, ensemble, _ = committee
    picks, utilities = query(theirs.GreedyBALD(), x, labels(), ensemble, fit_ensemble=False)
    batch = run(strategies.bald(linear, likelihoods.categorical(), posterior="members"), fitted(weights), x)
    assert batch.indices.tolist() == picks
    np.testing.assert_allclose(batch.gains, np.nanmax(utilities, axis=1), atol=1e-6)


def test_query_by_committee_is_bald(committee, linear, fitted):
    """The mean divergence from the consensus is the mutual information of label and member."""
    x, weights, ensemble, _ = committee
    picks, utilities = query(theirs.QueryByCommittee(), x, labels(), ensemble, fit_ensemble=False)
    batch = run(strategies.bald(linear, likelihoods.categorical(), posterior="members"), fitted(weights), x)
    assert batch.indices.tolist() == picks
    np.testing.assert_allclose(batch.gains, np.nanmax(utilities, axis=1), atol=1e-6)


def test_variation_ratios_by_votes_agree_exactly(committee, linear, fitted):
    x, weights, ensemble, _ = committee
    strategy = theirs.QueryByCommittee(method="variation_ratios", random_state=0)
    _, utilities = query(strategy, x, labels(), ensemble, fit_ensemble=False)
    strategy = strategies.variation_ratio(linear, likelihoods.categorical(), votes=True, posterior="members")
    batch = run(strategy, fitted(weights), x, size=N - len(LABELLED))
    np.testing.assert_allclose(batch.gains, np.sort(utilities[0][np.isfinite(utilities[0])])[::-1], atol=1e-12)
    np.testing.assert_allclose(utilities[0][batch.indices], batch.gains, atol=1e-12)


def test_batch_bald_agrees_while_they_enumerate_all_labels(committee, linear, fitted):
    x, weights, ensemble, _ = committee
    peer = theirs.BatchBALD(n_MC_samples=C**4)
    picks, utilities = query(peer, x, labels(), ensemble, fit_ensemble=False, batch_size=5)
    strategy = strategies.batch_bald(linear, likelihoods.categorical(), posterior="members")
    batch = run(strategy, fitted(weights), x, size=5)
    assert batch.indices.tolist() == picks
    np.testing.assert_allclose(np.cumsum(batch.gains), np.nanmax(utilities, axis=1), atol=1e-5)


def test_their_fault_batch_bald_by_default_samples_from_the_second_pick_on(committee, linear, fitted):
    """As many samples as members by default: scores fall and exceed log k, which is all that k members can tell."""
    x, weights, ensemble, _ = committee
    picks, utilities = query(theirs.BatchBALD(random_state=0), x, labels(), ensemble, fit_ensemble=False)
    scores = np.nanmax(utilities, axis=1)
    strategy = strategies.batch_bald(linear, likelihoods.categorical(), posterior="members")
    batch = run(strategy, fitted(weights), x)
    assert batch.indices.tolist()[:2] == picks[:2]
    assert batch.indices.tolist() != picks
    assert max(scores) > np.log(K) > np.sum(batch.gains)
    assert min(np.diff(scores)) < 0 < min(batch.gains)


def test_batch_balds_values_in_their_own_tests():
    """``test_bald.py`` there lists twenty: four are exact, as 2^3 labels are enumerated; from then on they sample."""
    p = np.random.RandomState(0).random(4000).reshape(10, 200, 2)
    p /= p.sum(axis=2, keepdims=True)
    utilities = theirs._bald.batch_bald(p.copy(), 20, random_state=0)
    batch = alfi.select(criteria.batch_bald(), np.swapaxes(p, 0, 1), 8)
    np.testing.assert_allclose(np.cumsum(batch.gains)[:4], np.nanmax(utilities, axis=1)[:4], atol=3e-7)
    assert batch.indices.tolist()[:4] == np.nanargmax(utilities, axis=1)[:4].tolist() == [147, 107, 8, 61]
    exact = [0.26082314, 0.51374565, 0.73904867, 0.93539168, 1.11129073, 1.26161867, 1.3945359, 1.5143971]
    np.testing.assert_allclose(np.cumsum(batch.gains), exact, atol=1e-8)
    assert np.max(np.nanmax(utilities, axis=1)) > np.log(10)


# --- distances


def test_core_set_agrees_exactly(draw, linear, fitted):
    """They give distances, alfi their squares."""
    x = draw(4, N, D)
    picks, utilities = query(theirs.CoreSet(), x, labels())
    batch = run(strategies.core_set(linear, likelihoods.categorical()), fitted(draw(1, D, C)), x)
    assert batch.indices.tolist() == picks
    np.testing.assert_allclose(np.sqrt(batch.gains), np.nanmax(utilities, axis=1), rtol=1e-7)


def test_core_set_from_nothing_differs_in_the_first_pick_only(draw):
    """All are as far from nothing: they draw at random, alfi takes the first row."""
    x = draw(4, N, D)
    picks, utilities = query(theirs.CoreSet(random_state=1), x, labels([]))
    assert set(utilities[0]) == {0}
    first = np.isin(np.arange(N), picks[:1])
    batch = alfi.select(criteria.min_distance(), points(x), BATCH - 1, weights=first)
    assert batch.indices.tolist() == picks[1:]


@pytest.fixture
def badge(draw, linear, fitted):
    """Their picks and probabilities, and alfi's gradient embeddings, for more points than they can have drawn."""
    x, weights = draw(5, N, D), draw(6, D, C)
    picks, utilities = query(theirs.Badge(random_state=0), x, labels(), estimator(Softmax, weights))
    factors = fisher.hypothesised(linear, likelihoods.categorical())(KEY, fitted(weights), alfi.pool(x))
    return picks, utilities, factors


def test_badge_starts_elsewhere(badge, labelled):
    """Theirs with the largest gradient, as the authors' code; alfi's at random, as the paper's k-means++."""
    picks, utilities, factors = badge
    norms = np.asarray(factors.squared_norms())
    np.testing.assert_allclose(utilities[0][~labelled], norms[~labelled] / norms[~labelled].sum(), rtol=1e-10)
    assert picks[0] == np.argmax(np.where(labelled, 0, norms))


def test_their_fault_badge_takes_the_origin_for_a_pick(badge, labelled):
    """Squared norms stay in the running minimum of squared distances, so sure examples are hardly drawn.

    But for that the probabilities agree: where no norm is the smaller one they are those of alfi.
    """
    picks, utilities, factors = badge
    norms, taken, origin = np.asarray(factors.squared_norms()), labelled.copy(), 0
    gains = along(criteria.min_distance(), factors, picks, weights=np.zeros(N))
    for step, (pick, gain) in enumerate(zip(picks, gains, strict=True)):
        if step:
            shorter = np.where(taken, 0, np.minimum(gain, norms))
            np.testing.assert_allclose(utilities[step][~taken], (shorter / shorter.sum())[~taken], rtol=1e-6, atol=1e-9)
            origin += np.sum(norms[~taken] < gain[~taken])
        taken[pick] = True
    assert origin > 0


def test_max_herding_agrees_exactly_on_the_candidates(draw, labelled):
    """They average over what may be picked, alfi over the population: so that is given no weight where labelled."""
    x, bandwidth = draw(7, N, D), 1.5
    peer = theirs.MaxHerding(metric="rbf", metric_dict={"gamma": 1 / (2 * bandwidth**2)}, normalize_samples=False)
    picks, utilities = query(peer, x, labels())
    criterion, free = criteria.facility_location(bandwidth=bandwidth), (~labelled).astype(float)
    batch = alfi.select(criterion, points(x), BATCH, weights=labelled, population=free, available=~labelled)
    assert batch.indices.tolist() == picks
    np.testing.assert_allclose(batch.gains, np.nanmax(utilities, axis=1), rtol=1e-9)


def test_prob_cover_agrees_at_a_given_radius(draw, labelled):
    """Ties, of which there are many, are broken at random by both: gains are compared along their picks.

    Their fault: of one radius they compute no purity, and then warn that it is -1.
    """
    x, radius = draw(8, N, 2), 0.7
    with pytest.warns(UserWarning, match="maximum purity was -1"):
        picks, utilities = query(theirs.ProbCover(deltas=[radius], n_classes=2, random_state=0), x, labels())
    gains = along(criteria.coverage(radius=radius), points(x), picks, weights=labelled)
    for pick, gain, theirs_ in zip(picks, gains, utilities, strict=True):
        free = np.isfinite(theirs_)
        np.testing.assert_allclose(N * gain[free], theirs_[free], atol=1e-9)
        assert gain[pick] == gain[free].max()


def test_prob_covers_default_radii_have_a_unit_alfis_has_that_of_the_points(draw, linear, fitted):
    """Theirs is the best of 0.2, 0.4 ... 2: in points a thousand times as large every ball is empty."""
    x = np.repeat(10 * np.eye(2), N // 2, axis=0) + draw(8, N, 2)
    strategy = strategies.prob_cover(linear, likelihoods.categorical(), clusters=2)
    small, large = (run(strategy, fitted(np.eye(2)), scale * x, labelled=[]) for scale in (1, 1000))
    assert large.indices.tolist() == small.indices.tolist()
    assert N * large.gains[0] > 10
    _, utilities = query(theirs.ProbCover(n_classes=2, random_state=0), 1000 * x, labels([]))
    assert set(utilities[0]) == {1}


# --- typical examples

SIZES = [22, 16, 12, 10]


@pytest.fixture
def blobs(draw):
    """Four, so far apart that k-means of either finds them."""
    return np.repeat(40 * np.eye(4), SIZES, axis=0) + draw(9, N, 4)


def typical(x, neighbours):
    """Of two labels and a batch of two: four clusters."""
    known = [0, 23]
    picks, utilities = query(theirs.TypiClust(k=neighbours, random_state=0), x, labels(known), batch_size=2)
    model = alfi.models.from_function(lambda w, x: x, features=lambda w, x: x)
    strategy = strategies.typiclust(model, likelihoods.categorical(), neighbours=neighbours)
    batch = run(strategy, alfi.Fitted(Variables(0.0)), x, labelled=known, size=2)
    return picks, [row[pick] for row, pick in zip(utilities, picks, strict=True)], batch


def test_typiclust_agrees_where_clusters_are_twice_as_large_as_the_neighbourhood(blobs):
    """The same clusters in the same order, without a label first, large ones first; and the same typicality."""
    picks, values, batch = typical(blobs, 4)
    assert [int(np.searchsorted(np.cumsum(SIZES), pick, side="right")) for pick in picks] == [2, 3]
    assert batch.indices.tolist() == picks
    np.testing.assert_allclose(batch.gains, values, rtol=1e-6)


def test_typiclust_differs_in_small_clusters(blobs):
    """They average over all others of the cluster, alfi over half of it, as the paper's authors' code does."""
    _, values, batch = typical(blobs, 20)
    for size, end, value, gain, pick in zip((12, 10), (50, 60), values, batch.gains, batch.indices, strict=True):
        members = blobs[end - size : end]
        apart = np.sort(np.linalg.norm(members[:, None] - members[None], axis=2), axis=1)
        np.testing.assert_allclose(value, np.max(1 / apart[:, 1:].mean(axis=1)), rtol=1e-6)
        half = 1 / apart[:, 1 : 1 + size // 2].mean(axis=1)
        np.testing.assert_allclose(gain, half.max(), rtol=1e-9)
        assert pick - (end - size) == half.argmax()


# --- regression


def z_scored(x):
    return (x - x.mean(axis=0)) / x.std(axis=0)


@pytest.mark.parametrize("known", [[], LABELLED])
def test_gs_x_agrees_exactly(known, draw, linear):
    """Also in the first pick of all: the smallest sum of distances. They do not scale inputs; alfi z-scores them."""
    x = draw(10, N, D) * np.arange(1, D + 1)
    picks, utilities = query(theirs.GreedySamplingX(), z_scored(x), labels(known))
    batch = run(strategies.gs_x(linear, likelihoods.gaussian()), alfi.Fitted(None), x, labelled=known)
    assert batch.indices.tolist() == picks
    np.testing.assert_allclose(np.sqrt(batch.gains[1:]), np.nanmax(utilities, axis=1)[1:], rtol=1e-7)


@pytest.fixture
def regression(draw, fitted):
    """Inputs, a linear model of both, and predictions."""
    x, weights = z_scored(draw(11, N, D)), draw(12, D, 1)
    return x, estimator(Linear, weights), fitted(weights), x @ weights


OUTPUTS = [("gs_y", "GSy"), ("igs", "GSi")]


@pytest.mark.parametrize(("ours", "method"), OUTPUTS)
def test_greedy_sampling_of_outputs_agrees_exactly(ours, method, regression, draw, linear):
    """alfi scales outputs by the labels, which changes no pick."""
    x, model, fit, predicted = regression
    y = predicted + 0.5 * draw(13, N, 1)
    known = labels(LABELLED, y[LABELLED, 0])
    picks, _ = query(theirs.GreedySamplingTarget(method=method), x, known, model, fit_reg=False)
    batch = run(getattr(strategies, ours)(linear, likelihoods.gaussian()), fit, x, y=y)
    assert batch.indices.tolist() == picks


@pytest.mark.parametrize(("ours", "method"), OUTPUTS)
def test_with_few_labels_they_change_over_within_the_batch_alfi_after_it(ours, method, regression, linear):
    """Picks count as labels there; here labels do, of which there are none more before the batch is answered.

    Once the answers are those predicted, the rest is the same.
    """
    x, model, fit, predicted = regression
    first = len(LABELLED) + 3
    peer = theirs.GreedySamplingTarget(method=method, n_GSx_samples=first)
    picks, _ = query(peer, x, labels(LABELLED, predicted[LABELLED, 0]), model, fit_reg=False)
    strategy = getattr(strategies, ours)(linear, likelihoods.gaussian(), first=first)
    batch = run(strategy, fit, x, y=predicted)
    assert batch.indices.tolist() == run(strategies.gs_x(linear, likelihoods.gaussian()), fit, x).indices.tolist()
    assert batch.indices.tolist()[:3] == picks[:3]
    rest = run(strategy, fit, x, y=predicted, labelled=LABELLED + picks[:3], size=BATCH - 3)
    assert rest.indices.tolist() == picks[3:]
