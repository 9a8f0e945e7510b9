"""Every strategy of ``alfi.strategies`` runs this battery; one that draws at random is named in STOCHASTIC."""

import functools
import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import alfi
from alfi import likelihoods, strategies, testing

NAMES = [name for name in strategies.__all__ if name != "compose"]
STOCHASTIC = {"badge", "random", "vaal"}
STOCHASTIC |= {
    "bald",
    "batch_bald",
    "deep_ensemble",
    "epig",
    "mean_std",
    "power_bald",
    "variation_ratio",
}  # by posterior samples
STOCHASTIC |= {"approx_firal", "lcmd", "max_det"}  # by random projections
STOCHASTIC |= {"prob_cover", "stratified_random", "typiclust"}  # by k-means, or by chance
REGRESSION = {"gs_y", "igs"}  # labels are real numbers
# Rows that `make test-slow` runs: compiling them takes minutes.
LATER = {"a_optimal", "bald", "batch_bald", "e_optimal", "epig", "expected_gradient_length", "firal", "hybrid", "lcmd"}
LATER |= {"approx_firal", "deep_ensemble", "max_det", "mean_std", "phi_p", "power_bald", "variation_ratio", "vaal"}
LATER |= {"gs_x", "gs_y", "igs", "max_herding", "prob_cover", "stratified_random", "typiclust"}
LATER |= {"confident_coreset", "learning_loss", "least_confidence", "medal"}
SHOWN = {"bald", "lcmd", "medal"}  # but for one test; the others have tests of their own against NumPy
OPTIONS = {
    "vaal": {"steps": 10, "minibatch_size": 8, "width": 2, "latent": 3},
    "approx_firal": {"probes": 1},
    "lcmd": {"sketch": 4},
    "max_det": {"sketch": 4},
    "deep_ensemble": {"train": lambda key, start, *rest: alfi.training.Training(start, *rest[-2:])},
}  # small, so that it matters what is drawn
N, BATCH, CLASSES, PADDING = 26, 4, 3, 3
MODEL, LIKELIHOOD = testing.network(CLASSES), likelihoods.categorical()
REGRESSOR = testing.network(1), likelihoods.gaussian()
PREDICTOR = alfi.models.predictor(alfi.models.mlp(CLASSES, hidden=(6, 4)), steps=10, width=3)
DTYPES = [np.float32, np.float64]


def rows(names):
    return [pytest.param(name, marks=pytest.mark.slow if name in LATER else ()) for name in names]


ROWS = rows(NAMES)
every = pytest.mark.parametrize("name", ROWS)
deterministic = pytest.mark.parametrize("name", rows([name for name in NAMES if name not in STOCHASTIC]))
dtypes = pytest.mark.parametrize("dtype", DTYPES)


def parts(name):
    if name == "learning_loss":
        return PREDICTOR, LIKELIHOOD
    return REGRESSOR if name in REGRESSION else (MODEL, LIKELIHOOD)


def plain(name, fitted, pool, key):
    strategy = getattr(strategies, name)(*parts(name), **OPTIONS.get(name, {}))
    key_fit, key_select = jax.random.split(key)
    return strategy.select(key_select, strategy.fit(key_fit, fitted, pool), pool, BATCH)


compiled = jax.jit(plain, static_argnames="name")


def select(name, pool, dtype=np.float64, key=0):
    return compiled(name, fitted(dtype, name), real_labels(name, pool), jax.random.key(key))


def real_labels(name, pool):
    return pool._replace(y=jnp.sin(pool.y.astype(pool.population.dtype))) if name in REGRESSION else pool


@functools.cache
def fitted(dtype, name="d_optimal"):
    x = testing.normal(jax.random.key(1), (1, 5))
    variables = jax.jit(parts(name)[0].init)(jax.random.key(2), x)
    return alfi.Fitted(jax.tree.map(lambda leaf: leaf.astype(dtype) if leaf.dtype.kind == "f" else leaf, variables))


