"""Segmentation from end to end: a small fully convolutional network through training, the loop and the metrics."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import alfi
from alfi import augment, likelihoods, loop, losses, metrics

RNG = np.random.default_rng(0)


def discs(n=24, side=12):
    """Noisy images of a bright disc, and its mask."""
    rows, columns = np.mgrid[:side, :side]
    centres, radii = RNG.uniform(4, side - 4, (n, 2, 1, 1)), RNG.uniform(2, 4, (n, 1, 1))
    mask = (rows - centres[:, 0]) ** 2 + (columns - centres[:, 1]) ** 2 < radii**2
    x = mask + RNG.normal(0, 0.5, mask.shape)
    return jnp.asarray(x[..., None], jnp.float32), jnp.asarray(mask, jnp.int32)


def neighbourhood(x):
    """The 3x3 pixels about each: a convolution is then a matrix product."""
    padded = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
    h, w = x.shape[1:3]
    return jnp.concatenate([padded[:, i : i + h, j : j + w] for i in range(3) for j in range(3)], axis=-1)


def init(key, x):
    first, second = jax.random.split(key)
    return {
        "hidden": 0.4 * jax.random.normal(first, (9, 8), x.dtype),
        "kernel": 0.1 * jax.random.normal(second, (72, 2), x.dtype),
        "bias": jnp.zeros(2, x.dtype),
    }


def features(params, x):
    return neighbourhood(jax.nn.relu(neighbourhood(x) @ params["hidden"]))


MODEL = alfi.models.from_function(
    lambda params, x: features(params, x) @ params["kernel"] + params["bias"].reshape(1, 1, 1, 2),
    init=init,
    features=features,
    head=lambda params: (params["kernel"], params["bias"]),
)
LIKELIHOOD = likelihoods.segmentation(effective_sites=10)
X, Y = discs()
LOSSES = {
    "likelihood": None,
    "cross_entropy": losses.cross_entropy(),
    "dice": losses.dice(),
    "both": losses.add(losses.dice(), losses.cross_entropy()),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_teaches_the_masks(name):
    options = {"steps": 120, "minibatch_size": 8, "loss": LOSSES[name], "augment": augment.flip()}
    train = jax.jit(alfi.training.fixed_steps(MODEL, LIKELIHOOD, optax.adam(2e-2), **options))
    begin = MODEL.init(jax.random.key(1), X)
    trained = train(jax.random.key(0), begin, X, Y, jnp.arange(16), 16)
    outputs = MODEL.apply(trained.variables, X)
    np.testing.assert_allclose(trained.accuracy, (outputs[:16].argmax(axis=-1) == Y[:16]).mean(), atol=1e-6)
    assert metrics.jaccard(outputs[16:], Y[16:]) > 0.7 > 0.4 > metrics.jaccard(MODEL.apply(begin, X)[16:], Y[16:])


def test_masks_are_bought_by_index_in_the_loop():
    pool = alfi.pool(X, Y)
    train = alfi.training.fixed_steps(
        MODEL, LIKELIHOOD, optax.adam(2e-2), steps=60, minibatch_size=8, loss=LOSSES["both"]
    )
    learn = loop.make_learn(MODEL, train, lambda variables: metrics.jaccard(MODEL.apply(variables, X), Y))
    query = loop.make_query(alfi.strategies.d_optimal(MODEL, LIKELIHOOD, prior_precision=1.0), 2)
    run = jax.jit(
        lambda pool: loop.run(
            jax.random.key(0), loop.start(MODEL, pool, jnp.arange(3), 7), pool, learn=learn, query=query, rounds=2
        )
    )
    final, learned, _ = run(pool)
    assert len(set(final.labelled.tolist())) == final.count == 7
    assert learned.metrics[-1] > 0.6
    bought = jnp.zeros(24, bool).at[final.labelled].set(True)
    seen = loop.masked(pool, final)
    np.testing.assert_array_equal(seen.y, jnp.where(bought[:, None, None], Y, 0))
