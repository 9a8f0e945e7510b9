"""Strategies of clusters and distances against NumPy, written from the papers and read one example at a time."""

import functools
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import alfi
from alfi import clustering, embeddings, likelihoods, strategies, testing
from alfi.strategies.prob_cover import by_coverage, pure_radius
from alfi.strategies.typiclust import typicality

N, BATCH = 40, 5
MODEL, REGRESSOR = testing.network(3), testing.network(2)
X = np.asarray(testing.normal(jax.random.key(0), (N, 3))) * np.array([1.0, 5.0, 0.2]) + 3
RAW = embeddings.as_factors(embeddings.inputs())
D = np.linalg.norm(X[:, None] - X[None], axis=2)


def make(labelled=(4, 9, 30), y=None, **options):
    return alfi.pool(jnp.asarray(X), y, labelled=list(labelled), **options)


def picks(strategy, pool, fitted=None, key=0, size=BATCH):
    fitted = alfi.Fitted(None) if fitted is None else fitted
    return jax.jit(lambda key, pool: strategy.select(key, fitted, pool, size))(jax.random.key(key), pool)


@functools.cache
def trained(model):
    return alfi.Fitted(model.init(jax.random.key(1), jnp.asarray(X[:1])))


# --- greedy sampling


def z(values, rows):
    return (values - values[rows].mean(axis=0)) / values[rows].std(axis=0)


def greedy_sampling(x, y, labelled, size, use):
    """Wu, Lin & Huang, algorithms 1-3; y holds labels, and predictions where there is none."""
    chosen, batch = list(labelled), []
    for _ in range(size):
        scores = []
        for i in range(len(x)):
            if i in chosen:
                scores.append(-np.inf)
            elif not chosen:
                scores.append(-sum(np.linalg.norm(x[i] - other) for other in x))
            else:
                dx = [np.linalg.norm(x[i] - x[m]) for m in chosen]
                dy = [np.linalg.norm(y[i] - y[m]) for m in chosen]
                scores.append(min({"x": a, "y": b, "xy": a * b}[use] for a, b in zip(dx, dy, strict=True)))
        batch.append(int(np.argmax(scores)))
        chosen.append(batch[-1])
    return batch


@pytest.mark.parametrize("labelled", [(), (4, 9, 30)])
def test_gs_x_is_that_of_the_paper(labelled):
    x = z(X, np.arange(N))
    expected = greedy_sampling(x, np.zeros((N, 1)), labelled, BATCH, "x")
    assert picks(strategies.gs_x(MODEL, likelihoods.gaussian()), make(labelled)).indices.tolist() == expected


@pytest.mark.slow
@pytest.mark.parametrize(("name", "use"), [("gs_y", "y"), ("igs", "xy")])
def test_sampling_in_the_outputs_is_that_of_the_paper(name, use):
    """Picks of the batch count with their predictions; labels are z-scored, and predictions by the labels."""
    labelled, fitted = [4, 9, 30], trained(REGRESSOR)
    y = np.random.default_rng(0).normal(size=(N, 2)) * [3.0, 0.1]
    values = np.asarray(REGRESSOR.apply(fitted.variables, jnp.asarray(X))).copy()
    values[labelled] = y[labelled]
    expected = greedy_sampling(z(X, np.arange(N)), z(values, labelled), labelled, BATCH, use)
    strategy = getattr(strategies, name)(REGRESSOR, likelihoods.gaussian())
    assert picks(strategy, make(y=jnp.asarray(y)), fitted).indices.tolist() == expected
    # With fewer labels than `first`, the batch is that of GSx.
    early = getattr(strategies, name)(REGRESSOR, likelihoods.gaussian(), first=4)
    passive = greedy_sampling(z(X, np.arange(N)), values, labelled, BATCH, "x")
    assert picks(early, make(y=jnp.asarray(y)), fitted).indices.tolist() == passive != expected


def test_of_a_heteroscedastic_head_the_means_count():
    fitted, y = trained(REGRESSOR), jnp.asarray(np.random.default_rng(1).normal(size=N))
    mean = REGRESSOR._replace(apply=lambda variables, x: REGRESSOR.apply(variables, x)[:, :1])
    both = picks(strategies.igs(REGRESSOR, likelihoods.heteroscedastic_gaussian()), make(y=y), fitted)
    assert (
        both.indices.tolist() == picks(strategies.igs(mean, likelihoods.gaussian()), make(y=y), fitted).indices.tolist()
    )


@pytest.mark.parametrize("y", [jnp.zeros(N, int), jnp.zeros((N, 3))])
def test_sampling_in_the_outputs_refuses_classes_and_other_numbers_of_outputs(y):
    with pytest.raises(ValueError, match="is for regression"):
        picks(strategies.gs_y(REGRESSOR, likelihoods.gaussian()), make(y=y), trained(REGRESSOR))


# --- clusters


