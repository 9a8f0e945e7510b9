import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from alfi import likelihoods, losses
from alfi.models import cnn, from_function, from_nnx, mlp
from alfi.training import fixed_steps, until_fitted
from alfi.typing import Variables

RNG = np.random.default_rng(0)
X = jnp.asarray(RNG.normal(size=(200, 5)).astype(np.float32))
Y = jnp.asarray((RNG.normal(size=(5, 3)).T @ np.asarray(X).T).argmax(axis=0).astype(np.int32))
ORDER = jnp.asarray(RNG.permutation(200).astype(np.int32))
KEY = jax.random.key(0)
MODEL = mlp(3, hidden=(32,))
CATEGORICAL = likelihoods.categorical()
LINEAR = from_function(lambda params, x: x @ params, init=lambda key, x: jnp.zeros((x.shape[1], 1), x.dtype))


def begin(model=MODEL, x=X, seed=1):
    return model.init(jax.random.key(seed), x[:1])


def test_fits_and_generalises():
    trained = jax.jit(fixed_steps(MODEL, CATEGORICAL, optax.adam(1e-2)))(KEY, begin(), X, Y, ORDER[:150], 150)
    assert trained.accuracy > 0.97
    assert trained.steps == 200
    held_out = MODEL.apply(trained.variables, X[ORDER[150:]]).argmax(axis=1) == Y[ORDER[150:]]
    assert held_out.mean() > 0.8


def test_accuracy_is_that_of_the_labelled_set():
    trained = jax.jit(fixed_steps(MODEL, CATEGORICAL, steps=3, chunk_size=7))(KEY, begin(), X, Y, ORDER[:30], 20)
    right = MODEL.apply(trained.variables, X[ORDER[:20]]).argmax(axis=1) == Y[ORDER[:20]]
    assert trained.accuracy == pytest.approx(float(right.mean()), abs=1e-6)


@pytest.mark.parametrize("factory", [fixed_steps, until_fitted])
def test_what_is_not_labelled_is_never_read(factory):
    """Not the labels, not the inputs, not the rows that the unused indices name: NaN there changes nothing."""
    train = jax.jit(factory(MODEL, CATEGORICAL, steps=40))
    labelled = jnp.zeros(200, bool).at[ORDER[:25]].set(True)
    hidden_x, hidden_y = jnp.where(labelled[:, None], X, jnp.nan), jnp.where(labelled, Y, -999)
    indices = ORDER[:60]
    expected = train(KEY, begin(), X, Y, indices, 25)
    absent = jnp.where(jnp.arange(60) < 25, indices, 200)
    for got in (train(KEY, begin(), hidden_x, hidden_y, indices, 25), train(KEY, begin(), X, Y, absent, 25)):
        jax.tree.map(np.testing.assert_array_equal, got, expected)


@pytest.mark.parametrize("factory", [fixed_steps, until_fitted])
def test_one_program_serves_all_rounds(factory):
    traces = 0

    def counted(*args):
        nonlocal traces
        traces += 1
        return factory(MODEL, CATEGORICAL, steps=20)(*args)

    train = jax.jit(counted)
    variables = begin()
    for count in (5, 10, 15):
        variables = train(KEY, variables, X, Y, ORDER[:20], jnp.asarray(count)).variables
    assert traces == 1
    assert train._cache_size() == 1


@pytest.mark.slow
def test_jit_equals_eager():
    train = fixed_steps(MODEL, CATEGORICAL, steps=5)
    args = (KEY, begin(), X, Y, ORDER[:20], 10)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), jax.jit(train)(*args), train(*args))


@pytest.mark.slow
@pytest.mark.parametrize("factory", [fixed_steps, until_fitted])
def test_vmap_over_seeds_equals_a_loop(factory):
    train = factory(MODEL, CATEGORICAL, optax.adam(1e-2), steps=60)
    keys, counts = jax.random.split(KEY, 3), jnp.asarray([6, 20, 30])
    indices = jnp.stack([ORDER[:30], ORDER[30:60], ORDER[60:90]])

    def one(key, indices, count):
        return train(key, begin(), X, Y, indices, count)

    together = jax.jit(jax.vmap(one))(keys, indices, counts)
    alone = [jax.jit(one)(*args) for args in zip(keys, indices, counts, strict=True)]
    for i, expected in enumerate(alone):
        got = jax.tree.map(lambda leaf, i=i: leaf[i], together)
        assert got.steps == expected.steps
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-3), got, expected)


