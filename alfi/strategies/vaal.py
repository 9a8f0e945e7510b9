"""VAAL: the examples that a discriminator tells best from what is labelled, in the codes of an auto-encoder."""

import itertools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, PyTree

from alfi.criteria.score import score
from alfi.models.auto_encoder import AutoEncoder, auto_encoder
from alfi.selection.top_k import top_k
from alfi.strategies.compose import compose
from alfi.typing import Fitted, Likelihood, Model, Pool, PRNGKey, Strategy


class Adversaries(NamedTuple):
    """What ``fit`` learns, as ``Fitted.extra``."""

    auto_encoder: PyTree
    discriminator: PyTree


def vaal(
    model: Model,
    likelihood: Likelihood,
    *,
    steps: int = 500,
    minibatch_size: int = 64,
    latent: int = 32,
    width: int = 16,
    learning_rate: Any = 5e-4,
    adversary: Any = 1.0,
    beta: Any = 1.0,
    passes: int = 2,
) -> Strategy:
    r"""Smallest probability of being labelled, by a discriminator D of the codes z of a variational auto-encoder.

    The auto-encoder minimises, over minibatches of labelled and of unlabelled inputs,
    ``sum |x - x'|^2 / 2 + beta KL(q(z | x) || N(0, I)) - adversary log D(z)``: it wants D to take everything for
    labelled. D minimises ``- log D(z_labelled) - log(1 - D(z_unlabelled))``. Both begin anew in each round. The task's
    model and labels are not read.

    Parameters
    ----------
    steps
        Of the discriminator; the auto-encoder makes ``passes`` steps for each. (The paper trains some 100 epochs.)
    minibatch_size
        Of each of the two sets.
    latent, width
        As for ``models.auto_encoder``.
    learning_rate
        Of both Adams.
    adversary, beta
        Weights in the auto-encoder's loss.

    Raises
    ------
    ValueError
        If a number of steps or examples is not positive.

    The squared error is summed over pixels as the divergence is over codes: a bound of the likelihood. (The authors'
    code takes the mean of one and the sum of the other.)

    Tasks: any. Needs: an auto-encoder of its own, which it trains.

    Source: Sinha, Ebrahimi & Darrell 2019, arXiv 1904.00370.
    """
    del model, likelihood
    if min(steps, minibatch_size, passes) < 1:
        raise ValueError(f"vaal needs numbers of at least 1; got {steps=}, {minibatch_size=}, {passes=}.")
    optimizer = optax.adam(learning_rate)

    def fit(key: PRNGKey, fitted: Fitted, pool: Pool) -> Fitted:
        network = auto_encoder(pool.x.shape[1:], latent=latent, width=width)
        keys = dict(zip(("encoder", "discriminator", "loop"), jax.random.split(key, 3), strict=True))
        encoder = network.init(keys["encoder"], pool.x[:1])
        critic = _discriminator(keys["discriminator"], latent, 8 * width, encoder)
        start = (encoder, optimizer.init(encoder)), (critic, optimizer.init(critic))
        sets = _members(pool.labelled), _members(~pool.labelled & (pool.population > 0))

        def descend(loss, learnt, *arguments):
            params, state = learnt
            updates, state = optimizer.update(jax.grad(loss)(params, *arguments), state, params)
            return optax.apply_updates(params, updates), state

        def step(carry, key):
            encoder, critic = carry
            key_draw, key_critic, *key_passes = jax.random.split(key, 2 + passes)
            x, share = _minibatch(key_draw, pool.x, sets, minibatch_size)
            for key_pass in key_passes:
                encoder = descend(encoder_loss, encoder, critic[0], network, key_pass, x, share)
            critic = descend(critic_loss, critic, encoder[0], network, key_critic, x, share)
            return (encoder, critic), None

        def encoder_loss(encoder, critic, network, key, x, share):
            code, mean, log_variance = _draw(key, network, encoder, x)
            errors = 0.5 * jnp.sum((network.decode(encoder, code) - x).reshape(x.shape[0], -1) ** 2, axis=1)
            divergence = 0.5 * jnp.sum(mean**2 + jnp.exp(log_variance) - 1 - log_variance, axis=1)
            deceived = jax.nn.softplus(-_logit(critic, code))
            return jnp.sum(share * (errors + beta * divergence + adversary * deceived))

        def critic_loss(critic, encoder, network, key, x, share):
            logit = _logit(critic, _draw(key, network, encoder, x)[0])
            sign = jnp.where(jnp.arange(2 * minibatch_size) < minibatch_size, -1, 1)
            return jnp.sum(share * jax.nn.softplus(sign * logit))

        (encoder, critic), _ = jax.lax.scan(step, start, jax.random.split(keys["loop"], steps))
        return fitted._replace(extra=Adversaries(encoder[0], critic[0]))

    def factor_fn(key, fitted, pool, /):
        del key
        network = auto_encoder(pool.x.shape[1:], latent=latent, width=width)
        return -_logit(fitted.extra.discriminator, network.encode(fitted.extra.auto_encoder, pool.x)[0])

    return compose(factor_fn, score(), top_k())._replace(fit=fit)


def _members(mask: Array) -> tuple[Array, Array]:
    """The rows of a set, the others behind them, and how many they are."""
    return jnp.argsort(~mask, stable=True), jnp.sum(mask)


def _minibatch(key: PRNGKey, x: Array, sets: tuple, size: int) -> tuple[Array, Float[Array, " m"]]:
    """``size`` inputs of each set, and each one's share in the mean over its set; 0 for those of an empty set."""
    keys = jax.random.split(key)
    rows = [
        order[jax.random.randint(k, (size,), 0, jnp.maximum(count, 1))]
        for k, (order, count) in zip(keys, sets, strict=True)
    ]
    shares = [jnp.where(count > 0, jnp.full(size, 1 / size), 0) for _, count in sets]
    inputs = x[jnp.concatenate(rows)]
    inputs = inputs.astype(jnp.result_type(inputs, jnp.float32))
    return inputs, jnp.concatenate(shares).astype(inputs.dtype)


def _draw(key: PRNGKey, network: AutoEncoder, params: PyTree, x: Array) -> tuple[Array, Array, Array]:
    mean, log_variance = network.encode(params, x)
    return mean + jnp.exp(log_variance / 2) * jax.random.normal(key, mean.shape, mean.dtype), mean, log_variance


def _discriminator(key: PRNGKey, inputs: int, hidden: int, like: PyTree) -> list[tuple[Array, Array]]:
    """Three dense layers."""
    dtype, sizes = jax.tree.leaves(like)[0].dtype, (inputs, hidden, hidden, 1)
    shapes = list(itertools.pairwise(sizes))
    draw = jax.nn.initializers.he_normal()
    return [(draw(k, s, dtype), jnp.zeros(s[1], dtype)) for k, s in zip(jax.random.split(key, 3), shapes, strict=True)]


def _logit(layers: list[tuple[Array, Array]], code: Float[Array, "n l"]) -> Float[Array, " n"]:
    """Log odds of being labelled."""
    for kernel, bias in layers[:-1]:
        code = jax.nn.leaky_relu(code @ kernel + bias[None], 0.2)
    kernel, bias = layers[-1]
    return (code @ kernel + bias[None])[:, 0]
