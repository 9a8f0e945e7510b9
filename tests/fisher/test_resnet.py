"""A whole ResNet-18, 11 million parameters, matrix-free: against the small dual Gram matrix of two images."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import alfi
from alfi import fisher, likelihoods, models


@pytest.mark.slow
def test_spectrum_of_a_resnet18():
    """In float64: rounding of eighteen layers in float32 is a thousandth of an eigenvalue."""
    model, likelihood = models.resnet18(3), likelihoods.categorical()
    x = jax.random.normal(jax.random.key(0), (2, 64, 64, 3), jnp.float64)
    variables = jax.jit(model.init)(jax.random.key(1), x)
    operator = fisher.ggn_vector_product(model.apply, likelihood, variables, x)
    assert operator.p > 11_000_000
    found = jax.jit(lambda key: fisher.top_eigenpairs(key, operator, 3, steps=6).values)(jax.random.key(2))
    factors = fisher.jacobian(model.apply, likelihood)(jax.random.key(0), alfi.Fitted(variables), alfi.pool(x))
    np.testing.assert_allclose(found, fisher.spectrum(factors)[:3], rtol=1e-6)  # of the 4 x 4 Gram matrix