def make(dtype=np.float64, x=None, labelled=(1, 5, 8, 9), available=None):
    """A pool whose last rows are padding."""
    x = np.asarray(testing.normal(jax.random.key(3), (N, 5))) if x is None else x
    population = np.arange(N) < N - PADDING
    free = (
        population & ~np.isin(np.arange(N), [*labelled, 0]) if available is None else np.isin(np.arange(N), available)
    )
    return alfi.pool(
        jnp.asarray(x, dtype),
        jnp.arange(N) % CLASSES,
        labelled=jnp.asarray(np.isin(np.arange(N), labelled)),
        available=jnp.asarray(free),
        population=jnp.asarray(population, dtype),
    )


def check(batch, pool):
    indices = batch.indices.tolist()
    assert len(set(indices)) == BATCH
    assert np.asarray(pool.available)[indices].all()
    assert not np.isnan(batch.gains).any()


@every
def test_signature_is_model_likelihood_and_hyperparameters(name):
    model, likelihood, *rest = inspect.signature(getattr(strategies, name)).parameters.values()
    assert (model.name, likelihood.name) == ("model", "likelihood")
    assert all(p.kind is p.KEYWORD_ONLY and p.default is not p.empty for p in rest)


@pytest.mark.parametrize(
    ("name", "dtype"),
    [(name, np.float32) for name in NAMES if name not in LATER or name in SHOWN]
    + [pytest.param(name, np.float32, marks=pytest.mark.slow) for name in NAMES if name in LATER - SHOWN]
    + [pytest.param(*row.values, np.float64, marks=row.marks) for row in ROWS],
)
def test_picks_are_different_and_available(name, dtype):
    batch = select(name, make(dtype), dtype)
    check(batch, make(dtype))
    assert batch.gains.dtype == dtype


@deterministic
def test_float32_picks_what_float64_picks(name):
    single, double = (select(name, make(dtype), dtype) for dtype in DTYPES)
    np.testing.assert_array_equal(single.indices, double.indices)


@pytest.mark.slow
@pytest.mark.parametrize("name", rows([name for name in NAMES if name not in ("bait", "v_optimal")]))  # as d_optimal
def test_jit_equals_eager_and_a_key_gives_one_answer(name):
    first, again, eager = (
        select(name, make()),
        select(name, make()),
        plain(name, fitted(np.float64, name), real_labels(name, make()), jax.random.key(0)),
    )
    np.testing.assert_array_equal(first.indices, again.indices)
    np.testing.assert_array_equal(first.indices, eager.indices)
    np.testing.assert_allclose(first.gains, eager.gains, rtol=1e-8)


@pytest.mark.parametrize("name", rows(sorted(STOCHASTIC)))
def test_another_key_gives_another_answer(name):
    assert len({tuple(select(name, make(), key=key).indices.tolist()) for key in range(5)}) > 1


@deterministic
def test_keys_do_not_matter_where_nothing_is_drawn(name):
    np.testing.assert_array_equal(select(name, make(), key=0).indices, select(name, make(), key=1).indices)


@deterministic
def test_a_permutation_of_the_pool_permutes_the_picks(name):
    pool, order = make(), np.random.default_rng(0).permutation(N)
    permuted = select(name, jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf)[order]), pool))
    np.testing.assert_array_equal(order[np.asarray(permuted.indices)], select(name, pool).indices)


@every
def test_padding_and_labels_that_were_not_paid_for_are_not_read(name):
    pool = make()
    padding = np.arange(N) >= N - PADDING
    other = pool._replace(
        x=jnp.where(padding[:, None], 7.0, pool.x), y=jnp.where(pool.labelled, pool.y, (pool.y + 1) % CLASSES)
    )
    np.testing.assert_array_equal(select(name, other).indices, select(name, pool).indices)


