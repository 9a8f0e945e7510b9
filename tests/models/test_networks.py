"""Promises of every network. A new one is one row; large ones come in a small size."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from alfi.models import cnn, mlp, resnet1d, resnet18, resnet_unet, unet
from alfi.typing import Model, Variables

RNG = np.random.default_rng(0)
IMAGES = jnp.asarray(RNG.normal(size=(6, 16, 17, 3)).astype(np.float32))
SIGNALS = jnp.asarray(RNG.normal(size=(6, 21, 2)).astype(np.float32))
KEY = jax.random.key(1)
# name: (dropout -> Model, inputs, sites of the outputs, taps)
NETWORKS = {
    "mlp": (lambda dropout: mlp(4, hidden=(12, 8), dropout=dropout), IMAGES, (), {"hidden_1": (12,), "hidden_2": (8,)}),
    "cnn": (
        lambda dropout: cnn(4, channels=(4, 8, 12), dropout=dropout),
        IMAGES,
        (),
        {"block_1": (8, 8, 4), "block_2": (4, 4, 8), "block_3": (2, 2, 12)},
    ),
    "resnet1d": (
        lambda dropout: resnet1d(4, channels=(4, 8), blocks=1, window=3, norm="group", dropout=dropout),
        SIGNALS,
        (),
        {"layer_1": (21, 4), "layer_2": (11, 8)},
    ),
    "resnet1d, batch": (
        lambda dropout: resnet1d(4, channels=(4, 8), blocks=1, window=3, stem="imagenet", dropout=dropout),
        SIGNALS,
        (),
        {"layer_1": (6, 4), "layer_2": (3, 8)},
    ),
    "unet": (
        lambda dropout: unet(4, channels=(4, 6), dropout=dropout),
        IMAGES,
        (16, 17),
        {"down_0": (16, 17, 4), "bottleneck": (8, 8, 6)},
    ),
    "resnet18": (
        lambda dropout: resnet18(4, width=2, stem="small", norm="group", dropout=dropout),
        IMAGES,
        (),
        {"layer_1": (16, 17, 2), "layer_2": (8, 9, 4), "layer_3": (4, 5, 8), "layer_4": (2, 3, 16)},
    ),
    "resnet18, batch": (
        lambda dropout: resnet18(4, width=4, dropout=dropout),
        IMAGES,
        (),
        {"layer_1": (4, 5, 4), "layer_2": (2, 3, 8), "layer_3": (1, 2, 16), "layer_4": (1, 1, 32)},
    ),
    "resnet_unet": (
        lambda dropout: resnet_unet(4, width=4, dropout=dropout),
        IMAGES,
        (16, 17),
        {"layer_1": (4, 5, 4), "layer_2": (2, 3, 8), "layer_3": (1, 2, 16), "bottleneck": (1, 1, 32)},
    ),
    "resnet_unet, small": (
        lambda dropout: resnet_unet(4, width=4, stem="small", norm="group", dropout=dropout),
        IMAGES,
        (16, 17),
        {"layer_1": (16, 17, 4), "layer_2": (8, 9, 8), "layer_3": (4, 5, 16), "bottleneck": (2, 3, 32)},
    ),
}
# Twenty convolutions take seconds to compile: the layers they share are in the smaller networks too.
LARGE = tuple(name for name in NETWORKS if name.startswith(("resnet18", "resnet_unet")))
STATELESS = tuple(name for name in NETWORKS if name not in ("resnet1d, batch", "resnet18, batch", "resnet_unet"))


def rows(names=tuple(NETWORKS)):
    return pytest.mark.parametrize(
        "name", [pytest.param(name, marks=pytest.mark.slow) if name in LARGE else name for name in names]
    )


@functools.cache
def network(name, dropout=0.3):
    """The network, compiled (many small operations are slow one by one), with variables."""
    model = NETWORKS[name][0](dropout)
    model = Model(*(field and jax.jit(field) for field in model))
    variables = model.init(KEY, NETWORKS[name][1])
    # Statistics that are not those of the beginning, else an error in their use would not be seen.
    moved = jax.tree.map(lambda leaf: leaf + jnp.linspace(0.02, 0.2, leaf.size, dtype=leaf.dtype), variables.state)
    return model, Variables(variables.params, moved)


@rows()
def test_outputs_are_affine_in_the_features(name):
    (model, variables), (_, x, sites, _) = network(name), NETWORKS[name]
    kernel, bias = model.head(variables)
    outputs = model.apply(variables, x)
    assert outputs.shape == (6, *sites, 4)
    affine = model.features(variables, x) @ kernel + bias.reshape((1,) * (outputs.ndim - 1) + (4,))
    assert jnp.allclose(affine, outputs, atol=1e-5)
    assert NETWORKS[name][0](0.0).stochastic is None


@rows()
def test_rows_are_independent_in_evaluation(name):
    (model, variables), x = network(name), NETWORKS[name][1]
    outputs = model.apply(variables, x)
    assert jnp.ptp(outputs, axis=0).max() > 1e-3  # what is compared depends on the row
    others = x.at[:2].set(100).at[3:].set(-100)
    assert jnp.allclose(outputs[2], model.apply(variables, others)[2], atol=1e-5)


@rows(STATELESS)
def test_rows_are_independent_in_training_too(name):
    (model, variables), x = network(name, 0.0), NETWORKS[name][1]
    outputs, state = model.train(KEY, variables, x)
    assert jax.tree.leaves(state) == []
    assert jnp.allclose(outputs, model.apply(variables, x), atol=1e-5)
    others = model.train(KEY, variables, x.at[:2].set(100).at[3:].set(-100))[0]
    assert jnp.allclose(outputs[2], others[2], atol=1e-5)


@rows(tuple(name for name in NETWORKS if name not in STATELESS))
def test_batch_statistics_move_in_training_alone(name):
    (model, variables), x = network(name), NETWORKS[name][1]
    outputs, state = model.train(KEY, variables, x)
    assert not jnp.allclose(outputs, model.apply(variables, x), atol=1e-2)
    moved = jax.tree.map(lambda a, b: bool(jnp.any(a != b)), state, variables.state)
    assert all(jax.tree.leaves(moved))


@pytest.mark.slow
@rows()
def test_training_with_taps_is_training(name):
    (model, variables), x = network(name), NETWORKS[name][1]
    outputs, state = model.train(KEY, variables, x)
    same, taps, again = model.train_taps(KEY, variables, x)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), (same, again), (outputs, state))
    assert {tap: value.shape[1:] for tap, value in taps.items()} == NETWORKS[name][3]


@rows()
def test_dropout_masks_are_shared_by_rows_in_stochastic_alone(name):
    (model, variables), x = network(name), NETWORKS[name][1]
    same = jnp.broadcast_to(x[:1], x.shape)
    stochastic, (trained, _) = model.stochastic(KEY, variables, same), model.train(KEY, variables, same)
    assert jnp.allclose(stochastic, stochastic[:1], atol=1e-5)
    assert not jnp.allclose(trained, trained[:1], atol=1e-3)
    assert not jnp.allclose(stochastic, model.stochastic(jax.random.key(2), variables, same), atol=1e-3)


@rows()
def test_taps_are_the_layers(name):
    taps = jax.eval_shape(network(name)[0].taps, network(name)[1], NETWORKS[name][1])
    assert {tap: value.shape[1:] for tap, value in taps.items()} == NETWORKS[name][3]


@pytest.mark.slow
@rows()
def test_the_jacobian_is_of_one_row_and_of_the_features(name):
    """Batch statistics are constants in it; in the head's kernel it is the features."""
    (model, variables), x = network(name), NETWORKS[name][1]

    @jax.jit
    def jacobian(x):
        def first(params):
            outputs = model.apply(Variables(params, variables.state), x)[0]
            return outputs.reshape(-1, 4)[0]  # of the first site

        return jax.jacrev(first)(variables.params)

    of_row = jacobian(x)
    others = jacobian(x.at[1:].set(7))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), of_row, others)
    features = model.features(variables, x)[0].reshape(-1, of_row["head"]["kernel"].shape[1])[0]
    expected = np.eye(4)[:, None] * np.asarray(features)[None, :, None]
    np.testing.assert_allclose(of_row["head"]["kernel"], expected, rtol=1e-5, atol=1e-5)
    assert all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(of_row))


