"""Single criteria on problems with a known answer (theory.md, 3.3)."""

import jax
import jax.numpy as jnp
import numpy as np

from alfi import criteria, fisher, testing

SCALES = np.array([1.0, 2.0, 3.0, 5.0])


@jax.jit
def ask(criterion, data, weights, population):
    state = criterion.init(data, weights, population)
    return criterion.value(state), criterion.gain(data, state), criterion.sensitivity(data, state)


def test_one_hot_candidates_have_closed_forms(close):
    """T18: with ``f_i = a_i e_i`` and a diagonal prior r, every direction is on its own."""
    r, weights = np.array([0.1, 4.0, 0.2, 30.0]), np.array([0.5, 0.0, 2.0, 1.0])
    data, m, population = testing.one_hot(SCALES), r + weights * SCALES**2, np.full(4, 0.25)
    arguments = data, jnp.asarray(weights), jnp.asarray(population)

    value, gain, slope = ask(criteria.d_optimal(prior_precision=r), *arguments)
    close(value, np.sum(np.log(m)))
    close(gain, np.log1p(SCALES**2 / m))
    close(slope, SCALES**2 / m)

    value, gain, slope = ask(criteria.v_optimal(prior_precision=r), *arguments)
    close(value, -np.sum(SCALES**2 / m) / 4)
    close(gain, (SCALES**2 / m - SCALES**2 / (m + SCALES**2)) / 4)
    close(slope, SCALES**4 / m**2 / 4)


def test_water_filling_is_stationary_for_bayesian_d_optimality(close):
    """T18: at the optimal continuous design all points in its support have one sensitivity, the others less."""
    weights = np.array([0.4611111111, 0, 0.5388888889, 0])
    *_, slope = ask(
        criteria.d_optimal(prior_precision=[0.1, 4, 0.2, 30]),
        testing.one_hot(SCALES),
        jnp.asarray(weights),
        jnp.ones(4),
    )
    np.testing.assert_allclose(slope[0], slope[2], rtol=1e-8)
    assert max(slope[1], slope[3]) < slope[0]


def test_half_the_d_gain_is_the_expected_information_gain():
    """T22: a linear model with normal noise, prior deviations (1, 1.5), observed at e1, e2, e2: 1.1989476364 nats."""
    data = fisher.DenseFactors(jnp.array([[[1.0, 0.0]], [[0.0, 1.0]], [[0.0, 1.0]]]))
    criterion = criteria.d_optimal(prior_precision=[1.0, 1 / 1.5**2])
    before, *_ = ask(criterion, data, jnp.zeros(3), jnp.ones(3))
    after, *_ = ask(criterion, data, jnp.ones(3), jnp.ones(3))
    np.testing.assert_allclose((after - before) / 2, 1.1989476364, rtol=1e-10)


def test_the_next_observation_of_a_rooney_biegler_experiment():
    """T21, Pyomo.DoE's ``y = 15 (1 - exp(-t / 2))``: log10 det and log10 tr M^-1 after one more observation at t."""

    def factors(t):
        t = np.asarray(t, float)
        return np.stack([1 - np.exp(-t / 2), 15 * t * np.exp(-t / 2)], axis=1)[:, None] / 0.1

    prior = testing.information(factors([1, 2, 3, 4, 5, 7]), np.ones(6))
    # The target: the identity, so that V-optimality is A-optimality.
    data = fisher.DenseFactors(jnp.asarray(np.concatenate([factors([0, 5, 10]), np.eye(2)[:, None]])))
    target = jnp.array([0.0, 0.0, 0.0, 1.0, 1.0])
    d, d_gain, _ = ask(criteria.d_optimal(prior_precision=prior), data, jnp.zeros(5), target)
    v, v_gain, _ = ask(criteria.v_optimal(prior_precision=prior), data, jnp.zeros(5), target)
    np.testing.assert_allclose((d + d_gain[:3]) / np.log(10), [6.583799, 6.691229, 6.864795], atol=1e-6)
    np.testing.assert_allclose(np.log10(-2 * (v + v_gain[:3])), [-1.957487, -2.026853, -2.236425], atol=1e-6)


def test_log_det_gain_is_at_most_the_trace(getkey):
    """T24: ``log det (I + S) <= tr S``, with equality for small factors only."""
    data = testing.dense(getkey(), 20, 3, 5)
    _, gain, slope = ask(criteria.d_optimal(), data, jnp.zeros(20), jnp.ones(20))
    assert np.all(gain <= slope)


def test_the_log_determinant_is_that_of_the_dual(close):
    """T24: ``log det (L + sum A_i^T A_i) - log det L = log det (I + A L^-1 A^T)`` over all rows of a batch together."""
    data, prior = testing.last_layer(jax.random.key(5), 6, 2, 3, 4), np.linspace(0.2, 2.0, 12)
    after, _, _ = ask(criteria.d_optimal(prior_precision=prior), data, jnp.ones(6), jnp.ones(6))
    scaled = fisher.DenseFactors(jnp.asarray(testing.write_out(data) / np.sqrt(prior)))
    close(after - np.sum(np.log(prior)), np.linalg.slogdet(np.eye(12) + np.asarray(fisher.gram(scaled)))[1])


def test_bald_of_a_coin_is_its_expected_information_gain():
    """T22: ``theta ~ Bern(.4), y ~ Bern((.5 + theta) / 2)``, as three members and two."""
    heads = (0.5 + np.array([0.0, 0.0, 0.0, 1.0, 1.0])) / 2
    probabilities = jnp.asarray(np.stack([1 - heads, heads], axis=1)[None])
    bald = criteria.bald()
    state = bald.init(probabilities, jnp.zeros(1), jnp.ones(1))
    np.testing.assert_allclose(bald.gain(probabilities, state)[0], 0.12580366909478014, rtol=1e-12)


def test_score_is_additive_and_ignores_what_has_no_weight():
    criterion, scores = criteria.score(), jnp.array([1.0, jnp.nan, 3.0, -2.0])
    weights = jnp.array([1.0, 0.0, 0.5, 0.0])
    state = criterion.init(scores, weights, jnp.ones(4))
    np.testing.assert_allclose(criterion.value(state), 2.5)
    np.testing.assert_array_equal(criterion.gain(scores, state, 2.0), 2 * scores)
    state = criterion.update(scores, state, jnp.asarray(3), scores[3:], 2.0)
    state = criterion.update(scores, state, jnp.asarray(1), scores[1:2], 0.0)
    np.testing.assert_allclose(criterion.value(state), -1.5)
    np.testing.assert_array_equal(criterion.sensitivity(scores, state), scores)
