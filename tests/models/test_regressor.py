import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from alfi import likelihoods
from alfi.models import cnn, init_members, mlp, regressor

KEY = jax.random.key(0)
X = jnp.asarray(np.random.default_rng(0).normal(size=(6, 5)).astype(np.float32))
BACKBONE = functools.partial(mlp, hidden=(8,), dropout=0.2)


@pytest.mark.parametrize("log_variance", [False, True])
def test_outputs_are_those_of_the_backbone_in_units(log_variance):
    model = regressor(BACKBONE, 2, log_variance=log_variance, location=-3.0, scale=5.0)
    inner = BACKBONE(4 if log_variance else 2)
    variables = model.init(KEY, X)
    factors, shifts = np.asarray([5, 5, 1, 1]), np.asarray([-3, -3, *[2 * np.log(5)] * 2])

    def expected(outputs):
        c = outputs.shape[-1]
        return np.asarray(outputs) * factors[:c] + shifts[:c]

    np.testing.assert_allclose(model.apply(variables, X), expected(inner.apply(variables, X)), atol=1e-5)
    for name in ("stochastic", "train", "train_taps"):
        got, wanted = (getattr(m, name)(KEY, variables, X) for m in (model, inner))
        got, wanted = (out if name == "stochastic" else out[0] for out in (got, wanted))
        np.testing.assert_allclose(got, expected(wanted), atol=1e-5)
    kernel, bias = model.head(variables)
    affine = model.features(variables, X) @ kernel + bias[None]
    np.testing.assert_allclose(affine, model.apply(variables, X), atol=1e-5)


def test_the_likelihood_does_not_depend_on_the_units():
    """In other units the density is that of the numbers, over the scale: log p falls by log scale."""
    plain, scaled = (regressor(BACKBONE, log_variance=True, **units) for units in ({}, {"location": 2.0, "scale": 7.0}))
    variables, y = plain.init(KEY, X), X[:, 0]
    log_prob = jax.vmap(likelihoods.heteroscedastic_gaussian().log_prob)
    difference = log_prob(plain.apply(variables, X), y) - log_prob(scaled.apply(variables, X), 2 + 7 * y)
    np.testing.assert_allclose(difference, np.log(7), atol=1e-5)


def test_a_convolutional_backbone_has_taps():
    x = jnp.ones((2, 8, 8, 1), jnp.float32)
    model = regressor(functools.partial(cnn, channels=(4, 4)))
    variables = model.init(KEY, x)
    assert jax.jit(model.apply)(variables, x).shape == (2, 1)
    assert sorted(jax.eval_shape(model.taps, variables, x)) == ["block_1", "block_2"]
    assert model.stochastic is None


def test_impossible_regressors_are_refused():
    for options in ({"targets": 0}, {"scale": 0.0}, {"scale": float("inf")}, {"location": float("nan")}):
        with pytest.raises(ValueError, match="got"):
            regressor(BACKBONE, **options)


@pytest.mark.slow
def test_members_are_independent_networks():
    model = BACKBONE(3)
    members = init_members(model, KEY, X, 4)
    kernels = members.params["head"]["kernel"]
    assert kernels.shape == (4, 8, 3)
    assert jnp.std(kernels, axis=0).min() > 0
    alone = model.init(jax.random.split(KEY, 4)[2], X)
    jax.tree.map(lambda many, one: np.testing.assert_allclose(many[2], one, atol=1e-6), members.params, alone.params)
    together = jax.vmap(model.apply, in_axes=(0, None))(members, X)
    np.testing.assert_allclose(together[2], model.apply(alone, X), atol=1e-5)
    with pytest.raises(ValueError, match="member"):
        init_members(model, KEY, X, 0)