@rows()
def test_training_on_a_cpu_holds_no_convolution(name):
    """XLA runs them many times slower in a loop; on a GPU they are its own. Members and steps as in an experiment."""
    model, x = NETWORKS[name][0](0.3), NETWORKS[name][1]
    variables = jax.eval_shape(jax.vmap(lambda key: model.init(key, x)), jax.random.split(KEY, 2))

    def steps(variables):
        def step(variables, key):
            def loss(params):
                outputs, state = model.train(key, Variables(params, variables.state), x)
                return jnp.mean(outputs**2), state

            gradient, state = jax.grad(loss, has_aux=True)(variables.params)
            return Variables(jax.tree.map(lambda a, g: a - 0.1 * g, variables.params, gradient), state), None

        return jax.lax.scan(step, variables, jax.random.split(KEY, 3))[0]

    traced = jax.jit(jax.vmap(steps)).trace(variables)
    assert jax.tree.map(lambda a, b: a.shape == b.shape, traced.out_info, variables)
    assert "stablehlo.convolution" not in traced.lower(lowering_platforms=("cpu",)).as_text()
    assert ("stablehlo.convolution" in traced.lower(lowering_platforms=("cuda",)).as_text()) == (name != "mlp")


@pytest.mark.slow
@rows(("mlp", "resnet1d, batch", "resnet18, batch"))
def test_jit_equals_eager(name):
    """A row alone, operation by operation."""
    model, (jitted, variables), x = NETWORKS[name][0](0.3), network(name), NETWORKS[name][1][:1]
    for field in ("apply", "features"):
        np.testing.assert_allclose(getattr(model, field)(variables, x), getattr(jitted, field)(variables, x), atol=1e-5)


