"""BALD, BatchBALD and EPIG from posterior samples: enumeration of all labels in NumPy, and published values."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from alfi import criteria, fisher, selection

pytestmark = pytest.mark.slow  # minutes of compilation together: make test-slow

MEMBERS = 20


def entropy(p, axis):
    return -np.sum(np.where(p > 0, p * np.log(np.where(p > 0, p, 1)), 0), axis=axis)


def joint_entropy(probabilities):
    """Of the labels of examples [b, members, c], over every configuration."""
    b, _, c = probabilities.shape
    total = 0.0
    for labels in itertools.product(range(c), repeat=b):
        p = np.prod([probabilities[i, :, y] for i, y in enumerate(labels)], axis=0).mean()
        total -= p * np.log(p) if p > 0 else 0
    return total


def information(probabilities):
    return joint_entropy(probabilities) - entropy(probabilities, 2).mean(axis=1).sum()


def random_probabilities(seed, n, members, c, sharpness=2.0):
    logits = sharpness * np.random.default_rng(seed).standard_normal((n, members, c))
    p = np.exp(logits)
    p[0, :, 0] = 0  # an impossible label
    return p / p.sum(axis=2, keepdims=True)


def between(first, second):
    share = np.linspace(0, 1, MEMBERS)[:, None]
    return (1 - share) * np.asarray(first) + share * np.asarray(second)


FOUR = np.stack(
    [
        between((0.7, 0.1, 0.1, 0.1), (0.3, 0.3, 0.2, 0.2)),
        between((0.1, 0.7, 0.1, 0.1), (0.2, 0.3, 0.3, 0.2)),
        between((0.1, 0.1, 0.7, 0.1), (0.2, 0.2, 0.3, 0.3)),
        between((0.1, 0.1, 0.1, 0.7), (0.3, 0.2, 0.2, 0.3)),
    ]
)
EIGHT = np.stack(
    [between((0.1, 0.2, 0.2, 0.5), (0.5, 0.2, 0.1, 0.2)), between((0.1, 0.6, 0.2, 0.1), (0, 0.5, 0.5, 0))] * 4
)


@jax.jit
def add_all(criterion, data, indices):
    """Gains before each add, and values after it."""
    n = data.shape[0]

    def step(state, index):
        gains = criterion.gain(data, state)
        state = criterion.update(data, state, index, data[index][None], 1.0)
        return state, (gains, criterion.value(state))

    state = criterion.init(data, jnp.zeros(n, data.dtype), jnp.ones(n, data.dtype))
    state, said = jax.lax.scan(step, state, indices)
    return *said, criterion.gain(data, state)


def test_batch_bald_reproduces_the_published_scores():
    criterion = criteria.batch_bald(configurations=256)
    batch = selection.greedy()(
        jax.random.key(0), criterion, jnp.asarray(FOUR), jnp.zeros(4), jnp.ones(4, bool), 4, population=jnp.ones(4)
    )
    published = [0.030715639666234917, 0.059619586271582925, 0.0869107051474467, 0.11275304532467789]
    np.testing.assert_allclose(np.cumsum(batch.gains), published, rtol=1e-12)
    np.testing.assert_allclose(batch.gains[0], 0.03071564, atol=1e-8)


def test_batch_bald_reproduces_the_published_joint_entropies():
    conditional = entropy(EIGHT, 2).mean(axis=1)
    _, values, gains = add_all(criteria.batch_bald(configurations=256), jnp.asarray(EIGHT), jnp.arange(4))
    np.testing.assert_allclose(values[-1] + conditional[:4].sum(), 4.647885441401176, rtol=1e-12)
    with_each = values[-1] + gains + conditional + conditional[:4].sum()
    np.testing.assert_allclose(with_each, [5.97351493, 5.6361868] * 4, rtol=1e-8)


def test_batch_bald_equals_enumeration(close):
    data, order = random_probabilities(0, 7, 5, 3), [2, 0, 5, 3]
    gains, values, last = add_all(criteria.batch_bald(configurations=81), jnp.asarray(data), jnp.asarray(order))
    for step in range(4):
        chosen = order[:step]
        before = information(data[chosen]) if chosen else 0
        expected = [information(data[[*chosen, i]]) - before for i in range(7)]
        close(gains[step], np.array(expected))
        close(values[step], information(data[order[: step + 1]]))
    expected = [information(data[[*order, i]]) - information(data[order]) for i in range(7)]
    close(last, np.array(expected))


def test_batch_bald_by_sampled_configurations_is_near_the_exact_one():
    """Eight labels of three classes: 6561 configurations, of which 512 are kept; the error falls with their number."""
    data, order = jnp.asarray(random_probabilities(1, 12, 10, 3)), jnp.arange(8)
    *_, values, last = add_all(criteria.batch_bald(configurations=3**8), data, order)
    errors = []
    for size in (64, 512):
        *_, rough, rough_last = add_all(criteria.batch_bald(configurations=size), data, order)
        errors.append(max(np.max(np.abs(rough - values)), np.max(np.abs(rough_last - last))))
    assert errors[0] > errors[1] > 0
    assert errors[1] < 0.02
    # All exact as long as they fit: 3^5 = 243.
    np.testing.assert_allclose(rough[:5], values[:5], rtol=1e-12)


def test_a_large_batch_does_not_underflow_in_float32():
    """60 labels of 10 classes: each configuration has a probability near 1e-60, and yet knows which sample is true."""
    data = jnp.asarray(random_probabilities(2, 60, 6, 10), np.float32)
    gains, values, last = add_all(criteria.batch_bald(configurations=128), data, jnp.arange(60))
    assert values.dtype == np.float32
    assert np.all(np.diff(values) > -1e-5)
    np.testing.assert_allclose(values[-1], np.log(6), rtol=0.02)  # all there is to know
    assert np.all(np.abs(last) < 1e-3)
    assert np.all(np.isfinite(gains))


def test_a_design_at_the_start_equals_adding_it(close):
    data = jnp.asarray(random_probabilities(0, 7, 5, 3))
    criterion = criteria.batch_bald(configurations=100)
    weights = jnp.zeros(7).at[jnp.array([1, 4])].set(1)
    state = jax.jit(criterion.init)(data, weights, jnp.ones(7))
    _, values, gains = add_all(criterion, data, jnp.array([1, 4]))
    close(criterion.value(state), values[-1])
    said, removals, unchanged = jax.jit(
        lambda: (
            criterion.gain(data, state),
            criterion.gain(data, state, -1.0),
            criterion.update(data, state, jnp.asarray(2), data[2:3], 0.0),
        )
    )()
    close(said, gains)
    assert np.isnan(removals).all()
    jax.tree.map(np.testing.assert_array_equal, unchanged, state)


def test_greedy_batch_bald_avoids_the_duplicates_that_bald_takes():
    data = jnp.concatenate([jnp.asarray(random_probabilities(3, 6, 8, 2))] * 2)
    arguments = jax.random.key(0), data, jnp.zeros(12), jnp.ones(12, bool), 2
    first, second = (
        rule(arguments[0], criterion, *arguments[1:], population=jnp.ones(12)).indices % 6
        for rule, criterion in (
            (selection.top_k(), criteria.bald()),
            (selection.greedy(), criteria.batch_bald(configurations=64)),
        )
    )
    assert first[0] == first[1] == second[0] != second[1]


@pytest.mark.parametrize("configurations", [0, -3, True])
def test_configurations_must_be_a_positive_integer(configurations):
    with pytest.raises(ValueError, match="positive integer"):
        criteria.batch_bald(configurations=configurations)


def scores(criterion, data, population):
    state = criterion.init(data, jnp.zeros(len(data), data.dtype), jnp.asarray(population, data.dtype))
    return criterion.gain(data, state)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_bald_equals_its_definition(dtype):
    data = random_probabilities(4, 30, 7, 4)
    gains = scores(criteria.bald(), jnp.asarray(data, dtype), np.ones(30))
    expected = entropy(data.mean(axis=1), 1) - entropy(data, 2).mean(axis=1)
    assert gains.dtype == dtype
    np.testing.assert_allclose(gains, expected, atol=1e-6 if dtype == np.float32 else 1e-14)
    np.testing.assert_allclose(scores(criteria.bald(), jnp.asarray(FOUR), np.ones(4)), 0.03071564, atol=1e-8)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_epig_from_samples_equals_its_definition(dtype):
    data, population = random_probabilities(5, 15, 7, 3), np.r_[np.ones(10), 0.5, np.zeros(4)]
    joint = np.einsum("ika,tkb->itab", data, data) / 7
    mutual = (
        entropy(data.mean(axis=1), 1)[:, None]
        + entropy(data.mean(axis=1), 1)[None]
        - entropy(joint.reshape(15, 15, 9), 2)
    )
    gains = scores(criteria.epig_from_samples(), jnp.asarray(data, dtype), population)
    assert gains.dtype == dtype
    np.testing.assert_allclose(
        gains, mutual @ population / population.sum(), atol=1e-6 if dtype == np.float32 else 1e-14
    )


@pytest.mark.parametrize("criterion", [criteria.bald(), criteria.epig_from_samples()], ids=["bald", "epig"])
def test_scores_are_additive(criterion, close):
    data = jnp.asarray(random_probabilities(6, 8, 5, 3))
    weights = jnp.zeros(8).at[2].set(0.5)
    state = criterion.init(data, weights, jnp.ones(8))
    single = criterion.gain(data, state)
    close(criterion.value(state), single[2] / 2)
    state = criterion.update(data, state, jnp.asarray(4), data[4:5], 2.0)
    close(criterion.value(state), single[2] / 2 + 2 * single[4])
    close(criterion.sensitivity(data, state), single)


def test_linearised_epig_is_the_mutual_information_of_two_normal_labels():
    """T24: predictive covariance [[2, .8], [.8, 1.5]] with noise variance 0.5 in both: 0.11997533481529556 nats."""
    noise = 0.5
    latent = np.array([[2.0, 0.8], [0.8, 1.5]]) - noise * np.eye(2)
    data = fisher.DenseFactors(jnp.asarray(np.linalg.cholesky(latent) / np.sqrt(noise))[:, None])
    criterion = criteria.epig()
    state = criterion.init(data, jnp.zeros(2), jnp.array([0.0, 1.0]))
    np.testing.assert_allclose(criterion.gain(data, state)[0], 0.11997533481529556, rtol=1e-12)
