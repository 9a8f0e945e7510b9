"""Bounds against the exhaustive optimum, what a certificate says of a batch, deletion, and rounding."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.tree_util import Partial

from alfi import criteria, design, selection, testing
from alfi.criteria.soft_minimum import smoothed
from alfi.design.deletion import supporting
from alfi.design.iterate import evaluate, problem, room
from alfi.fisher import DenseFactors
from alfi.typing import Known, Selection

pytestmark = pytest.mark.slow  # minutes of compilation together: make test-slow

N, K, PRIOR, INF = 14, 4, 0.1, float("inf")
WEIGHTS = (np.arange(N) < 2) * 1.0
AVAILABLE = np.arange(N) > 2  # one row is neither labelled nor available
OPTIONS = {"weights": jnp.asarray(WEIGHTS), "available": jnp.asarray(AVAILABLE)}


def smallest(m):
    return jnp.linalg.eigvalsh(m)[0]


def e_optimal(prior):
    e = criteria.from_matrix(Partial(smallest), prior_precision=prior, known=Known(concave=True, degree=1))
    return e._replace(smoothed=Partial(smoothed, jnp.asarray(prior, float)))


# name: (criterion, target -> objective in NumPy, gap of the relaxation that solve must reach)
CRITERIA = {
    "d_optimal": (criteria.d_optimal(prior_precision=PRIOR), lambda target: testing.log_det, 1e-5),
    "v_optimal": (criteria.v_optimal(prior_precision=PRIOR), testing.minus_variance, 1e-5),
    "e_optimal": (e_optimal(PRIOR), lambda target: lambda m: np.linalg.eigvalsh(m)[..., 0], 1e-3),
}
criterion = pytest.mark.parametrize("name", CRITERIA)


def data_of(seed, r=2, p=4):
    return testing.dense(jax.random.key(seed), N, r, p)


@functools.partial(jax.jit, static_argnames="method")
def solve(criterion, data, method="pairwise"):
    return design.solve(criterion, data, budget=float(K), method=method, iterations=100, **OPTIONS)


@jax.jit
def certify(criterion, data, found, z):
    batch = selection.greedy()(
        jax.random.key(0), criterion, data, OPTIONS["weights"], OPTIONS["available"], K, population=jnp.ones(N)
    )
    tangent = design.bound(criterion, data, z, budget=float(K), **OPTIONS)
    path = design.submodular_bound(criterion, data, batch.indices, **OPTIONS)
    return batch, tangent, path, design.efficiency(batch, criterion, data, design=found, **OPTIONS)


@functools.cache
def exhaustive(name, seed):
    """The values of all batches, and of the labelled set."""
    array = testing.write_out(data_of(seed))
    value = CRITERIA[name][1](testing.information(array, np.ones(N) / N))
    start, each = testing.information(array, WEIGHTS, PRIOR), testing.fisher(array)
    batches = np.array(list(itertools.combinations(np.flatnonzero(AVAILABLE), K)))
    return value(start + each[batches].sum(axis=1)), value(start[None])[0]


@criterion
@pytest.mark.parametrize("seed", range(4))
def test_bounds_hold_against_the_exhaustive_optimum(name, seed):
    chosen, _, gap = CRITERIA[name]
    data = data_of(seed)
    values, labelled = exhaustive(name, seed)
    best = values.max()
    found = solve(chosen, data)
    z = jnp.asarray(np.random.default_rng(seed).uniform(size=N) * AVAILABLE)
    _, tangent, path, report = certify(chosen, data, found, z)
    assert best - 1e-9 <= found.bound <= found.value + gap * abs(float(found.value)) + gap
    assert best - 1e-9 <= tangent
    assert (best - 1e-9 <= path) if chosen.known.submodular else np.isnan(path)
    assert best - 1e-9 <= report.bound <= np.nanmin([found.bound, path]) + 1e-12
    np.testing.assert_allclose(jnp.sum(found.weights), K, rtol=1e-12)
    assert ((found.weights >= 0) & (found.weights <= 1)).all()
    assert jnp.sum(jnp.where(AVAILABLE, 0, found.weights)) == 0
    np.testing.assert_allclose([report.labelled, report.gap], [labelled, report.bound - report.value], rtol=1e-9)
    assert report.value <= best + 1e-9
    assert report.fraction <= (report.value - labelled) / (best - labelled) + 1e-9
    assert np.isnan(report.classical)


@pytest.mark.parametrize("method", ["multiplicative", "mirror"])
@pytest.mark.parametrize("name", ["d_optimal", "v_optimal"])
def test_other_methods_agree(name, method):
    found, other = solve(CRITERIA[name][0], data_of(0)), solve(CRITERIA[name][0], data_of(0), method)
    assert other.value <= found.bound + 1e-9
    assert other.bound >= found.value - 1e-9
    np.testing.assert_allclose(other.value, found.value, rtol=1e-3)


def test_a_criterion_that_gives_only_its_value_is_solved_by_mirror_ascent():
    bare = CRITERIA["d_optimal"][0]._replace(sensitivity=None)
    found, other = solve(CRITERIA["d_optimal"][0], data_of(1)), solve(bare, data_of(1), "mirror")
    np.testing.assert_allclose(other.value, found.value, rtol=1e-3)
    with pytest.raises(ValueError, match="mirror"):
        solve(bare, data_of(1))


def test_for_small_batches_the_path_bounds_better_than_the_relaxation():
    data = data_of(3, r=1, p=12)
    found = solve(CRITERIA["d_optimal"][0], data)
    _, _, path, report = certify(CRITERIA["d_optimal"][0], data, found, found.weights)
    assert path < found.bound - 0.1
    assert report.bound <= path


def test_without_concavity_there_is_no_bound():
    unknown = criteria.from_matrix(smallest, prior_precision=PRIOR)
    options = OPTIONS | {"budget": float(K), "method": "mirror", "iterations": 3}
    assert np.isnan(design.solve(unknown, data_of(0), **options).bound)
    known = design.solve(unknown, data_of(0), concave=True, **options)
    assert known.bound >= exhaustive("e_optimal", 0)[0].max() - 1e-9


def test_a_budget_that_does_not_fit_is_reported():
    found = design.solve(criteria.d_optimal(), testing.one_hot([1.0, 2.0]), budget=3.0, iterations=2)
    assert np.isnan([found.value, found.bound]).all()
    with pytest.raises(ValueError, match="budget must be positive; got 0"):
        design.solve(criteria.d_optimal(), testing.one_hot([1.0, 2.0]), budget=0)
    with pytest.raises(ValueError, match="method must be one of"):
        design.solve(criteria.d_optimal(), testing.one_hot([1.0, 2.0]), budget=1, method="newton")
    with pytest.raises(ValueError, match="weights must have length 2"):
        design.solve(criteria.d_optimal(), testing.one_hot([1.0, 2.0]), budget=1, weights=jnp.ones(3))


def test_it_is_computed_in_float64():
    data = jax.tree.map(lambda x: x.astype(jnp.float32), data_of(0))
    found = solve(CRITERIA["d_optimal"][0], data)
    assert found.weights.dtype == found.bound.dtype == jnp.float64
    np.testing.assert_allclose(found.value, solve(CRITERIA["d_optimal"][0], data_of(0)).value, rtol=1e-6)


@pytest.mark.parametrize(
    ("prior", "labelled", "budget", "cap"), [(0.0, 0, 1.0, INF), (0.5, 3, 5.0, INF), (0.5, 3, 20.0, 1.0)]
)
def test_deletion_spares_the_support_of_the_optimum(prior, labelled, budget, cap):
    n, d_optimal = 300, criteria.d_optimal(prior_precision=prior)
    data = testing.dense(jax.random.key(8), n, 2, 4)
    weights = (jnp.arange(n) < labelled) * 1.0
    run = jax.jit(
        lambda method, count: design.solve(
            d_optimal, data, weights=weights, budget=budget, cap=cap, method=method, iterations=count
        ),
        static_argnums=(0, 1),
    )
    best = run("pairwise", 300)
    assert best.bound - best.value < 1e-5
    task = problem(d_optimal, data, weights, None, None, budget, cap)
    for count in (30, 300):
        at = evaluate(task, run("multiplicative", count).weights)
        held = supporting(task, at, room(task, at))
        assert held[best.weights > 1e-4].all()
    assert held.sum() < (n / 2 if cap == INF else n - 50)


LINE = DenseFactors(jnp.asarray(np.linspace(-1, 1, 11)[:, None] ** np.arange(3))[:, None])


@jax.jit
def repeatable(batch, criterion, data):
    return design.efficiency(batch, criterion, data, cap=INF)


def test_classical_efficiency_is_the_share_of_the_budget():
    grid = np.array(list(itertools.product([-1.0, 0.0, 1.0], repeat=3)))
    pairs = [grid[:, i] * grid[:, j] for i in range(3) for j in range(i, 3)]
    data = DenseFactors(jnp.asarray(np.c_[np.ones(27), grid, np.stack(pairs, axis=1)])[:, None])
    batch = Selection(jnp.arange(0, 27, 2), jnp.zeros(14))
    report = repeatable(batch, criteria.d_optimal(prior_precision=0.0), data)
    np.testing.assert_allclose(report.classical, 0.4630447419 / 0.4744782067, rtol=1e-6)
    with_prior = repeatable(batch, criteria.d_optimal(prior_precision=0.1), data)
    assert np.isnan(with_prior.classical)
    assert 0.9 < with_prior.fraction < 1
    v_optimal = criteria.v_optimal(prior_precision=0.0)
    batch = Selection(jnp.asarray([0, 5, 5, 10, 10]), jnp.zeros(5))
    report = repeatable(batch, v_optimal, LINE)
    np.testing.assert_allclose(report.classical, report.bound / report.value, rtol=1e-12)
    assert 0.8 < report.classical < 1


def test_apportionment_keeps_the_support_and_its_efficiency():
    rng = np.random.default_rng(0)
    for size in (6, 7, 20, 101):
        w = rng.dirichlet(np.ones(6))
        counts = np.asarray(design.apportion(jnp.asarray(np.r_[w, 0.0]), size))
        assert counts.sum() == size
        assert (counts[:6] >= 1).all()
        assert counts[6] == 0
        # Efficient: no unit can move so that the smallest of n_i / w_i grows.
        assert (counts[:6, None] / w[:, None]).min() >= ((counts[:6] - 1) / w).max() - 1e-9
    np.testing.assert_array_equal(design.apportion(jnp.asarray([0.25, 0.5, 0.25]), 8), [2, 4, 2])


@functools.partial(jax.jit, static_argnames="method")
def rounded(criterion, data, z, method):
    return design.round(z, criterion, data, K, method=method, **OPTIONS)


@pytest.mark.parametrize("name", ["d_optimal", "v_optimal"])
def test_rounding(name):
    chosen = CRITERIA[name][0]
    for seed in range(3):
        data, (values, labelled) = data_of(seed), exhaustive(name, seed)
        found = solve(chosen, data)
        reached = {}
        for method in ("greedy", "exchange", "ftrl"):
            batch = np.asarray(rounded(chosen, data, found.weights, method).indices)
            assert len(set(batch)) == K
            assert AVAILABLE[batch].all()
            after = jnp.asarray(WEIGHTS).at[batch].add(1.0)
            reached[method] = float(chosen.value(chosen.init(data, after, jnp.ones(N))))
        assert reached["greedy"] <= reached["exchange"] + 1e-9
        assert max(reached.values()) <= values.max() + 1e-9
        assert (min(reached.values()) - labelled) / (values.max() - labelled) > 0.9
    counts = design.apportion(found.weights, K)
    repeated = rounded(chosen, data, found.weights, "apportion").indices
    np.testing.assert_array_equal(np.bincount(repeated, minlength=N), counts)
    with pytest.raises(ValueError, match="method must be one of"):
        design.round(found.weights, chosen, data, K, method="up", **OPTIONS)


def test_fisher_information_ratio_of_the_searches():
    """A small version of a comparison on multinomial problems: values over the certified optimum, lower is better."""
    n, batch, rng = 120, 12, np.random.default_rng(2)
    features = np.c_[np.ones(n), rng.standard_normal((n, 3))]
    logits = features @ rng.standard_normal((4, 3))
    q = np.exp(logits - logits.max(axis=1, keepdims=True))
    q = np.sqrt(q / q.sum(axis=1, keepdims=True))[:, :, None]
    root = np.linalg.svd(np.eye(3) - q @ q.transpose(0, 2, 1))[0][:, :, :2] * q  # rank c - 1, of diag(p) - p p^T
    contrasts = np.linalg.svd(np.eye(3) - 1 / 3)[0][:, :2]
    array = np.einsum("ncr,cq,nd->nrqd", root, contrasts, features).reshape(n, 2, 8)
    data, weights = DenseFactors(jnp.asarray(array)), jnp.asarray((np.arange(n) < 4) * 1.0)
    v_optimal = criteria.v_optimal(prior_precision=1e-3)
    found = jax.jit(lambda: design.solve(v_optimal, data, weights=weights, budget=float(batch), iterations=200))()
    assert found.bound / found.value > 0.999
    rules = {
        "greedy": selection.greedy(),
        "ftrl": selection.ftrl(),
        "forward_backward": selection.forward_backward(),
        "exchange": selection.exchange(),
        "random": selection.power(0.0),
    }
    ratio = {}
    for name, rule in rules.items():
        picked = jax.jit(
            lambda rule=rule: rule(
                jax.random.key(1), v_optimal, data, weights, weights == 0, batch, population=jnp.ones(n)
            )
        )()
        value = v_optimal.value(v_optimal.init(data, weights.at[picked.indices].add(1.0), jnp.ones(n)))
        ratio[name] = float(value / found.bound)
    assert min(ratio.values()) >= 1
    assert ratio["exchange"] <= ratio["greedy"] + 1e-9
    assert ratio["ftrl"] < 1.5
    assert ratio["random"] > 1.5 * ratio["exchange"]