def lloyd(points, centres, steps=100):
    for _ in range(steps):
        members = np.argmin(((points[:, None] - centres[None]) ** 2).sum(axis=2), axis=1)
        centres = np.stack([points[members == k].mean(axis=0) for k in range(len(centres))])
    return members, centres


@pytest.mark.parametrize("count", [1, 3, 7])
def test_k_means_is_a_fixed_point_of_lloyds_steps_and_far_better_than_chance(count):
    points = np.concatenate([X, [[100.0, 0, 0]] * 3])  # padding
    weights = jnp.asarray(np.r_[np.ones(N), np.zeros(3)])
    run = jax.jit(lambda key, count: clustering.k_means(key, jnp.asarray(points), 9, count=count, weights=weights))
    centres, members = (np.asarray(part) for part in run(jax.random.key(0), count))
    expected_members, expected_centres = lloyd(X, centres[:count], 1)
    np.testing.assert_array_equal(members[:N], expected_members)
    np.testing.assert_allclose(centres[:count], expected_centres, atol=1e-10)
    assert set(members[:N]) == set(range(count))
    inertia = ((X - centres[members[:N]]) ** 2).sum()
    random = np.random.default_rng(0)
    seeds = [X[random.choice(N, count, replace=False)] for _ in range(50)]
    assert inertia <= np.median([((X[:, None] - seed) ** 2).sum(axis=2).min(axis=1).sum() for seed in seeds])


def test_k_means_seeds_by_squared_distance():
    """Of three points the second seed is the far one with probability 81 / 82 if the first is at 0."""
    points = jnp.array([[0.0], [1.0], [9.0]])
    one = jax.jit(lambda key: clustering.k_means(key, points, 2, iterations=1).members)
    members = np.asarray(jax.vmap(one)(jax.random.split(jax.random.key(0), 2000)))
    together = np.mean(members[:, 0] == members[:, 1])
    # first 0: 81/82 far; first 1: 64/65 far; first 9: 81 (0) and 64 (1), both leave {0, 1} together
    assert abs(together - (81 / 82 + 64 / 65 + 1) / 3) < 0.01


@pytest.mark.parametrize(("limit", "iterations"), [(0, 5), (N + 1, 5), (3, 0)])
def test_k_means_refuses_what_it_cannot_do(limit, iterations):
    with pytest.raises(ValueError, match="k_means needs"):
        clustering.k_means(jax.random.key(0), jnp.asarray(X), limit, iterations=iterations)


