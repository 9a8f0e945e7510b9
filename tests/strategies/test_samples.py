"""The strategies of posterior samples against scores in NumPy, on the same members."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import alfi
from alfi import fisher, likelihoods, strategies, testing

N, M, C, K = 24, 5, 3, 4
MODEL, LIKELIHOOD = testing.network(C), likelihoods.categorical()


@functools.cache
def problem(outputs=C):
    model = testing.network(outputs)
    pool = alfi.pool(testing.normal(jax.random.key(1), (N, 5)), labelled=[0, 3])
    shapes = jax.eval_shape(model.init, jax.random.key(0), pool.x)
    members = jax.tree.map(lambda leaf: testing.normal(jax.random.key(2), (M, *leaf.shape)), shapes)
    return alfi.Fitted(jax.tree.map(lambda leaf: leaf[0], members), members), pool


@functools.cache
def outputs(c=C):
    fitted, pool = problem(c)
    model = testing.network(c)
    return np.stack([model.apply(jax.tree.map(lambda x, k=k: x[k], fitted.members), pool.x) for k in range(M)])


def run(strategy, fitted, pool, size=K):
    return jax.jit(lambda fitted, pool: strategy.select(jax.random.key(0), fitted, pool, size))(fitted, pool)


def table():
    """[m, n, c]."""
    e = np.exp(outputs())
    return e / e.sum(axis=2, keepdims=True)


def entropy(p):
    return -np.sum(p * np.log(p), axis=-1)


def vote(p):
    shares = [np.bincount(row, minlength=C) / M for row in p.argmax(axis=2).T]
    return 1 - np.max(shares, axis=1)


def epig(p):
    """From the joint tables of every pair, by loops."""
    scores = np.zeros(N)
    for i in range(N):
        for j in range(N):
            joint = np.einsum("ma,mb->ab", p[:, i], p[:, j]) / M
            apart = np.outer(p[:, i].mean(axis=0), p[:, j].mean(axis=0))
            scores[i] += np.sum(joint * np.log(joint / apart)) / N
    return scores


SCORES = {
    "bald": ({}, lambda p: entropy(p.mean(axis=0)) - entropy(p).mean(axis=0)),
    "mean_std": ({}, lambda p: np.sqrt((p**2).mean(axis=0) - p.mean(axis=0) ** 2).mean(axis=1)),
    "variation_ratio": ({}, lambda p: 1 - p.mean(axis=0).max(axis=1)),
    "variation_ratio by votes": ({"votes": True}, vote),
    "epig": ({}, epig),
}


def best(scores):
    """The first k of the unlabelled, ties by index."""
    return np.argsort(np.where(problem()[1].available, -np.round(scores, 12), np.inf), kind="stable")[:K]


@pytest.mark.parametrize("name", SCORES)
def test_scores_are_those_of_the_members(name):
    options, score = SCORES[name]
    strategy = getattr(strategies, name.split()[0])(MODEL, LIKELIHOOD, posterior="members", **options)
    batch = run(strategy, *problem())
    scores = score(table())
    np.testing.assert_array_equal(batch.indices, best(scores))
    np.testing.assert_allclose(batch.gains, scores[np.asarray(batch.indices)], rtol=1e-8)


def test_least_confidence_is_of_the_model_and_tells_apart_what_it_is_sure_of():
    fitted, pool = problem()
    batch = strategies.least_confidence(MODEL, LIKELIHOOD).select(jax.random.key(0), fitted, pool, K)
    f = np.asarray(MODEL.apply(fitted.variables, pool.x))
    p = np.exp(f) / np.exp(f).sum(axis=1, keepdims=True)
    np.testing.assert_array_equal(batch.indices, best(1 - p.max(axis=1)))
    logits = jnp.asarray([[0.0, 40.0, 0.0], [0.0, 30.0, 0.0], [0.0, 35.0, 0.0]], jnp.float32)
    plain = alfi.models.from_function(lambda variables, x: x)
    sure = strategies.least_confidence(plain, LIKELIHOOD)
    assert sure.select(jax.random.key(0), alfi.Fitted(alfi.Variables(())), alfi.pool(logits), 3).indices.tolist() == [
        1,
        2,
        0,
    ]


def test_batch_bald_is_greedy_in_the_joint_entropy():
    """As in seeds: the table of all label configurations, by NumPy."""
    p, available = table().transpose(1, 0, 2), np.asarray(problem()[1].available)
    conditional, joint, chosen, gains = entropy(p).mean(axis=1), np.ones((1, M)), [], []
    for _ in range(K):
        q = np.einsum("xm,nmc->nxc", joint, p) / M
        scores = -(q * np.log(q)).sum(axis=(1, 2)) - conditional - sum(conditional[i] for i in chosen)
        scores = np.where(available & ~np.isin(np.arange(N), chosen), scores, -np.inf)
        chosen.append(int(scores.argmax()))
        gains.append(scores.max() - sum(gains))
        joint = (joint[:, :, None] * p[chosen[-1]][None]).transpose(0, 2, 1).reshape(-1, M)
    strategy = strategies.batch_bald(MODEL, LIKELIHOOD, posterior="members", configurations=128)
    batch = run(strategy, *problem())
    assert batch.indices.tolist() == chosen
    np.testing.assert_allclose(batch.gains, gains, rtol=1e-8)


def test_power_bald_draws_in_proportion_to_bald():
    fitted, pool = problem()
    strategy = strategies.power_bald(MODEL, LIKELIHOOD, posterior="members", beta=2.0)
    draw = jax.jit(jax.vmap(lambda key: strategy.select(key, fitted, pool, 1).indices[0]))
    counts = np.bincount(np.asarray(draw(jax.random.split(jax.random.key(0), 20000))), minlength=N)
    p = table()
    mass = np.where(pool.available, (entropy(p.mean(axis=0)) - entropy(p).mean(axis=0)) ** 2, 0)
    expected = 20000 * mass / mass.sum()
    assert np.all(np.abs(counts - expected) <= 5 * np.sqrt(expected) + 1)


@pytest.mark.parametrize("c", [1, 2])
def test_regression_by_the_covariance_of_the_members(c):
    """The information of a normal label, and the ensemble's spread."""
    covariance = np.array([[0.5]]) if c == 1 else np.array([[0.5, 0.1], [0.1, 0.3]])
    model, likelihood = testing.network(c), likelihoods.gaussian(covariance=covariance)
    f = outputs(c)
    spread = np.einsum("mna,mnb->nab", f - f.mean(axis=0), f - f.mean(axis=0)) / M
    information = np.linalg.slogdet(np.eye(c) + spread @ np.linalg.inv(covariance))[1] / 2
    scores = {"bald": information, "mean_std": f.std(axis=0).mean(axis=1)}
    for name, expected in scores.items():
        strategy = getattr(strategies, name)(model, likelihood, posterior="members")
        batch = run(strategy, *problem(c))
        np.testing.assert_array_equal(batch.indices, best(expected))
        np.testing.assert_allclose(batch.gains, expected[np.asarray(batch.indices)], rtol=1e-8)


