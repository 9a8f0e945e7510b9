"""Combined criteria, and one criterion over many problems."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.tree_util import Partial

from alfi import criteria, fisher, selection, testing
from alfi.selection.sequential import take
from alfi.typing import Known

pytestmark = pytest.mark.slow  # minutes of compilation together: make test-slow

N = 12
START = np.r_[1.0, 0.5, np.zeros(N - 2)]
POPULATION = np.r_[np.ones(N - 2), 2.0, 0.0]
STEPS = [(4, 1.0), (7, 0.5), (4, -1.0), (9, 1.0)]


@jax.jit
def walk(criterion, data):
    """Gains, value and sensitivity at the start (a move of weight 0) and after each move; and refreshed at the end."""

    def say(state):
        return criterion.gain(data, state), criterion.value(state), criterion.sensitivity(data, state)

    def move(state, step):
        index, weight = step
        state = criterion.update(data, state, index, take(data, index[None]), weight)
        return state, say(state)

    start = criterion.init(data, jnp.asarray(START), jnp.asarray(POPULATION))
    indices, weights = (jnp.asarray(column) for column in zip((0, 0.0), *STEPS, strict=True))
    last, said = jax.lax.scan(move, start, (indices, weights))
    return said, say(criterion.refresh(data, last))


def keep(data, state):
    return state


def test_a_weighted_sum_adds_values_gains_and_slopes(close, getkey):
    data, scores = testing.dense(getkey(), N, 2, 4), jnp.asarray(np.random.default_rng(0).standard_normal(N))
    parts = criteria.d_optimal(), criteria.a_optimal(prior_precision=0.5), criteria.score()
    together, refreshed = walk(criteria.combine(*parts, weights=(2.0, 0.3, 1.0)), (data, data, scores))
    alone = [
        walk(part._replace(refresh=Partial(keep)), x)[0] for part, x in zip(parts, (data, data, scores), strict=True)
    ]
    for said, *each in zip(together, *alone, strict=True):
        close(said, 2.0 * each[0] + 0.3 * each[1] + each[2])
    for afresh, said in zip(refreshed, together, strict=True):
        close(afresh, said[-1], loss=1e6)


def test_a_part_of_weight_zero_does_not_count(close):
    """Not even where it is infinite (a distance to nothing) or not a number (its value)."""
    data = testing.dense(jax.random.key(0), N, 1, 3)
    for fuse in (criteria.weighted_sum, criteria.product):
        both = criteria.combine(criteria.d_optimal(), criteria.min_distance(), weights=(1.0, 0.0), fuse=fuse)
        state = both.init((data, data), jnp.zeros(N), jnp.ones(N))
        gains, alone = both.gain((data, data), state), criteria.d_optimal()
        expected = alone.gain(data, alone.init(data, jnp.zeros(N), jnp.ones(N)))
        if fuse is criteria.product:
            expected = (expected - expected.min()) / (expected.max() - expected.min())
        close(gains, expected)
    assert np.isnan(both.value(state))


def confident_core_set(uncertainty, squared, labelled, available, batch_size, alpha):
    """Algorithm 1 with both quantities normalised over what is not selected, in NumPy."""
    selected, picks = labelled.copy(), []
    for _ in range(batch_size):
        free = ~selected
        distances = squared[:, selected].min(axis=1)
        score = np.ones(len(selected))
        for power, values in ((1 - alpha, uncertainty), (alpha, distances)):
            low, high = values[free].min(), values[free].max()
            if high > low:
                score *= np.clip((values - low) / (high - low), 0, 1) ** power
        picks.append(int(np.argmax(np.where(free & available, score, -np.inf))))
        selected[picks[-1]] = True
    return picks


@pytest.mark.parametrize("alpha", [0.0, 0.25, 0.5, 1.0])
@pytest.mark.parametrize("constant", [False, True], ids=["uncertain", "equally uncertain"])
def test_the_product_makes_confident_core_set(alpha, constant):
    data = testing.dense(jax.random.key(2), 40, 1, 3)
    uncertainty = np.full(40, 0.3) if constant else np.random.default_rng(3).random(40)
    labelled = np.arange(40) < 4
    criterion = criteria.combine(
        criteria.score(), criteria.min_distance(), weights=(1 - alpha, alpha), fuse=criteria.product
    )
    batch = jax.jit(selection.greedy(), static_argnums=5)(
        jax.random.key(0),
        criterion,
        (jnp.asarray(uncertainty), data),
        jnp.asarray(labelled, float),
        jnp.asarray(~labelled),
        8,
        population=jnp.ones(40),
    )
    squared = testing.squared_distances(testing.write_out(data))
    assert batch.indices.tolist() == confident_core_set(uncertainty, squared, labelled, ~labelled, 8, alpha)


def test_the_product_is_normalised_over_the_population_only(close):
    """Rows of population 0, and rows in the design, have no part in the least and the largest."""
    scores = jnp.array([0.0, 1.0, 3.0, -50.0, 90.0])
    criterion = criteria.combine(criteria.score(), fuse=criteria.product)
    state = criterion.init((scores,), jnp.array([0, 0, 0, 1.0, 0]), jnp.array([1, 1, 1, 1, 0.0]))
    close(criterion.gain((scores,), state)[:3], np.array([0, 1 / 3, 1]))
    state = criterion.update((scores,), state, jnp.asarray(2), (scores[2:3],), 1.0)
    close(criterion.gain((scores,), state)[:2], np.array([0.0, 1.0]))


def test_a_combination_needs_fitting_weights_and_data():
    with pytest.raises(ValueError, match="at least one"):
        criteria.combine()
    with pytest.raises(ValueError, match="one weight for each of the 2"):
        criteria.combine(criteria.score(), criteria.score(), weights=[1.0])
    with pytest.raises(ValueError, match="not negative"):
        criteria.combine(criteria.score(), criteria.score(), weights=[1.0, -1.0])
    with pytest.raises(ValueError, match="tuple of 1"):
        criteria.combine(criteria.d_optimal()).init(
            testing.dense(jax.random.key(0), 3, 1, 2), jnp.zeros(3), jnp.ones(3)
        )


def soft_minimum(values):
    return -jax.nn.logsumexp(-3 * values) / 3


@pytest.mark.parametrize(
    ("name", "reduce"),
    [("v_optimal", jnp.mean), ("v_optimal", jnp.min), ("d_optimal", soft_minimum)],
    ids=["mean", "worst", "soft"],
)
def test_over_equals_a_loop_over_the_members(name, reduce, close):
    members = [testing.last_layer(jax.random.key(e), N, 2, 2, 2) for e in range(3)]
    stacked = fisher.LastLayerFactors(*(jnp.stack(x, axis=1) for x in zip(*members, strict=True)))
    single = getattr(criteria, name)(prior_precision=0.4)
    together, refreshed = walk(criteria.over(single, reduce), stacked)
    gains, values, slopes = (
        jnp.stack(said, axis=1) for said in zip(*(walk(single, m)[0] for m in members), strict=True)
    )
    for step in range(len(STEPS) + 1):
        expected = jax.vmap(reduce, in_axes=1)(values[step][:, None] + gains[step]) - reduce(values[step])
        close(together[0][step], expected, loss=1e5)
        close(together[1][step], reduce(values[step]), loss=1e5)
        close(together[2][step], jax.grad(reduce)(values[step]) @ slopes[step], loss=1e5)
    for step, (index, weight) in enumerate(STEPS):
        if weight == 1.0:
            close(together[0][step][index], together[1][step + 1] - together[1][step], loss=1e5)
    for afresh, said in zip(refreshed, together, strict=True):
        close(afresh, said[-1], loss=1e6)


def test_over_reduces_the_gains_of_distances(close):
    members = [testing.dense(jax.random.key(e), N, 1, 3) for e in range(3)]
    stacked = fisher.DenseFactors(jnp.stack([member.array for member in members], axis=1))
    criterion = criteria.over(criteria.min_distance(), jnp.min)
    batch = selection.greedy()(
        jax.random.key(0), criterion, stacked, jnp.asarray(START), jnp.asarray(START == 0), 3, population=jnp.ones(N)
    )
    squared = np.stack([testing.squared_distances(testing.write_out(member)) for member in members])
    chosen = [0, 1]
    for index, gain in zip(batch.indices.tolist(), batch.gains, strict=True):
        gains = squared[:, :, chosen].min(axis=(0, 2))
        gains[chosen] = -np.inf
        assert index == np.argmax(gains)
        close(gain, gains[index], loss=1e5)
        chosen.append(index)


def test_fresh_combinations_are_not_traced_again():
    traces = []

    @jax.jit
    def gains(criterion, data):
        traces.append(1)
        return criterion.gain(data, criterion.init(data, jnp.zeros(N), jnp.ones(N)))

    data = fisher.DenseFactors(testing.normal(jax.random.key(0), (N, 2, 1, 3)))
    answers = []
    for precision in (1.0, 2.0):
        one = criteria.over(criteria.d_optimal(prior_precision=precision), jnp.min)
        both = criteria.combine(one, criteria.score(), weights=(precision, 1.0), fuse=criteria.product)
        answers.append(gains(both, (data, jnp.arange(float(N)))))
    assert len(traces) == 1
    assert not np.allclose(*answers)


@pytest.mark.parametrize(
    ("reduce", "known"),
    [
        (jnp.mean, Known(concave=True, submodular=True, degree=0)),
        (jnp.min, Known(concave=True, degree=0)),
        (jnp.max, Known()),
        (Partial(jnp.quantile, q=0.1), Known()),
    ],
    ids=["mean", "min", "max", "quantile"],
)
def test_what_is_known_of_a_reduction(reduce, known):
    """A maximum of concave functions is not concave; of a function of one's own nothing is known."""
    assert criteria.over(criteria.d_optimal(), reduce).known == known
    unknown = criteria.over(criteria.from_matrix(jnp.trace), reduce)
    assert unknown.known == Known()
    assert unknown.smoothed is None