def test_typicality_is_the_inverse_mean_distance_to_neighbours_in_the_cluster():
    members = np.arange(N) % 3
    members[7] = 5  # alone
    population = (np.arange(N) != 11).astype(float)
    actual = typicality(jnp.asarray(X), jnp.asarray(members), jnp.asarray(population), 4)
    for i in np.flatnonzero(population):
        mates = [j for j in range(N) if members[j] == members[i] and j != i and population[j]]
        number = min(4, max(1, (len(mates) + 1) // 2))
        expected = 1 / np.mean(np.sort(D[i, mates])[:number]) if mates else 0
        np.testing.assert_allclose(actual[i], expected, rtol=1e-9)


def test_typiclust_takes_the_most_typical_of_clusters_in_turn(monkeypatch):
    """The clustering is given; what is done with it is the paper's, in NumPy."""

    members = np.random.default_rng(3).choice(6, N, p=[0.3, 0.2, 0.2, 0.15, 0.1, 0.05])
    labelled, smallest = [4, 9, 30], 3

    def given(key, points, limit, **options):
        return clustering.Clusters(points[:limit], jnp.asarray(members))

    monkeypatch.setattr(sys.modules["alfi.strategies.typiclust"], "k_means", given)
    size = 9
    strategy = strategies.typiclust(MODEL, likelihoods.categorical(), embedding=RAW, smallest=smallest)
    batch = picks(strategy, make(labelled), size=size)

    sizes, known = np.bincount(members, minlength=6), np.bincount(members[labelled], minlength=6)
    order = sorted((k for k in range(6) if sizes[k] > smallest), key=lambda k: (known[k], -sizes[k], k))
    density = np.asarray(typicality(jnp.asarray(X), jnp.asarray(members), jnp.ones(N), 20))
    expected, left = [], [i for i in range(N) if i not in labelled]
    for turn in range(size):
        mine = [i for i in left if members[i] == order[turn % len(order)]]
        expected.append(max(mine, key=lambda i: density[i]))
        left.remove(expected[-1])
    assert batch.indices.tolist() == expected
    np.testing.assert_allclose(batch.gains, density[expected])


def test_typiclust_covers_separate_clusters_with_one_label_each():
    centres = np.array([[0.0, 0], [30, 0], [0, 30], [30, 30]])
    x = jnp.asarray(np.repeat(centres, 12, axis=0) + np.random.default_rng(0).normal(size=(48, 2)))
    strategy = strategies.typiclust(MODEL, likelihoods.categorical(), embedding=RAW)
    batch = picks(strategy, alfi.pool(x, labelled=[3]), size=3)
    assert sorted(np.asarray(batch.indices) // 12) == [1, 2, 3]


# --- covering


def test_prob_cover_is_greedy_coverage():
    radius, chosen = 2.0, [4, 9, 30]
    batch = picks(strategies.prob_cover(MODEL, likelihoods.categorical(), embedding=RAW, radius=radius), make())
    for index, gain in zip(batch.indices.tolist(), batch.gains, strict=True):
        open_ = ~(D[:, chosen] < radius).any(axis=1)
        counts = (open_[:, None] & (radius > D)).sum(axis=0)
        free = np.setdiff1d(np.arange(N), chosen)
        assert counts[index] == counts[free].max()
        assert counts[index] / N <= gain < (counts[index] + 0.5) / N  # ties are broken below one example's share
        chosen.append(index)


def test_ties_of_prob_cover_are_broken_at_random():
    """All is covered by the labelled examples: any of the rest is as good."""
    strategy = strategies.prob_cover(MODEL, likelihoods.categorical(), embedding=RAW, radius=1e3)
    pool = make()
    draw = jax.jit(jax.vmap(lambda key: strategy.select(key, alfi.Fitted(None), pool, 1).indices[0]))
    assert len(set(draw(jax.random.split(jax.random.key(0), 8)).tolist())) > 4


@pytest.mark.parametrize("purity", [0.5, 0.9, 1.0])
def test_the_radius_is_the_largest_of_enough_pure_balls(purity):
    members = (X[:, 1] > 3).astype(int)
    population = np.r_[np.ones(N - 5), np.full(5, 2.0)]
    factors = alfi.fisher.DenseFactors(jnp.asarray(X)[:, None])
    radius = float(pure_radius(factors, jnp.asarray(members), jnp.asarray(population), purity))

    def share(radius):
        pure = [np.all(members[D[i] < radius] == members[i]) for i in range(N)]
        return np.average(pure, weights=population)

    assert share(radius * (1 - 1e-9)) >= purity > share(radius * (1 + 1e-9))


@pytest.mark.slow
@pytest.mark.parametrize(
    "x", [pytest.param(np.zeros((N, 2)), marks=pytest.mark.slow), np.arange(N)[:, None] // 20 * np.ones((N, 2))]
)
def test_radius_where_examples_are_the_same(x):
    """All alike: one pseudo-label, pure at any radius. Without jit, a radius that is no number would be refused."""
    points = alfi.fisher.DenseFactors(jnp.asarray(x)[:, None])
    strategy = by_coverage(lambda key, fitted, pool: points, clusters=2)
    batch = strategy.select(jax.random.key(0), alfi.Fitted(None), alfi.pool(x), 3)
    assert len(set(batch.indices.tolist())) == 3
    np.testing.assert_allclose(batch.gains[0], np.mean(x[:, 0] == x[int(batch.indices[0]), 0]), atol=0.5 / N)


def test_max_herding_is_greedy_representation():
    pairs = D[np.triu_indices(N, 1)]
    bandwidth = np.sqrt((pairs**2).sum() * 2 / N**2) / 2
    similarity, chosen, expected = np.exp(-(D**2) / (2 * bandwidth**2)), [4, 9, 30], []
    for _ in range(BATCH):
        values = [similarity[:, [*chosen, i]].max(axis=1).mean() if i not in chosen else -1 for i in range(N)]
        expected.append(int(np.argmax(values)))
        chosen.append(expected[-1])
    strategy = strategies.max_herding(MODEL, likelihoods.categorical(), embedding=RAW)
    assert picks(strategy, make()).indices.tolist() == expected
    given = strategies.max_herding(MODEL, likelihoods.categorical(), embedding=RAW, bandwidth=bandwidth)
    assert picks(given, make()).indices.tolist() == expected


def test_stratified_random_takes_predicted_classes_in_turn():
    model, classes = MODEL._replace(apply=lambda variables, x: x), X.argmax(axis=1)
    present, size = np.unique(classes), 6
    assert len(present) == 3
    strategy = strategies.stratified_random(model, likelihoods.categorical())
    draw = jax.jit(lambda key: strategy.select(key, alfi.Fitted(None), make(()), size).indices)
    batches = [draw(jax.random.key(number)) for number in range(4)]
    for batch in batches:
        counts = np.bincount(classes[np.asarray(batch)], minlength=3)[present]
        room = np.bincount(classes, minlength=3)[present]
        assert np.all((counts >= counts.max() - 1) | (counts == room))
    assert len({tuple(batch.tolist()) for batch in batches}) == 4
    with pytest.raises(ValueError, match="needs classes"):
        strategies.stratified_random(MODEL, likelihoods.gaussian())
