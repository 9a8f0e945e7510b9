"""Metrics against scikit-learn, learning-curve statistics against scipy and numbers computed by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from alfi import metrics

METRICS = [metrics.accuracy, metrics.balanced_accuracy, metrics.macro_f1, metrics.nll, metrics.brier, metrics.auroc]


def problem(seed, n=60, c=4, ties=False, absent=False):
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(n, c)) * 2
    if ties:  # few different rows, so that whole score vectors coincide
        logits = rng.normal(size=(5, c))[rng.integers(5, size=n)]
    y = rng.integers(c - absent, size=n)
    weights = rng.choice([0.0, 0.5, 1.0, 2.0], size=n)
    return logits.astype(np.float32), y, weights


def softmax(logits):
    e = np.exp(np.float64(logits) - logits.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def by_scikit_learn(name, logits, y, weights):
    import sklearn.metrics as sk

    p, c = softmax(logits), logits.shape[1]
    if name == "accuracy":
        return sk.accuracy_score(y, logits.argmax(axis=1), sample_weight=weights)
    if name == "balanced_accuracy":
        return sk.recall_score(y, logits.argmax(axis=1), sample_weight=weights, average="macro", labels=np.unique(y))
    if name == "macro_f1":
        return sk.f1_score(y, logits.argmax(axis=1), sample_weight=weights, average="macro")
    if name == "nll":
        return sk.log_loss(y, p, sample_weight=weights, labels=range(c))
    if name == "brier":
        return np.average(np.sum((p - np.eye(c)[y]) ** 2, axis=1), weights=weights)
    scores = np.round(np.log(p) - np.log1p(-p), 5)  # the rounding of float64 must not break a tie
    return np.mean([sk.roc_auc_score(y == j, scores[:, j], sample_weight=weights) for j in np.unique(y)])


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.__name__)
@pytest.mark.parametrize("kind", [{}, {"ties": True}, {"absent": True}, {"c": 2}], ids=str)
@pytest.mark.parametrize("weighted", [False, True])
def test_equals_scikit_learn(metric, kind, weighted):
    logits, y, weights = problem(0, **kind)
    weights = weights if weighted else None
    value = jax.jit(metric)(jnp.asarray(logits), jnp.asarray(y), None if weights is None else jnp.asarray(weights))
    assert value.shape == ()
    np.testing.assert_allclose(value, by_scikit_learn(metric.__name__, logits, y, weights), rtol=2e-5)


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.__name__)
def test_padding_is_never_read(metric):
    metric = jax.jit(metric)
    logits, y, _ = problem(1)
    padded = jnp.concatenate([jnp.asarray(logits), jnp.full((7, 4), jnp.nan)])
    classes = jnp.concatenate([jnp.asarray(y), jnp.full(7, -1)])
    weights = jnp.concatenate([jnp.ones(len(y)), jnp.zeros(7)])
    expected = metric(jnp.asarray(logits), jnp.asarray(y))
    np.testing.assert_allclose(metric(padded, classes, weights), expected, rtol=1e-6)
    assert jnp.isnan(metric(padded, jnp.maximum(classes, 0)))  # the same NaN in rows that count is not hidden


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.__name__)
def test_vmap_and_jit_equal_one_by_one(metric):
    outputs = jnp.stack([problem(seed)[0] for seed in range(3)])
    y = jnp.stack([problem(seed)[1] for seed in range(3)])
    together = jax.jit(jax.vmap(metric))(outputs, y)
    np.testing.assert_allclose(together, [metric(f, t) for f, t in zip(outputs, y, strict=True)], rtol=1e-6)


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.__name__)
def test_float64_stays_and_half_precision_counts_in_float32(metric):
    logits, y, _ = problem(2, n=3000)
    with jax.enable_x64(True):
        assert jax.jit(metric)(jnp.asarray(np.float64(logits)), jnp.asarray(y)).dtype == jnp.float64
    half, classes = jnp.asarray(logits, jnp.bfloat16), jnp.asarray(y, jnp.int32)
    value = jax.jit(metric)(half, classes)
    assert value.dtype == jnp.float32
    np.testing.assert_allclose(value, jax.jit(metric)(half.astype(jnp.float32), classes), rtol=1e-6)


@pytest.mark.parametrize("c", [1, 2, 3])
@pytest.mark.parametrize("weighted", [False, True])
def test_overlap_is_scikit_learns_of_each_image(c, weighted):
    import sklearn.metrics as sk

    rng = np.random.default_rng(c)
    outputs, y = rng.normal(size=(6, 4, 5, c)), rng.integers(max(c, 2), size=(6, 4, 5))
    y[0], outputs[0, ..., 0], outputs[0, ..., 1:] = 0, (-1 if c == 1 else 9), 0  # nothing there, nothing predicted
    guess = (outputs[..., 0] > 0).astype(int) if c == 1 else outputs.argmax(axis=-1)
    weights = np.array([1.0, 2.0, 0.0, 0.5, 1.0, 1.0]) if weighted else np.ones(6)
    for metric, oracle in ((metrics.jaccard, sk.jaccard_score), (metrics.dice, sk.f1_score)):
        options = {"labels": list(range(1, max(c, 2))), "average": "macro", "zero_division": 1.0}
        each = [oracle(y[i].reshape(-1), guess[i].reshape(-1), **options) for i in range(6)]
        value = jax.jit(metric)(jnp.asarray(outputs), jnp.asarray(y), jnp.asarray(weights) if weighted else None)
        np.testing.assert_allclose(value, np.average(each, weights=weights), rtol=1e-5)
        failed = jnp.asarray(outputs).at[2, 0, 0].set(jnp.nan)  # of weight 0 where weighted
        assert jnp.isnan(metric(failed, jnp.asarray(y), jnp.asarray(weights))) == (not weighted)


def test_errors_of_real_predictions():
    import sklearn.metrics as sk

    rng = np.random.default_rng(0)
    outputs, y, weights = rng.normal(size=(9, 1)), rng.normal(size=9), rng.random(9)
    for metric, oracle in (
        (metrics.rmse, sk.root_mean_squared_error),
        (metrics.mae, sk.mean_absolute_error),
    ):
        got = metric(jnp.asarray(outputs), jnp.asarray(y), jnp.asarray(weights))
        np.testing.assert_allclose(got, oracle(y, outputs[:, 0], sample_weight=weights), rtol=1e-12)
    with pytest.raises(ValueError, match="got"):
        metrics.rmse(jnp.zeros((3, 2)), jnp.zeros(3))


def test_a_class_that_no_output_stands_for_is_never_predicted():
    outputs, y = jnp.array([[9.0, 0.0], [9.0, 0.0]]), jnp.array([0, 2])
    assert metrics.accuracy(outputs, y) == 0.5
    assert metrics.nll(outputs, y) == jnp.inf


def test_auroc_of_one_class_is_undefined_and_does_not_saturate():
    auroc = jax.jit(metrics.auroc)
    assert jnp.isnan(auroc(jnp.zeros((2, 2)), jnp.zeros(2, int)))
    # the probabilities of both rows round to 1 in float32; their order is still seen
    assert auroc(jnp.array([[0.0, 40.0], [0.0, 30.0]]), jnp.array([1, 0])) == 1


def test_shapes_are_checked():
    for outputs, y in [(jnp.zeros((3, 2)), jnp.zeros(4, int)), (jnp.zeros((3, 1)), jnp.zeros(3, int))]:
        with pytest.raises((ValueError, TypeError)):  # jaxtyping's check may come first
            metrics.accuracy(outputs, y)


def test_area():
    assert metrics.area([10, 20, 30], [0.1, 0.1, 0.1]) == pytest.approx(0.1)
    np.testing.assert_allclose(metrics.area([0, 1, 4], [[0, 1, 1], [2, 2, 0]]), [3.5 / 4, 5 / 4])
    assert metrics.area([10], [[0.3], [0.4]]).tolist() == [0.3, 0.4]
    with pytest.raises(ValueError, match="increasing"):
        metrics.area([10, 10], [1.0, 2.0])
    with pytest.raises(ValueError, match="expected labels"):
        metrics.area([10, 20], [1.0, 2.0, 3.0])


def test_paired_equals_scipy():
    differences = np.random.default_rng(0).normal(0.01, 0.02, 20)
    result, expected = metrics.paired(differences, level=0.9), stats.ttest_1samp(differences, 0)
    assert result.p == pytest.approx(expected.pvalue)
    assert (result.low, result.high) == pytest.approx(tuple(expected.confidence_interval(0.9)))
    assert result.se == pytest.approx(stats.sem(differences))


def test_paired_of_one_seed_of_constants_and_of_nothing():
    one = metrics.paired([0.2])
    assert one.mean == 0.2
    assert np.isnan(one[1:]).all()
    assert metrics.paired([0.1, 0.1, 0.1]) == (0.1, 0, 0.1, 0.1, 0)
    assert metrics.paired([0.0, 0.0]) == (0, 0, 0, 0, 1)
    assert np.isnan(metrics.paired([0.1, np.nan])).all()
    with pytest.raises(ValueError, match="at least one seed"):
        metrics.paired([])


def test_wilcoxon():
    differences = np.random.default_rng(0).normal(0.01, 0.02, 12)
    assert metrics.wilcoxon(differences) == pytest.approx(stats.wilcoxon(differences).pvalue)
    assert metrics.wilcoxon([1, 2, 3]) == pytest.approx(2 / 2**3)
    assert metrics.wilcoxon([1, 1, 2, 0]) <= 1  # ties and zeros do not warn
    assert metrics.wilcoxon([0, 0]) == 1
    assert metrics.wilcoxon([0.3]) == 1
    assert np.isnan(metrics.wilcoxon([0.3, np.nan]))


def test_holm():
    np.testing.assert_allclose(metrics.holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(metrics.holm([0.6, 0.7]), [1, 1])
    np.testing.assert_allclose(metrics.holm([np.nan, 0.02]), [np.nan, 0.04])  # what could not be tested still counts
    assert metrics.holm([]).shape == (0,)


LABELS, RANDOM = [10, 20, 30], [[0.5, 0.6, 0.7], [0.5, 0.7, 0.8], [0.4, 0.6, 0.8]]


def test_label_ratio_by_hand():
    # tau = .97 * 2.3 / 3 = .743667; random's first seed never gets there and is taken to need all 30 labels
    values = [[0.5, 0.8, 0.7], [0.5, 0.9, 0.84], [0.4, 0.9, 0.8]]
    result = metrics.label_ratio(LABELS, RANDOM, values)
    by_hand = [18.122222 / 30, 16.091667 / 24.366667, 16.873333 / 27.183333]
    np.testing.assert_allclose(result.ratios, by_hand, rtol=1e-6)
    assert result.median == pytest.approx(by_hand[2])
    assert result.lower == pytest.approx((by_hand[0] + by_hand[2]) / 2)
    assert result.never == 0


def test_label_ratio_censoring():
    itself = metrics.label_ratio(LABELS, RANDOM, RANDOM)
    np.testing.assert_allclose(itself.ratios, [np.inf, 1, 1])
    assert itself[1:] == (1, 1, np.inf, 1)  # the upper quartile lies between 1 and never: never
    worse = metrics.label_ratio(LABELS, RANDOM, np.full((3, 3), 0.5))
    assert worse[1:] == (np.inf, np.inf, np.inf, 3)
    at_once = metrics.label_ratio(LABELS, RANDOM, np.full((3, 3), 0.9))
    np.testing.assert_allclose(at_once.ratios, [10 / 30, 10 / 24.366667, 10 / 27.183333], rtol=1e-6)
    failed = metrics.label_ratio(LABELS, RANDOM, [[0.9, 0.9, np.nan], [0.9, 0.9, 0.9], [0.9, 0.9, 0.9]])
    assert np.isnan(failed.ratios).tolist() == [True, False, False]
    assert failed.never == 0
    assert np.isnan(metrics.label_ratio(LABELS, RANDOM, np.full((3, 3), np.nan)).median)


def test_label_ratio_runs_a_maximum():
    # a dip after the target was reached does not count, and the curve before it is interpolated from its best value
    result = metrics.label_ratio([0, 10, 20, 30], [[0.0, 0.5, 1.0, 1.0]], [[0.8, 0.2, 1.0, 0.0]], fraction=0.9)
    assert result.ratios[0] == pytest.approx(15 / 18)