def test_until_fitted_stops_early_and_counts():
    train = jax.jit(until_fitted(MODEL, CATEGORICAL, optax.adam(1e-2), steps=2000, check_every=10))
    few, many = (train(KEY, begin(), X, Y, ORDER[:100], count) for count in (5, 100))
    assert few.accuracy == many.accuracy == 1
    assert few.steps % 10 == many.steps % 10 == 0
    assert few.steps < many.steps < 2000


def test_until_fitted_stops_at_the_cap_where_labels_contradict():
    x, y = jnp.ones((4, 2), jnp.float32), jnp.asarray([0, 1, 0, 1])
    model = mlp(2, hidden=(4,))
    trained = jax.jit(until_fitted(model, CATEGORICAL, steps=40))(KEY, begin(model, x), x, y, jnp.arange(4), 4)
    assert trained.steps == 40
    assert trained.accuracy == 0.5


def test_outputs_that_are_no_numbers_are_wrong():
    train = jax.jit(fixed_steps(MODEL, CATEGORICAL, optax.sgd(float("nan")), steps=2))
    assert train(KEY, begin(), X, jnp.zeros_like(Y), ORDER[:9], 9).accuracy == 0


def test_regression_reaches_least_squares_and_has_no_accuracy():
    true = jnp.asarray([[1.0], [-2.0], [0.5], [0.0], [3.0]], X.dtype)
    y = (X @ true)[:, 0]
    train = jax.jit(fixed_steps(LINEAR, likelihoods.gaussian(), optax.adam(0.05), steps=500))
    trained = train(KEY, begin(LINEAR), X, y, ORDER, 200)
    np.testing.assert_allclose(trained.variables.params, true, atol=1e-2)
    assert jnp.isnan(trained.accuracy)
    with pytest.raises(ValueError, match="class labels"):
        until_fitted(LINEAR, likelihoods.gaussian())(KEY, begin(LINEAR), X, y, ORDER, 200)


def test_one_step_is_the_gradient_of_the_penalised_loss():
    """Sites are summed, rows averaged, and the penalty is coupled: checked with a labelled set of one example."""
    x, y = jnp.arange(6.0).reshape(1, 2, 3) / 3, jnp.asarray([[0, 3]])
    model = from_function(lambda params, x: x @ params)
    params = jax.random.normal(KEY, (3, 4))

    def loss(params):
        log_p = jax.nn.log_softmax(x[0] @ params)
        return -log_p[0, 0] - log_p[1, 3] + 0.3 / 2 * (params**2).sum()

    train = jax.jit(fixed_steps(model, CATEGORICAL, optax.sgd(0.1), steps=1, minibatch_size=8, weight_decay=0.3))
    trained = train(KEY, Variables(params), x, y, jnp.asarray([0]), 1)
    np.testing.assert_allclose(trained.variables.params, params - 0.1 * jax.grad(loss)(params), atol=1e-12)
    guess = (x[0] @ trained.variables.params).argmax(axis=1)
    assert trained.accuracy == (guess == y[0]).mean()


def test_state_is_trained_and_types_are_kept():
    def constructor(rngs):
        return nnx.Sequential(nnx.Linear(5, 8, rngs=rngs), nnx.BatchNorm(8, rngs=rngs), nnx.Linear(8, 3, rngs=rngs))

    model = from_nnx(constructor)
    for x in (X, X.astype(jnp.float64)):
        variables = begin(model, x)
        trained = jax.jit(fixed_steps(model, CATEGORICAL, steps=10))(KEY, variables, x, Y, ORDER[:20], 20).variables
        assert jax.tree.map(lambda a: a.dtype, trained) == jax.tree.map(lambda a: a.dtype, variables)
        moved = jax.tree.map(lambda a, b: bool(jnp.any(a != b)), trained.state, variables.state)
        assert all(jax.tree.leaves(moved))


