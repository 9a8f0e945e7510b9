import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from alfi.models import cnn, mlp
from alfi.typing import Model

IMAGES = jnp.asarray(np.random.default_rng(0).normal(size=(6, 16, 17, 3)).astype(np.float32))
KEY = jax.random.key(1)
NETWORKS = ("mlp", "cnn")


@functools.cache
def network(name, dropout=0.0):
    """The network, compiled (many small operations are slow one by one), with variables."""
    model = mlp(4, hidden=(12, 8), dropout=dropout) if name == "mlp" else cnn(4, channels=(4, 8, 12), dropout=dropout)
    model = Model(*(field and jax.jit(field) for field in model))
    return model, model.init(KEY, IMAGES)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_outputs_are_affine_in_the_features(name, dropout):
    model, variables = network(name, dropout)
    kernel, bias = model.head(variables)
    outputs = model.apply(variables, IMAGES)
    assert outputs.shape == (6, 4)
    assert jnp.allclose(model.features(variables, IMAGES) @ kernel + bias[None], outputs, atol=1e-5)


@pytest.mark.parametrize("name", NETWORKS)
def test_rows_are_independent_in_training_too(name):
    model, variables = network(name)
    outputs, state = model.train(KEY, variables, IMAGES)
    assert jax.tree.leaves(state) == []
    assert jnp.allclose(outputs, model.apply(variables, IMAGES), atol=1e-6)
    assert jnp.allclose(outputs[2:3], model.apply(variables, IMAGES[2:3]), atol=1e-5)


@pytest.mark.parametrize("name", NETWORKS)
def test_dropout_masks_are_shared_by_rows_in_stochastic_alone(name):
    model, variables = network(name, 0.3)
    same = jnp.broadcast_to(IMAGES[:1], IMAGES.shape)
    stochastic, (trained, _) = model.stochastic(KEY, variables, same), model.train(KEY, variables, same)
    assert jnp.allclose(stochastic, stochastic[:1], atol=1e-5)
    assert not jnp.allclose(trained, trained[:1], atol=1e-3)


def test_taps_are_the_layers():
    taps = {name: network(name)[0].taps(network(name)[1], IMAGES) for name in NETWORKS}
    assert {name: tap.shape for name, tap in taps["mlp"].items()} == {"hidden_1": (6, 12), "hidden_2": (6, 8)}
    assert [tap.shape for tap in taps["cnn"].values()] == [(6, 8, 8, 4), (6, 4, 4, 8), (6, 2, 2, 12)]


def test_a_model_serves_inputs_of_any_size():
    model = mlp(2, hidden=())
    for shape in ((3, 5), (3, 2, 4)):
        x = jnp.ones(shape)
        variables = model.init(KEY, x)
        assert model.head(variables)[0].shape == (np.prod(shape[1:]), 2)
        assert jnp.allclose(model.features(variables, x), x.reshape(3, -1))
        assert model.apply(variables, x).shape == (3, 2)


@pytest.mark.parametrize("name", NETWORKS)
def test_integer_images_are_taken_as_numbers(name):
    (model, variables), x = network(name), jnp.abs(IMAGES * 100).astype(jnp.uint8)
    outputs = model.apply(variables, x)
    assert outputs.dtype == jnp.float32
    assert jnp.allclose(outputs, model.apply(variables, x.astype(jnp.float32)), atol=1e-4)


def test_impossible_networks_are_refused():
    for make in (lambda: mlp(0), lambda: mlp(2, hidden=(0,)), lambda: cnn(2, channels=()), lambda: cnn(2, dropout=1.0)):
        with pytest.raises(ValueError, match="got"):
            make()
    for shape in ((2, 4, 4, 1), (2, 64)):
        with pytest.raises(ValueError, match="pixels"):
            cnn(2).init(KEY, jnp.ones(shape))
