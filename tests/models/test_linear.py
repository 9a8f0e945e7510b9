"""The last layer alone."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import alfi


def test_linear_is_affine_and_its_head_tells_how():
    model, x = alfi.models.linear(3), jnp.arange(24.0).reshape(2, 4, 3)
    variables = model.init(jax.random.key(0), x)
    kernel, bias = model.head(variables)
    assert kernel.shape == (12, 3)
    np.testing.assert_allclose(model.apply(variables, x), x.reshape(2, 12) @ kernel + bias[None], rtol=1e-9)
    np.testing.assert_array_equal(model.features(variables, x.astype(int)), x.reshape(2, 12))
    assert model.init(jax.random.key(0), x.astype(np.float32)).params["kernel"].dtype == np.float32


@pytest.mark.slow
def test_last_layer_fisher_is_that_of_all_parameters():
    model, likelihood = alfi.models.linear(3), alfi.likelihoods.categorical()
    pool = alfi.pool(jnp.asarray(np.random.default_rng(0).normal(size=(4, 5))))
    fitted = alfi.Fitted(model.init(jax.random.key(0), pool.x))
    last = alfi.fisher.last_layer(model, likelihood)(jax.random.key(0), fitted, pool)
    whole = alfi.fisher.jacobian(model.apply, likelihood)(jax.random.key(0), fitted, pool)
    np.testing.assert_allclose(last.squared_norms(), whole.squared_norms(), rtol=1e-9)


def test_linear_needs_an_output():
    with pytest.raises(ValueError, match="outputs >= 1; got 0"):
        alfi.models.linear(0)