@every
@dtypes
def test_duplicates_and_equal_examples(name, dtype):
    x = np.asarray(testing.normal(jax.random.key(4), (N, 5)))
    for same in (x[np.arange(N) // 2], x[np.arange(N) % 3], np.zeros_like(x)):
        check(select(name, make(dtype, same), dtype), make(dtype, same))


@every
@dtypes
def test_an_empty_labelled_set(name, dtype):
    check(select(name, make(dtype, labelled=()), dtype), make(dtype, labelled=()))


@every
@dtypes
def test_as_many_available_as_are_asked_for(name, dtype):
    left = [2, 11, 17, 22]
    assert sorted(select(name, make(dtype, available=left), dtype).indices.tolist()) == left


@every
def test_fewer_available_than_are_asked_for(name):
    batch = select(name, make(available=[3, 7]))
    assert sorted(batch.indices.tolist()) == [3, 7, N, N]
    assert np.isneginf(np.asarray(batch.gains)[2:]).all()


@every
def test_a_pool_as_large_as_the_batch(name):
    batch = select(name, alfi.pool(testing.normal(jax.random.key(5), (BATCH, 5))))
    assert sorted(batch.indices.tolist()) == list(range(BATCH))


# With real-valued labels and one output: hyper-parameters, for those strategies that have a meaning there.
REAL = {name: {} for name in ("a_optimal", "bait", "bald", "core_set", "d_optimal", "e_optimal", "firal", "lcmd")}
REAL |= {name: {} for name in ("expected_gradient_length", "max_det", "mean_std", "phi_p", "random", "v_optimal")}
REAL |= {"epig": {"posterior": "gaussian"}, "hybrid": {"late": strategies.d_optimal}}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in ("bald", "lcmd") else pytest.mark.slow) for name in sorted(REAL)]
)
@dtypes
def test_regression(name, dtype):
    pool, (model, likelihood) = make(dtype), REGRESSOR
    pool = pool._replace(y=jnp.sin(pool.y.astype(dtype)))
    strategy = getattr(strategies, name)(model, likelihood, **OPTIONS.get(name, {}), **REAL[name])
    shapes = jax.eval_shape(model.init, jax.random.key(0), pool.x)
    model = alfi.Fitted(jax.tree.map(lambda leaf: testing.normal(jax.random.key(2), leaf.shape, dtype), shapes))

    @jax.jit
    def query(key, model, pool):
        return strategy.select(key, strategy.fit(key, model, pool), pool, BATCH)

    batch = query(jax.random.key(0), model, pool)
    check(batch, pool)
    another = query(jax.random.key(0), model, pool._replace(y=jnp.where(pool.labelled, pool.y, 9)))
    np.testing.assert_array_equal(batch.indices, another.indices)


@pytest.mark.parametrize("name", ["approx_firal", "badge", "batch_bald", "epig", "least_confidence", "variation_ratio"])
def test_strategies_of_classes_refuse_real_labels(name):
    model, likelihood = REGRESSOR
    pool = make()
    shapes = jax.eval_shape(model.init, jax.random.key(0), pool.x)
    variables = jax.tree.map(lambda leaf: testing.normal(jax.random.key(2), leaf.shape), shapes)
    options = {"prior_precision": 1.0} if name in ("batch_bald", "epig", "variation_ratio") else {}
    with pytest.raises(ValueError, match="likelihood"):
        getattr(strategies, name)(model, likelihood, **options).select(
            jax.random.key(0), alfi.Fitted(variables), pool, BATCH
        )


