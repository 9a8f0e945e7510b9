"""Exchange against brute force, stochastic batches against their probabilities, filters and regret minimisation."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from alfi import criteria, selection, testing

pytestmark = pytest.mark.slow  # minutes of compilation together: make test-slow

N, BATCH, KEY = 24, 5, jax.random.key(0)
WEIGHTS, AVAILABLE = (np.arange(N) < 2) * 1.0, np.arange(N) > 3
CRITERIA = {
    "d_optimal": (criteria.d_optimal(prior_precision=0.2), lambda target: testing.log_det),
    "v_optimal": (criteria.v_optimal(prior_precision=0.2), testing.minus_variance),
}
criterion = pytest.mark.parametrize("name", CRITERIA)


@functools.partial(jax.jit, static_argnames="rule")
def select(rule, criterion, data, key=KEY, groups=None, costs=None):
    return rule(
        key, criterion, data, jnp.asarray(WEIGHTS), jnp.asarray(AVAILABLE), BATCH,
        population=jnp.ones(N), groups=groups, costs=costs,
    )  # fmt: skip


def data_of(seed):
    return testing.dense(jax.random.key(seed), N, 2, 5)


def oracle(name, data):
    array = testing.write_out(data)
    value = CRITERIA[name][1](testing.information(array, np.ones(N) / N))
    start, each = testing.information(array, WEIGHTS, 0.2), testing.fisher(array)
    return lambda batch: float(value((start + each[np.asarray(batch)].sum(axis=0))[None])[0])


def fedorov(value, batch):
    """The best of all swaps, as long as it helps."""
    batch = list(batch)
    while True:
        outside = [j for j in np.flatnonzero(AVAILABLE) if j not in batch]
        swaps = [(value([*batch[:s], j, *batch[s + 1 :]]), -s, -j) for s in range(BATCH) for j in outside]
        best, slot, new = max(swaps)
        if best <= value(batch) + 1e-9:
            return batch
        batch[-slot] = -new


@criterion
def test_exchange_is_fedorovs_and_never_worse_than_greedy(name):
    improved = 0
    for seed in range(8):
        data, value = data_of(seed), oracle(name, data_of(seed))
        greedy = np.asarray(select(selection.greedy(), CRITERIA[name][0], data).indices)
        batch = select(selection.exchange(), CRITERIA[name][0], data)
        assert sorted(batch.indices.tolist()) == sorted(fedorov(value, greedy))
        assert value(batch.indices) >= value(greedy) - 1e-12
        improved += value(batch.indices) > value(greedy) + 1e-9
        without = [np.delete(np.asarray(batch.indices), s) for s in range(BATCH)]
        np.testing.assert_allclose(batch.gains, [value(batch.indices) - value(w) for w in without], rtol=1e-8)
    assert improved > 0


@criterion
def test_more_starts_are_never_worse(name):
    for seed in range(3):
        data, value = data_of(seed), oracle(name, data_of(seed))
        one, many = (select(selection.exchange(starts), CRITERIA[name][0], data).indices for starts in (1, 6))
        assert value(many) >= value(one) - 1e-9


def test_exchange_in_float32_ends_and_agrees():
    data = data_of(0)
    single = jax.tree.map(lambda x: x.astype(jnp.float32), data)
    a, b = (select(selection.exchange(), CRITERIA["d_optimal"][0], d).indices for d in (data, single))
    assert sorted(a.tolist()) == sorted(b.tolist())


def test_exchange_keeps_one_point_of_a_group():
    groups = jnp.arange(N) // 3
    batch = np.asarray(select(selection.exchange(3), CRITERIA["d_optimal"][0], data_of(1), groups=groups).indices)
    assert len(set(batch // 3)) == BATCH


SCORES = np.r_[9.0, 9.0, 9.0, 9.0, np.linspace(0.1, 3, N - 4)]
FIRST = {
    "power": (selection.power(2.0), SCORES**2),
    "softmax": (selection.softmax(0.7), np.exp(0.7 * SCORES)),
    "softrank": (selection.softrank(1.5), np.r_[np.ones(4), np.arange(N - 4, 0, -1) ** -1.5]),
}


@pytest.mark.parametrize("name", FIRST)
def test_stochastic_batches_draw_with_their_probabilities(name):
    """The first and the second of a batch, without replacement, against exact probabilities."""
    rule, mass = FIRST[name]
    mass = np.where(AVAILABLE, mass, 0)
    draws = 20000
    picks = jax.jit(jax.vmap(lambda key: select(rule, criteria.score(), jnp.asarray(SCORES), key).indices))(
        jax.random.split(jax.random.key(1), draws)
    )
    first = mass / mass.sum()
    second = sum(first[i] * np.where(np.arange(N) == i, 0, mass) / (mass.sum() - mass[i]) for i in range(N))
    for position, expected in ((0, first), (1, second)):
        got = np.bincount(np.asarray(picks)[:, position], minlength=N)
        error = (got - draws * expected) / np.sqrt(draws * expected.clip(1e-12) * (1 - expected))
        assert np.abs(error[AVAILABLE]).max() < 4.5
        assert (got[~AVAILABLE] == 0).all()


def test_power_takes_zero_gains_last_and_infinite_ones_first():
    scores = jnp.asarray(np.where(np.arange(N) < 8, 1.0, 0.0))
    for seed in range(20):
        picks = select(selection.power(), criteria.score(), scores, jax.random.key(seed)).indices.tolist()
        assert sorted(picks[:4]) == [4, 5, 6, 7]
    distances = testing.dense(jax.random.key(0), N, 1, 2)
    batch = jax.jit(
        lambda key: selection.power()(
            key, criteria.min_distance(), distances, jnp.zeros(N), jnp.asarray(AVAILABLE), 3, population=jnp.ones(N)
        )
    )(jax.random.key(0))
    assert np.isposinf(batch.gains).all()


def test_candidates_are_the_best_few_by_score():
    scores = jnp.asarray(np.r_[np.full(4, 9.0), np.sin(np.arange(N - 4))])
    data = data_of(2)
    kept = np.argsort(-np.where(AVAILABLE, scores, -np.inf), kind="stable")[:8]
    batch = select(selection.candidates(selection.greedy(), 8), CRITERIA["d_optimal"][0], (scores, data))
    picks, _ = testing.greedy(
        lambda m: np.linalg.slogdet(m)[1],
        testing.information(testing.write_out(data), WEIGHTS, 0.2),
        testing.write_out(data),
        np.isin(np.arange(N), kept),
        BATCH,
    )
    assert batch.indices.tolist() == picks
    assert selection.candidates(selection.greedy(), 8) is selection.candidates(selection.greedy(), 8)
    for size, message in ((0, "size >= 1"), (BATCH - 1, "cannot give a batch")):
        with pytest.raises(ValueError, match=message):
            select(selection.candidates(selection.greedy(), size), CRITERIA["d_optimal"][0], (scores, data))


def test_candidates_ties_go_to_the_first_index():
    data = jnp.zeros(N), jnp.arange(N) * 1.0
    batch = select(selection.candidates(selection.greedy(), 6), criteria.score(), data)
    assert batch.indices.tolist() == [9, 8, 7, 6, 5]


def regret_oracle(array, start, z, available, size, eta):
    """Every formula as it is written, with dense matrices."""
    p, each = array.shape[2], testing.fisher(array)
    values, vectors = np.linalg.eigh(start + np.einsum("n,npq->pq", z, each))
    w = vectors @ np.diag(values**-0.5) @ vectors.T
    each, base = w @ each @ w, w @ start @ w / size
    total, picks = np.zeros((p, p)), []
    for _ in range(size):
        spectrum = np.linalg.eigvalsh(eta * total)
        low, high = -spectrum[0] + 1e-13, -spectrum[0] + np.sqrt(p)
        for _ in range(200):
            nu = (low + high) / 2
            low, high = (nu, high) if ((nu + spectrum) ** -2).sum() > 1 else (low, nu)
        leader = nu * np.eye(p) + eta * total
        trace = np.trace(np.linalg.inv(leader + eta * base + eta * each), axis1=1, axis2=2)
        trace[[i for i in range(len(each)) if not available[i] or i in picks]] = np.inf
        picks.append(int(np.argmin(trace)))
        total = total + base + each[picks[-1]]
    return picks


@pytest.mark.parametrize("eta", [1.0, 5.0])
def test_regret_minimisation_equals_its_definition(eta):
    from alfi.design import regret

    for seed in range(4):
        data = data_of(seed)
        array = testing.write_out(data)
        start = testing.information(array, WEIGHTS, 0.2)
        z = np.random.default_rng(seed).dirichlet(np.ones(N)) * BATCH
        got = jax.jit(regret, static_argnums=4)(
            data, jnp.asarray(start), jnp.asarray(z), jnp.asarray(AVAILABLE), BATCH, jnp.asarray(eta)
        )
        assert got.tolist() == regret_oracle(array, start, z, AVAILABLE, BATCH, eta)


def test_refusals():
    for rule, message in (
        (lambda: selection.exchange(0), "starts >= 1"),
        (lambda: selection.ftrl(()), "positive learning rates"),
        (lambda: select(selection.ftrl(), criteria.score(), jnp.asarray(SCORES)), "needs Factors"),
    ):
        with pytest.raises(ValueError, match=message):
            rule()
