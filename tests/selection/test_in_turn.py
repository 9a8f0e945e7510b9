"""One cluster after the other, against a plain loop."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from alfi import criteria, selection, testing

N, BATCH = 24, 9
CLUSTERS = np.random.default_rng(0).choice(5, N, p=[0.4, 0.25, 0.2, 0.1, 0.05])
SCORES = np.asarray(testing.normal(jax.random.key(0), (N,)))
WEIGHTS, AVAILABLE = (np.arange(N) < 2) * 1.0, np.arange(N) > 3
KEY = jax.random.key(0)


@functools.partial(jax.jit, static_argnames="rule")
def select(rule, criterion, data, available=AVAILABLE, groups=None):
    return rule(
        KEY, criterion, data, jnp.asarray(WEIGHTS), jnp.asarray(available), BATCH, population=jnp.ones(N), groups=groups
    )


def by_hand(gain_of, available, smallest=0, groups=None):
    """``gain_of(batch) -> gains[n]``."""
    size, known = np.bincount(CLUSTERS, minlength=5), np.bincount(CLUSTERS, WEIGHTS, minlength=5)
    left, batch, picks = np.array(available), [], np.zeros(5)
    while len(batch) < BATCH:
        present = [k for k in range(5) if (left & (k == CLUSTERS)).any()]
        if not present:
            return batch + [N] * (BATCH - len(batch))
        large = [k for k in present if size[k] > smallest] or present
        turn = min(large, key=lambda k: (picks[k], known[k], -size[k], k))
        batch.append(int(np.argmax(np.where(left & (turn == CLUSTERS), gain_of(batch), -np.inf))))
        picks[turn] += 1
        left &= (np.arange(N) != batch[-1]) if groups is None else (groups != groups[batch[-1]])
    return batch


@pytest.mark.parametrize("smallest", [0, 4, N])
@pytest.mark.parametrize("available", [AVAILABLE, np.isin(CLUSTERS, [0, 4]), np.isin(np.arange(N), [5, 8, 20])])
def test_turns_are_those_of_a_plain_loop(smallest, available):
    rule = selection.in_turn(selection.greedy(), smallest)
    batch = select(rule, criteria.score(), (jnp.asarray(CLUSTERS), jnp.asarray(SCORES)), available)
    assert batch.indices.tolist() == by_hand(lambda batch: SCORES, available, smallest)


def test_groups_are_passed_over_with_their_pick():
    groups = np.arange(N) // 3
    rule = selection.in_turn(selection.greedy())
    data = jnp.asarray(CLUSTERS), jnp.asarray(SCORES)
    batch = select(rule, criteria.score(), data, groups=jnp.asarray(groups))
    assert batch.indices.tolist() == by_hand(lambda batch: SCORES, AVAILABLE, groups=groups)


def test_the_criterion_sees_every_pick():
    factors = testing.dense(KEY, N, 1, 3)
    points = np.asarray(factors.array)[:, 0]

    def nearest(batch):
        chosen = points[[0, 1, *batch]]
        return ((points[:, None] - chosen[None]) ** 2).sum(axis=2).min(axis=1)

    rule = selection.in_turn(selection.greedy())
    batch = select(rule, criteria.min_distance(), (jnp.asarray(CLUSTERS), factors))
    assert batch.indices.tolist() == by_hand(nearest, AVAILABLE)


def test_a_row_that_is_not_a_number_is_never_picked():
    scores = np.where(np.isin(CLUSTERS, [0, 1]), np.nan, SCORES)
    batch = select(
        selection.in_turn(selection.greedy()), criteria.score(), (jnp.asarray(CLUSTERS), jnp.asarray(scores))
    )
    found = [i for i in batch.indices.tolist() if i < N]
    assert len(found) == min(BATCH, (AVAILABLE & ~np.isnan(scores)).sum())
    assert not np.isnan(scores[found]).any()


def test_data_must_be_clusters_and_what_the_criterion_reads():
    with pytest.raises(ValueError, match="integer clusters"):
        select(selection.in_turn(selection.greedy()), criteria.score(), jnp.asarray(SCORES))