def test_sites_add_up_in_bald_and_average_in_mean_std():
    """A site that is there twice counts twice."""
    doubled = lambda key, fitted, pool: jnp.asarray(np.stack([outputs(), outputs()], axis=2))  # noqa: E731
    for name, times in (("bald", 2), ("mean_std", 1), ("variation_ratio", 1)):
        one, two = (
            run(getattr(strategies, name)(MODEL, LIKELIHOOD, posterior=p), *problem()) for p in ("members", doubled)
        )
        np.testing.assert_array_equal(one.indices, two.indices)
        np.testing.assert_allclose(two.gains, times * one.gains)


def test_gaussian_epig_is_that_of_the_linearised_model():
    """One pick: the correlation of the two predictions, noise included."""
    model, likelihood = testing.network(1), likelihoods.gaussian(0.5)
    fitted, pool = problem(1)
    strategy = strategies.epig(model, likelihood, posterior="gaussian", prior_precision=0.2)
    batch = run(strategy, fitted, pool, 1)
    h = np.c_[np.asarray(model.features(fitted.variables, pool.x)), np.ones(N)] / 0.5
    covariance = np.linalg.inv(0.2 * np.eye(5) + h[[0, 3]].T @ h[[0, 3]])
    s = h @ covariance @ h.T
    rho2 = s**2 / np.outer(np.diag(s) + 1, np.diag(s) + 1)
    np.fill_diagonal(rho2, (np.diag(s) / (np.diag(s) + 1)) ** 2)  # another label of the same input
    scores = -0.5 * np.log(1 - rho2).mean(axis=1)
    assert batch.indices.tolist() == best(scores)[:1].tolist()
    np.testing.assert_allclose(batch.gains, scores[batch.indices[0]][None], rtol=1e-8)


def test_bald_by_laplace_approaches_the_information_of_the_linear_model():
    """For normal labels both are known: many samples give ``1/2 log(1 + h^T S h / s^2)``."""
    model, likelihood = testing.network(1), likelihoods.gaussian(0.5)
    fitted, pool = problem(1)
    strategy = strategies.bald(model, likelihood, samples=4000, prior_precision=0.2)
    batch = run(strategy, fitted, pool, 3)
    factors = fisher.last_layer(model, likelihood)(jax.random.key(0), fitted, pool)
    exact = alfi.score(alfi.criteria.eig(prior_precision=0.2), factors, weights=pool.labelled.astype(float))
    np.testing.assert_allclose(batch.gains, exact[batch.indices], rtol=0.05)


@pytest.mark.parametrize(
    "name", ["batch_bald", *(pytest.param(n, marks=pytest.mark.slow) for n in ("bald", "epig", "mean_std"))]
)
def test_what_is_drawn_at_random_is_only_the_members(name):
    """With the same members the picks are those of float32, and of a permuted pool."""
    fitted, pool = problem()
    options = {"configurations": 128} if name == "batch_bald" else {}
    strategy = getattr(strategies, name)(MODEL, LIKELIHOOD, posterior="members", **options)
    batch, order = run(strategy, fitted, pool), np.random.default_rng(0).permutation(N)
    permuted = run(strategy, fitted, jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf)[order]), pool))
    np.testing.assert_array_equal(order[np.asarray(permuted.indices)], batch.indices)
    single = jax.tree.map(lambda x: x.astype(np.float32) if x.dtype == np.float64 else x, (fitted, pool))
    np.testing.assert_array_equal(run(strategy, *single).indices, batch.indices)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["bald", "batch_bald", "epig", "mean_std", "power_bald", "variation_ratio"])
@pytest.mark.parametrize("posterior", ["laplace", "dropout"])
def test_every_source_of_samples_serves_every_strategy(name, posterior):
    _, pool = problem()
    model = alfi.models.mlp(C, hidden=(8,), dropout=0.5)
    fitted = alfi.Fitted(jax.jit(model.init)(jax.random.key(0), pool.x))
    batch = run(getattr(strategies, name)(model, LIKELIHOOD, posterior=posterior, samples=8), fitted, pool)
    assert len(set(batch.indices.tolist())) == K
    assert np.asarray(pool.available)[np.asarray(batch.indices)].all()
    assert np.all(np.asarray(batch.gains) >= 0)
