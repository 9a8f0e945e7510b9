"""VAAL finds what is unlike the labelled set; its auto-encoder learns and keeps shapes."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import alfi
from alfi import models, strategies, testing

MODEL, LIKELIHOOD = testing.network(2), alfi.likelihoods.categorical()


@pytest.mark.slow
@pytest.mark.parametrize("empty", [False, True])
def test_what_no_labelled_example_resembles_comes_first(empty):
    """Three groups, one of them labelled in part. With nothing labelled all that is asked is numbers."""
    rng = np.random.default_rng(0)
    centres = np.array([[0.0, 0, 0, 0], [3, 3, 0, 0], [-3, 0, 3, 0]])
    group = np.repeat([0, 1, 2], 40)
    x = jnp.asarray(centres[group] + 0.3 * rng.standard_normal((120, 4)), jnp.float32)
    labelled = [] if empty else range(30)
    pool = alfi.pool(x, jnp.zeros(120, int), labelled=jnp.asarray(np.isin(np.arange(120), labelled)))
    strategy = strategies.vaal(MODEL, LIKELIHOOD, steps=150, width=4, latent=4, learning_rate=3e-3)
    fitted = jax.jit(strategy.fit)(jax.random.key(0), alfi.Fitted(None), pool)
    batch = strategy.select(jax.random.key(1), fitted, pool, 20)
    assert np.isfinite(batch.gains).all()
    assert empty or (group[np.asarray(batch.indices)] > 0).mean() > 0.9


@pytest.mark.parametrize("shape", [(3,), (28, 28, 1), (17, 12, 3), (50, 2)])
def test_a_code_and_back(shape):
    network = models.auto_encoder(shape, latent=3, width=2)
    x = jnp.ones((2, *shape), jnp.float32)
    params = jax.jit(network.init)(jax.random.key(0), x)
    mean, log_variance = jax.jit(network.encode)(params, x)
    assert mean.shape == log_variance.shape == (2, 3)
    assert jax.jit(network.decode)(params, mean).shape == x.shape


@pytest.mark.slow
def test_an_auto_encoder_of_images_learns():
    """Bars at five places: the squared error falls far below that of the mean image."""
    images = jnp.stack([jnp.zeros((16, 16, 1)).at[3 * i : 3 * i + 2].set(1.0) for i in range(5)])
    network = models.auto_encoder((16, 16, 1), latent=4, width=4)
    params, optimizer = network.init(jax.random.key(0), images), optax.adam(3e-3)

    def loss(params):
        return jnp.mean((network.decode(params, network.encode(params, images)[0]) - images) ** 2)

    def step(carry, _):
        params, state = carry
        updates, state = optimizer.update(jax.grad(loss)(params), state)
        return (optax.apply_updates(params, updates), state), None

    (params, _), _ = jax.jit(lambda p: jax.lax.scan(step, (p, optimizer.init(p)), None, 150))(params)
    assert loss(params) < 0.2 * jnp.mean((images - images.mean(axis=0, keepdims=True)) ** 2)


@pytest.mark.parametrize("options", [{"steps": 0}, {"minibatch_size": 0}, {"passes": 0}])
def test_bad_options(options):
    with pytest.raises(ValueError, match="at least 1"):
        strategies.vaal(MODEL, LIKELIHOOD, **options)