@pytest.mark.parametrize(
    ("name", "prior_precision"),
    [
        ("bait", 0.1),
        ("d_optimal", "evidence"),
        ("v_optimal", "evidence"),
        ("d_optimal", 0.5),
        ("d_optimal", alfi.fisher.weight_decay(0.1)),
    ],
)
def test_prior_precision_is_that_of_the_criterion(name, prior_precision):
    """The strategy is its three parts, put together by hand."""
    strategy = getattr(strategies, name)(MODEL, LIKELIHOOD, prior_precision=prior_precision)
    # With this pool and precision, pruning changes what BAIT picks.
    pool, model = make(x=np.asarray(testing.normal(jax.random.key(1), (N, 5)))), fitted(np.float64)

    @jax.jit
    def by_hand(fitted, pool):
        factors = alfi.fisher.last_layer(MODEL, LIKELIHOOD)(jax.random.key(0), fitted, pool)
        precision = alfi.fisher.prior(prior_precision, MODEL, LIKELIHOOD)(factors, fitted, pool)
        criterion = alfi.criteria.d_optimal if name == "d_optimal" else alfi.criteria.v_optimal
        rule = alfi.selection.forward_backward() if name == "bait" else alfi.selection.greedy()
        weights = pool.labelled.astype(float)
        return rule(
            jax.random.key(0), criterion(prior_precision=precision), factors, weights, pool.available, BATCH,
            population=pool.population,
        )  # fmt: skip

    batch = jax.jit(lambda fitted, pool: strategy.select(jax.random.key(0), fitted, pool, BATCH))(model, pool)
    expected = by_hand(model, pool)
    np.testing.assert_array_equal(batch.indices, expected.indices)
    np.testing.assert_allclose(batch.gains, expected.gains, rtol=1e-9)


@pytest.mark.parametrize(
    ("name", "score"),
    [
        ("entropy", lambda p: -np.sum(p * np.log(p), axis=1)),
        ("margin", lambda p: -np.abs(np.diff(np.sort(p, axis=1)[:, -2:], axis=1))[:, 0]),
    ],
)
def test_scores_are_those_of_the_probabilities(name, score):
    pool = make()
    f = np.asarray(MODEL.apply(fitted(np.float64).variables, pool.x))
    scores = score(np.exp(f) / np.exp(f).sum(axis=1, keepdims=True))
    order = np.argsort(np.where(pool.available, -scores, np.inf))[:BATCH]
    batch = select(name, pool)
    np.testing.assert_array_equal(batch.indices, order)
    np.testing.assert_allclose(batch.gains, scores[order], rtol=1e-9)


def test_core_set_is_k_center_in_the_features():
    pool = make()
    features = np.asarray(MODEL.features(fitted(np.float64).variables, pool.x))[:, None]
    expected = testing.k_center(features, np.flatnonzero(pool.labelled), pool.available, BATCH)
    assert select("core_set", pool).indices.tolist() == expected


def test_random_is_uniform():
    pool, model = make(), fitted(np.float64)
    strategy = strategies.random(MODEL, LIKELIHOOD)
    draw = jax.jit(jax.vmap(lambda key: strategy.select(key, model, pool, BATCH).indices))
    counts = np.bincount(np.asarray(draw(jax.random.split(jax.random.key(0), 5000))).ravel(), minlength=N)
    expected = np.asarray(pool.available) * 5000 * BATCH / np.sum(pool.available)
    assert np.all(np.abs(counts - expected) <= 5 * np.sqrt(expected))


def test_badge_starts_from_nothing_and_with_a_uniform_draw():
    """The batch alone decides; labelled rows do not repel."""
    pool, model = make(), fitted(np.float64)
    unlabelled = pool._replace(labelled=jnp.zeros(N, bool))
    np.testing.assert_array_equal(select("badge", pool).indices, select("badge", unlabelled).indices)
    strategy = strategies.badge(MODEL, LIKELIHOOD)
    draw = jax.jit(jax.vmap(lambda key: strategy.select(key, model, pool, 1).indices[0]))
    counts = np.bincount(np.asarray(draw(jax.random.split(jax.random.key(0), 5000))), minlength=N)
    expected = np.asarray(pool.available) * 5000 / np.sum(pool.available)
    assert np.all(np.abs(counts - expected) <= 5 * np.sqrt(expected))
