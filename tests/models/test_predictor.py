import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from alfi.models import cnn, from_function, mlp, predictor, predictor_loss
from alfi.typing import Variables

KEY = jax.random.key(0)
X = jnp.asarray(np.random.default_rng(0).normal(size=(9, 5)).astype(np.float32))
Y = jnp.asarray([0, 1, 2, 0, 1, 2, 0, 1, 2])


def cross_entropy(outputs, y):
    return optax.softmax_cross_entropy_with_integer_labels(outputs, y)


def squared(outputs, y):
    return (outputs[:, 0] - y) ** 2


def network(**options):
    model = predictor(mlp(3, hidden=(8, 4)), **{"steps": 10, "width": 6, **options})
    return model, model.init(KEY, X)


@pytest.mark.parametrize("n", [1, 2, 7, 8])
def test_the_loss_is_equation_3_of_the_paper(n):
    """Written out pair by pair, ties of the true losses among them."""
    rng = np.random.default_rng(n)
    outputs, y = rng.normal(size=(n, 2)), np.zeros(n)
    outputs[-1, 0] = outputs[0, 0]
    true, predicted = outputs[:, 0] ** 2, outputs[:, 1]
    ranking = 0.0
    for i in range(n // 2):
        j = n - 1 - i
        sign = 1 if true[i] > true[j] else -1
        ranking += max(0.0, -sign * (predicted[i] - predicted[j]) + 0.5)
    got = predictor_loss(squared, weight=0.7)(jnp.asarray(outputs), jnp.asarray(y)).mean()
    np.testing.assert_allclose(got, true.mean() + 0.7 * 2 / n * ranking, atol=1e-12)


def test_no_gradient_passes_the_true_losses():
    outputs = jnp.asarray([[1.0, 0.2], [0.5, 0.1], [2.0, 0.3], [0.0, 0.1]])
    gradient = jax.grad(lambda f: predictor_loss(squared)(f, jnp.zeros(4)).mean())(outputs)
    np.testing.assert_allclose(gradient[:, 0], 2 * outputs[:, 0] / 4)
    # Example 0 has the greater loss of the pair (0, 3) and should be predicted higher, 2 than 1 likewise.
    np.testing.assert_allclose(gradient[:, 1], [-0.5, 0.5, -0.5, 0.5])


@pytest.mark.slow
@pytest.mark.parametrize("stop", [0.0, 0.6, 1.0])
def test_the_ranking_reaches_the_network_until_it_is_stopped(stop):
    model, variables = network(stop_gradient_after=stop)

    @jax.jit
    def gradients(step):
        def loss(params):
            outputs, _ = model.train(KEY, Variables(params, {**variables.state, "step": step}), X)
            return outputs[:, -1].sum()  # what is predicted, and nothing else

        return jax.grad(loss)(variables.params)

    for step in range(10):
        gradient = gradients(jnp.asarray(step, jnp.int32))
        assert any(jnp.any(leaf) for leaf in jax.tree.leaves(gradient["predictor"]))
        assert any(jnp.any(leaf) for leaf in jax.tree.leaves(gradient["network"])) == (step < 10 * stop)


def test_the_network_is_as_without_the_predictor():
    model, variables = network()
    inner, of_inner = mlp(3, hidden=(8, 4)), Variables(variables.params["network"], variables.state["network"])
    np.testing.assert_array_equal(model.apply(variables, X), inner.apply(of_inner, X))
    np.testing.assert_array_equal(model.features(variables, X), inner.features(of_inner, X))
    for a, b in zip(model.head(variables), inner.head(of_inner), strict=True):
        np.testing.assert_array_equal(a, b)
    outputs, state = model.train(KEY, variables, X)
    np.testing.assert_allclose(outputs[:, :-1], model.apply(variables, X), atol=1e-6)
    np.testing.assert_allclose(outputs[:, -1], model.taps(variables, X)["predicted_loss"], atol=1e-6)
    assert state["step"] == 1
    assert jax.tree.structure(state) == jax.tree.structure(variables.state)


def test_the_prediction_is_the_one_written_out():
    model, variables = network(taps=("hidden_2",))
    params = variables.params["predictor"]
    (layer,) = params["branches"].values()
    tap = np.asarray(model.taps(variables, X)["hidden_2"])
    units = np.maximum(tap @ np.asarray(layer["kernel"]) + np.asarray(layer["bias"]), 0)
    expected = units @ np.asarray(params["head"]["kernel"])[:, 0] + np.asarray(params["head"]["bias"])
    np.testing.assert_allclose(model.taps(variables, X)["predicted_loss"], expected, atol=1e-6)


@pytest.mark.slow
def test_stochastic_and_images():
    model = predictor(cnn(2, channels=(4, 4), dropout=0.5), steps=5, width=3)
    x = jnp.ones((4, 8, 8, 1), jnp.float32)
    variables = model.init(KEY, x)
    drawn = jax.jit(model.stochastic)(KEY, variables, x)
    assert drawn.shape == (4, 2)
    np.testing.assert_allclose(drawn, drawn[:1].repeat(4, axis=0), atol=1e-6)
    assert jax.jit(model.train)(KEY, variables, x)[0].shape == (4, 3)


def test_every_site_carries_the_prediction():
    inner = from_function(
        lambda params, x: x @ params,
        init=lambda key, x: jnp.ones((x.shape[-1], 2)),
        taps=lambda params, x: {"first": jnp.tanh(x)},
    )
    model, x = predictor(inner, steps=5, width=3), jnp.asarray(np.random.default_rng(1).normal(size=(3, 4, 5, 2)))
    variables = model.init(KEY, x)
    outputs, _ = model.train(KEY, variables, x)
    assert outputs.shape == (3, 4, 5, 3)
    np.testing.assert_allclose(outputs[..., 2], np.broadcast_to(outputs[:, :1, :1, 2], (3, 4, 5)))
    assert predictor_loss(lambda f, y: f.sum(axis=(1, 2, 3)))(outputs, jnp.zeros(3)).shape == (3,)


def test_trained_jointly_it_ranks_the_losses():
    """Labels that half of the inputs tell and half do not: the losses of the latter are greater, and told so."""
    rng = np.random.default_rng(2)
    x = rng.normal(size=(400, 3)).astype(np.float32)
    noisy = x[:, 0] > 0
    y = jnp.asarray(np.where(noisy, rng.integers(0, 2, 400), x[:, 1] > 0).astype(np.int32))
    model, x = predictor(mlp(2, hidden=(16,)), steps=300, width=8), jnp.asarray(x)
    variables, optimizer, loss = model.init(KEY, x), optax.adam(1e-2), predictor_loss(cross_entropy)

    def step(carry, rows):
        variables, learnt = carry

        def objective(params):
            outputs, state = model.train(KEY, Variables(params, variables.state), x[rows])
            return loss(outputs, y[rows]).mean(), state

        gradient, state = jax.grad(objective, has_aux=True)(variables.params)
        updates, learnt = optimizer.update(gradient, learnt)
        return (Variables(optax.apply_updates(variables.params, updates), state), learnt), None

    rows = jax.random.randint(KEY, (300, 32), 0, 400)
    (variables, _), _ = jax.jit(lambda carry: jax.lax.scan(step, carry, rows))(
        (variables, optimizer.init(variables.params))
    )
    assert variables.state["step"] == 300
    predicted = np.asarray(model.taps(variables, x)["predicted_loss"])
    higher = (predicted[noisy][:, None] > predicted[~noisy][None]).mean()
    assert higher > 0.8


def test_impossible_predictors_are_refused():
    with pytest.raises(ValueError, match="taps"):
        predictor(from_function(lambda params, x: x), steps=3)
    with pytest.raises(ValueError, match="lacks"):
        predictor(mlp(2), steps=3, taps=("hidden_7",)).init(KEY, X)
    for options in ({"steps": 0}, {"steps": 3, "width": 0}, {"steps": 3, "stop_gradient_after": 1.5}):
        with pytest.raises(ValueError, match="got"):
            predictor(mlp(2), **options)
    with pytest.raises(ValueError, match="margin"):
        predictor_loss(squared, margin=-1.0)
