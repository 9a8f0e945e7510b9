"""Training as pure functions. The labelled set enters as an index array and a count, so one program serves all rounds.

jit or vmap (over keys, variables, indices and counts) what the factories return. A step gathers only its minibatch, so
its cost does not depend on the pool. Where the pool is sharded or on another device, gather the labelled rows once and
give those: ``train(key, variables, x[indices], y[indices], jnp.arange(m), count)``.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, Shaped

from alfi.typing import Inputs, Likelihood, Model, PRNGKey, Variables


class Training(NamedTuple):
    """A trained model, the steps it took, and the share of the labelled sites that it gets right (nan if y is real)."""

    variables: Variables
    steps: Int[Array, ""]
    accuracy: Float[Array, ""]


# (key, variables, x[n, ...], y[n, ...], indices[m], count) -> Training. Of the indices the first `count` >= 1 are
# labelled; what stands behind them is never read.
Train = Callable[..., Training]

ADAM = optax.adam(2e-3)


def fixed_steps(
    model: Model,
    likelihood: Likelihood,
    optimizer: optax.GradientTransformation = ADAM,
    *,
    steps: int = 200,
    minibatch_size: int = 32,
    weight_decay: float | Array = 0.0,
    chunk_size: int = 256,
) -> Train:
    r"""Training by a fixed number of minibatch steps.

    Each step descends ``-mean_i sum_t log p(y_it | f_it) + weight_decay / 2 |params|^2`` over a minibatch drawn with
    replacement from the labelled set.

    Parameters
    ----------
    optimizer
        Any of optax; clipping and schedules belong to it. Its state starts anew with each training.
    minibatch_size
        Examples in a step.
    weight_decay
        Of all parameters, coupled (it is part of the loss).
    chunk_size
        Examples evaluated at once for the final accuracy.

    Returns
    -------
    ``train(key, variables, x[n, ...], y[n, ...], indices[m], count) -> Training``.

    Raises
    ------
    ValueError
        If a number of steps or examples is not positive.

    Cost: steps x minibatch_size forward and backward passes, and m forward passes.

    Examples
    --------
    >>> import alfi
    >>> x = jnp.linspace(-1, 1, 20).reshape(20, 1)
    >>> y = (x[:, 0] > 0).astype(int)
    >>> model = alfi.models.mlp(2, hidden=(8,))
    >>> train = jax.jit(fixed_steps(model, alfi.likelihoods.categorical(), optax.adam(0.05)))
    >>> trained = train(jax.random.key(0), model.init(jax.random.key(1), x), x, y, jnp.arange(20), 20)
    >>> int(trained.steps), float(trained.accuracy)
    (200, 1.0)
    """
    _require_positive(steps=steps, minibatch_size=minibatch_size, chunk_size=chunk_size)
    descend = _descend(model, likelihood, optimizer, minibatch_size, weight_decay)

    def train(
        key: PRNGKey,
        variables: Variables,
        x: Inputs,
        y: Shaped[Array, "n ..."],
        indices: Int[Array, " m"],
        count: int | Int[Array, ""],
    ) -> Training:
        begin = (variables, optimizer.init(variables.params))
        variables, _ = descend(key, begin, x, y, indices, count, steps)
        if jnp.issubdtype(y.dtype, jnp.floating):
            accuracy = jnp.asarray(jnp.nan)
        else:
            accuracy = 1 - _share_wrong(model, variables, x, y, indices, count, chunk_size)
        return Training(variables, jnp.asarray(steps, jnp.int32), accuracy)

    return train


def until_fitted(
    model: Model,
    likelihood: Likelihood,
    optimizer: optax.GradientTransformation = ADAM,
    *,
    steps: int = 2000,
    check_every: int = 20,
    minibatch_size: int = 32,
    weight_decay: float | Array = 0.0,
    chunk_size: int = 256,
) -> Train:
    """Training until every labelled site is predicted correctly, or the steps are used up.

    As ``fixed_steps``, in blocks of ``check_every`` steps; after each, the labelled set is evaluated. Under vmap all go
    on until the last has fitted, but each keeps what it had when it fitted itself.

    Parameters
    ----------
    steps
        The most there may be; a multiple of ``check_every``.
    check_every
        Steps between evaluations.

    Returns
    -------
    ``train(key, variables, x[n, ...], y[n, ...], indices[m], count) -> Training``; ``steps`` says how many were done.

    Raises
    ------
    ValueError
        If a number is not positive, ``steps`` is no multiple of ``check_every``, or y is real-valued.

    Cost: that of the steps done, and m forward passes for each block.

    Source: the rule "until 100 % training accuracy" of MedAL (Smailagic et al. 2018, arXiv 1809.09287).

    Examples
    --------
    >>> import alfi
    >>> x = jnp.linspace(-1, 1, 20).reshape(20, 1)
    >>> y = (x[:, 0] > 0).astype(int)
    >>> model = alfi.models.mlp(2, hidden=(8,))
    >>> train = jax.jit(until_fitted(model, alfi.likelihoods.categorical(), optax.adam(0.05)))
    >>> trained = train(jax.random.key(0), model.init(jax.random.key(1), x), x, y, jnp.arange(20), 20)
    >>> int(trained.steps) < 200, float(trained.accuracy)
    (True, 1.0)
    """
    _require_positive(steps=steps, check_every=check_every, minibatch_size=minibatch_size, chunk_size=chunk_size)
    if steps % check_every:
        raise ValueError(f"until_fitted needs steps to be a multiple of check_every; got {steps=}, {check_every=}.")
    descend = _descend(model, likelihood, optimizer, minibatch_size, weight_decay)

    def train(
        key: PRNGKey,
        variables: Variables,
        x: Inputs,
        y: Shaped[Array, "n ..."],
        indices: Int[Array, " m"],
        count: int | Int[Array, ""],
    ) -> Training:
        if jnp.issubdtype(y.dtype, jnp.floating):
            raise ValueError(f"until_fitted needs class labels, y of an integer type; got {y.dtype}: use fixed_steps.")

        def unfitted(carry):
            _, step, wrong = carry
            return (wrong > 0) & (step < steps)

        def block(carry):
            learnt, step, _ = carry
            learnt = descend(jax.random.fold_in(key, step), learnt, x, y, indices, count, check_every)
            return learnt, step + check_every, _share_wrong(model, learnt[0], x, y, indices, count, chunk_size)

        begin = (variables, optimizer.init(variables.params))
        carry = (begin, jnp.asarray(0, jnp.int32), jnp.asarray(1.0, jnp.float32))
        (variables, _), step, wrong = jax.lax.while_loop(unfitted, block, carry)
        return Training(variables, step, 1 - wrong)

    return train


def _descend(model, likelihood, optimizer, minibatch_size, weight_decay) -> Callable[..., tuple[Variables, Any]]:
    """The function that both rules share: some steps from ``(variables, optimizer state)``."""

    def loss(params, key, state, x, y):
        outputs, state = model.train(key, Variables(params, state), x)
        log_prob = likelihood.log_prob
        for _ in range(outputs.ndim - 1):  # over rows and sites
            log_prob = jax.vmap(log_prob)
        squares = sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(params))
        return -jnp.sum(log_prob(outputs, y)) / x.shape[0] + weight_decay / 2 * squares, state

    def descend(key, begin, x, y, indices, count, steps):
        key_minibatch, key_train = jax.random.split(key)
        # All minibatches in one draw: two small kernels less in every step of a loop whose steps are small themselves.
        slots = jax.random.randint(key_minibatch, (steps, minibatch_size), 0, count, indices.dtype)

        def step(carry, now):
            (params, state), optimizer_state = carry
            rows, key = now
            (_, state), gradient = jax.value_and_grad(loss, has_aux=True)(params, key, state, x[rows], y[rows])
            updates, optimizer_state = optimizer.update(gradient, optimizer_state, params)
            return (Variables(optax.apply_updates(params, updates), state), optimizer_state), None

        return jax.lax.scan(step, begin, (indices[slots], jax.random.split(key_train, steps)))[0]

    return descend


def _share_wrong(model, variables, x, y, indices, count, chunk_size) -> Float[Array, ""]:
    """Share of the sites of the labelled examples that are predicted wrongly, or not by a number."""

    def wrong(index):
        outputs, label = model.apply(variables, x[index][None])[0], y[index]
        several = outputs.ndim > label.ndim and outputs.shape[-1] > 1
        guess = jnp.argmax(outputs, axis=-1) if several else jnp.reshape(outputs > 0, label.shape)
        return jnp.mean((guess != label) | jnp.isnan(outputs).any(), dtype=jnp.float32)

    known = jnp.arange(indices.shape[0]) < count
    each = jax.lax.map(wrong, jnp.where(known, indices, indices[0]), batch_size=min(chunk_size, indices.shape[0]))
    return jnp.sum(jnp.where(known, each, 0)) / count


def _require_positive(**numbers: int) -> None:
    for name, number in numbers.items():
        if number < 1:
            raise ValueError(f"training needs {name} >= 1; got {number}.")