@rows(("resnet1d", "resnet1d, batch", "unet", "resnet18", "resnet_unet"))
def test_half_precision_stays_half_precision(name):
    """Compute in bfloat16 with parameters cast: no layer goes back to float32 on the way, except the statistics."""
    model, variables = network(name)
    half = variables._replace(params=jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), variables.params))
    x = NETWORKS[name][1].astype(jnp.bfloat16)
    outputs, taps = jax.eval_shape(model.apply, half, x), jax.eval_shape(model.taps, half, x)
    assert {outputs.dtype, *(tap.dtype for tap in taps.values())} == {jnp.dtype(jnp.bfloat16)}


def test_a_model_serves_inputs_of_any_size():
    model = mlp(2, hidden=())
    for shape in ((3, 5), (3, 2, 4)):
        x = jnp.ones(shape)
        variables = model.init(KEY, x)
        assert model.head(variables)[0].shape == (np.prod(shape[1:]), 2)
        assert jnp.allclose(model.features(variables, x), x.reshape(3, -1))
        assert model.apply(variables, x).shape == (3, 2)


@pytest.mark.parametrize("name", ["mlp", "cnn", "unet"])
def test_integer_images_are_taken_as_numbers(name):
    (model, variables), x = network(name), jnp.abs(IMAGES * 100).astype(jnp.uint8)
    outputs = model.apply(variables, x)
    assert outputs.dtype == jnp.float32
    assert jnp.allclose(outputs, model.apply(variables, x.astype(jnp.float32)), atol=1e-4)


def test_impossible_networks_are_refused():
    makers = (
        lambda: mlp(0),
        lambda: mlp(2, hidden=(0,)),
        lambda: cnn(2, channels=()),
        lambda: cnn(2, dropout=1.0),
        lambda: resnet18(0),
        lambda: resnet1d(2, window=4),
        lambda: resnet1d(2, blocks=0),
        lambda: unet(2, channels=(4,)),
        lambda: resnet_unet(2, width=0),
    )
    for make in makers:
        with pytest.raises(ValueError, match="got"):
            make()
    for model, shape in ((cnn(2), (2, 4, 4, 1)), (cnn(2), (2, 64)), (unet(2), (2, 7, 9, 1)), (unet(2), (2, 64))):
        with pytest.raises(ValueError, match="pixels"):
            model.init(KEY, jnp.ones(shape))
    for model, shape in ((resnet18(2), (2, 64, 3)), (resnet_unet(2), (2, 64)), (resnet1d(2), (2, 64))):
        with pytest.raises(ValueError, match="needs x"):
            model.init(KEY, jnp.ones(shape))
