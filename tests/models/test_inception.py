"""Inception-v3 against Keras itself; skipped where Keras is absent. Minutes of compilation, hence slow."""

import os

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from alfi.models import inception_v3, inception_weights

KEY = jax.random.key(0)


def test_small_images_are_refused():
    with pytest.raises(ValueError, match="75 pixels"):
        inception_v3(2, shape=(74, 80, 3))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of Keras with NumPy 2
def test_it_is_that_of_keras_with_its_weights(tmp_path):
    if os.environ.get("KERAS_BACKEND") != "jax":
        pytest.skip("KERAS_BACKEND is not jax")
    keras = pytest.importorskip("keras")
    base = keras.applications.InceptionV3(include_top=False, weights=None, input_shape=(75, 75, 3))
    for variable in base.variables:  # statistics that are not those of the beginning
        if "moving" in variable.path:
            variable.assign(variable.value + jnp.linspace(0, 0.1, variable.shape[0]))
    base.save_weights(tmp_path / "base.weights.h5")
    x = jnp.asarray(np.random.default_rng(0).uniform(-1, 1, size=(2, 75, 75, 3)).astype(np.float32))
    model = inception_v3(3, shape=(75, 75, 3))
    variables = inception_weights(model.init(KEY, x), tmp_path / "base.weights.h5")
    taps = jax.jit(model.taps)(variables, x)
    assert set(taps) == {f"mixed{i}" for i in range(11)}
    last = taps["mixed10"]
    np.testing.assert_allclose(last, base(x, training=False), atol=1e-4)
    features, (kernel, bias) = last.mean(axis=(1, 2)), model.head(variables)
    np.testing.assert_allclose(jax.jit(model.apply)(variables, x), features @ kernel + bias[None], atol=1e-4)
    state = jax.eval_shape(model.train, KEY, variables, x)[1]
    assert jax.tree.map(lambda a: a.shape, state) == jax.tree.map(lambda a: a.shape, variables.state)
    thousand = jax.eval_shape(inception_v3(1000, shape=(75, 75, 3)).init, KEY, x)
    assert sum(leaf.size for leaf in jax.tree.leaves(thousand)) == 23_851_784  # Keras's count_params
    assert sum(leaf.size for leaf in jax.tree.leaves(thousand.params)) == 23_817_352
    (tmp_path / "bad.weights.h5").write_bytes(b"no weights")
    with pytest.raises(ValueError, match=r"bad\.weights\.h5"):
        inception_weights(variables, tmp_path / "bad.weights.h5")