@pytest.mark.slow
def test_a_convolutional_network_fits():
    rng = np.random.default_rng(1)
    y = jnp.asarray(rng.integers(0, 2, 24))
    bars = np.zeros((24, 8, 8, 1), np.float32)
    for i, label in enumerate(np.asarray(y)):  # a bar, upright or lying
        bars[(i, slice(None), rng.integers(8)) if label else (i, rng.integers(8))] = 1
    x, model = jnp.asarray(bars), cnn(2, channels=(8, 8))
    train = jax.jit(until_fitted(model, CATEGORICAL, optax.adam(1e-2), steps=200, minibatch_size=8))
    trained = train(KEY, begin(model, x), x, y, jnp.arange(24), 24)
    assert trained.accuracy == 1
    assert trained.steps < 200


def test_impossible_settings_are_refused():
    for settings in ({"steps": 0}, {"minibatch_size": 0}, {"chunk_size": 0}, {"steps": 30, "check_every": 20}):
        with pytest.raises(ValueError, match="got"):
            until_fitted(MODEL, CATEGORICAL, **settings)


@pytest.mark.slow
def test_a_loss_replaces_the_likelihood():
    """One step descends the loss given: here Dice and weighted cross-entropy, over sites, of one example."""
    x, y = jnp.arange(12.0).reshape(1, 2, 2, 3) / 9, jnp.asarray([[[0, 1], [1, 1]]])
    model = from_function(lambda params, x: x @ params)
    params = jax.random.normal(KEY, (3, 2))
    loss = losses.add(losses.dice(), losses.cross_entropy([1.0, 2.0]))
    train = jax.jit(fixed_steps(model, CATEGORICAL, optax.sgd(0.1), steps=1, loss=loss))
    trained = train(KEY, Variables(params), x, y, jnp.asarray([0]), 1)
    slope = jax.grad(lambda params: loss(x @ params, y)[0])(params)
    np.testing.assert_allclose(trained.variables.params, params - 0.1 * slope, atol=1e-12)
    with pytest.raises(ValueError, match="one number for each of the 32 examples"):
        fixed_steps(model, CATEGORICAL, loss=lambda f, y: jnp.sum(f))(KEY, Variables(params), x, y, jnp.asarray([0]), 1)


def test_a_schedule_runs_from_its_beginning_in_every_round():
    """With sgd and a constant gradient the way is the sum of the rates, in each of two trainings."""
    model = from_function(lambda params, x: params[None] * x)
    rates = optax.piecewise_constant_schedule(1.0, {2: 0.1, 4: 0.1})
    train = jax.jit(fixed_steps(model, CATEGORICAL, optax.sgd(rates), steps=5, loss=lambda f, y: f[:, 0]))
    variables = Variables(jnp.zeros(1))
    for number in (1, 2):
        variables = train(KEY, variables, jnp.ones((3, 1)), jnp.zeros(3, int), jnp.arange(3), 3).variables
        np.testing.assert_allclose(variables.params, [-number * (1 + 1 + 0.1 + 0.1 + 0.01)], rtol=1e-12)


def test_batch_statistics_are_the_running_averages_of_the_minibatches():
    def constructor(rngs):
        return nnx.Sequential(nnx.BatchNorm(5, momentum=0.8, rngs=rngs), nnx.Linear(5, 3, rngs=rngs))

    model, x = from_nnx(constructor), X.astype(jnp.float64)
    slots = jnp.asarray(RNG.integers(30, size=(4, 8)))
    options = {"steps": 4, "minibatch_size": 8, "draw": lambda key, y, indices, count, shape: slots}
    trained = jax.jit(fixed_steps(model, CATEGORICAL, **options))(KEY, begin(model, x), x, Y, ORDER, 30)
    mean, variance = np.zeros(5), np.ones(5)
    for rows in np.asarray(ORDER)[np.asarray(slots)]:
        batch = np.asarray(x)[rows]
        mean, variance = 0.8 * mean + 0.2 * batch.mean(axis=0), 0.8 * variance + 0.2 * batch.var(axis=0)
    norm = trained.variables.state["layers"][0]
    np.testing.assert_allclose(norm["mean"], mean, rtol=1e-9)
    np.testing.assert_allclose(norm["var"], variance, rtol=1e-9)
    normal = (np.asarray(x) - mean) / np.sqrt(variance + 1e-5)  # evaluation mode uses them
    scale, linear = trained.variables.params["layers"].values()
    normal = normal * np.asarray(scale["scale"]) + np.asarray(scale["bias"])
    expected = normal @ np.asarray(linear["kernel"]) + np.asarray(linear["bias"])
    np.testing.assert_allclose(model.apply(trained.variables, x), expected, atol=1e-6)
