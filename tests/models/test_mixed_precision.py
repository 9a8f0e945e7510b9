"""Mixed precision: long parameters, short arithmetic, long results, in every field of a model."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import alfi
from alfi.models import chunked, cnn, from_function, linear, mixed_precision, mlp, predictor, resnet1d, unet

KEY = jax.random.key(0)
NETWORKS = {
    "linear": (linear(3), (5,)),
    "mlp": (mlp(3, hidden=(16,), dropout=0.3), (5,)),
    "cnn": (cnn(3, channels=(4, 8)), (8, 8, 1)),
    "batch statistics": (resnet1d(3, channels=(4,), blocks=1), (16, 2)),
    "sites": (unet(2, channels=(4, 8), dropout=0.2), (8, 8, 1)),
}


def example(name, n=6):
    model, shape = NETWORKS[name]
    x = jnp.asarray(np.random.default_rng(0).normal(size=(n, *shape)), jnp.float32)
    return model, jax.jit(model.init)(KEY, x), x


def dtypes(tree):
    return {leaf.dtype.name for leaf in jax.tree.leaves(tree)}


SLOW = ("cnn", "sites")


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow) if n in SLOW else n for n in NETWORKS])
def test_every_field_is_close_to_that_in_float32_and_as_long(name):
    model, variables, x = example(name)
    mixed = mixed_precision(model)
    assert jax.tree.map(lambda leaf: leaf.dtype, jax.eval_shape(mixed.init, KEY, x)) == jax.tree.map(
        lambda leaf: leaf.dtype, variables
    )
    calls = {
        "apply": (variables, x),
        "features": (variables, x),
        "taps": (variables, x),
        "stochastic": (KEY, variables, x),
        "train": (KEY, variables, x),
        "train_taps": (KEY, variables, x),
        "head": (variables,),
    }
    for field, arguments in calls.items():
        exact, rounded = getattr(model, field), getattr(mixed, field)
        assert (exact is None) == (rounded is None), field
        if exact is not None:
            exact, rounded = jax.jit(exact)(*arguments), jax.jit(rounded)(*arguments)
            assert dtypes(rounded) <= {"float32"}, field
            assert jax.tree.structure(exact) == jax.tree.structure(rounded)
            jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=0.05, atol=0.08), exact, rounded)


def test_the_arithmetic_is_short():
    """Read in the program: the products of matrices are of bfloat16."""
    model, variables, x = example("mlp")
    text = jax.jit(mixed_precision(model).train).lower(KEY, variables, x).as_text()
    products = [line for line in text.splitlines() if "dot_general" in line]
    assert products
    assert all("bf16" in line for line in products)
    difference = mixed_precision(model).features(variables, x) - model.features(variables, x)
    assert float(jnp.abs(difference).max()) > 0


@pytest.mark.parametrize("name", ["mlp", "batch statistics"])
def test_gradients_are_long_and_close(name):
    model, variables, x = example(name, 16)

    def gradient(model):
        def loss(params):
            return jnp.sum(model.train(KEY, variables._replace(params=params), x)[0] ** 2)

        return jax.jit(jax.grad(loss))(variables.params)

    exact, rounded = gradient(model), gradient(mixed_precision(model))
    assert dtypes(rounded) == {"float32"}
    flat, other = (jnp.concatenate([leaf.ravel() for leaf in jax.tree.leaves(g)]) for g in (exact, rounded))
    assert float(jnp.linalg.norm(flat - other) / jnp.linalg.norm(flat)) < 0.05


def test_apply_is_the_head_of_the_features():
    network = from_function(
        lambda p, x: jnp.tanh(x @ p["in"]) @ p["kernel"] + p["bias"][None, None],
        features=lambda p, x: jnp.tanh(x @ p["in"]),
        head=lambda p: (p["kernel"], p["bias"]),
    )
    weights = jax.random.normal(KEY, (6, 4), jnp.float32)
    variables = alfi.Variables({"in": weights, "kernel": weights[:4], "bias": weights[0]})
    for model, x in ((network, jnp.ones((3, 7, 6), jnp.float32)), example("mlp")[::2]):
        variables = variables if model is network else model.init(KEY, x)
        mixed = mixed_precision(model)
        kernel, bias = mixed.head(variables)
        outputs = mixed.features(variables, x) @ kernel
        bias = bias.reshape((1,) * (outputs.ndim - 1) + (-1,))
        np.testing.assert_allclose(outputs + bias, mixed.apply(variables, x), rtol=1e-5, atol=1e-5)


def test_running_statistics_move_by_less_than_bfloat16_can_tell():
    model, variables, x = example("batch statistics")
    old = jax.tree.map(lambda leaf: leaf + 1, variables.state)
    _, state = jax.jit(mixed_precision(model).train)(KEY, variables._replace(state=old), x)
    _, exact = jax.jit(model.train)(KEY, variables._replace(state=old), x)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=3e-3), state, exact)
    assert dtypes(state) == dtypes(old)
    rounded = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16).astype(leaf.dtype), state)
    assert any((a != b).any() for a, b in zip(*map(jax.tree.leaves, (state, rounded)), strict=True))


def test_it_combines_with_the_other_transformations_and_trains():
    x = jnp.linspace(-1, 1, 40, dtype=jnp.float32)[:, None]
    y = (x[:, 0] > 0).astype(int)
    model = chunked(predictor(mixed_precision(mlp(2, hidden=(8,))), steps=200), 16)
    likelihood = alfi.likelihoods.categorical()
    loss = alfi.models.predictor_loss(alfi.losses.cross_entropy())
    train = jax.jit(alfi.training.fixed_steps(model, likelihood, optax.adam(0.05), steps=200, loss=loss))
    trained = train(KEY, model.init(KEY, x), x, y, jnp.arange(40), 40)
    assert float(trained.accuracy) == 1
    assert dtypes(trained.variables.params) == {"float32"}


def test_integers_pass_and_double_stays_double():
    double = jnp.ones((4, 5), jnp.float64)
    model = mixed_precision(mlp(2, hidden=(4,)))
    assert model.apply(model.init(KEY, double), double).dtype == jnp.float64
    counts = from_function(lambda params, x: params["scale"][None] * x)
    variables = alfi.Variables({"scale": jnp.ones(1)})
    seen = []
    inner = counts._replace(apply=lambda v, x: (seen.append(x.dtype), counts.apply(v, x))[1])
    mixed_precision(inner).apply(variables, jnp.ones((3, 1), jnp.int32))
    assert seen == [jnp.int32]


def test_a_format_that_is_not_real_is_refused():
    with pytest.raises(ValueError, match="got int8"):
        mixed_precision(mlp(2), jnp.int8)
