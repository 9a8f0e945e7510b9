"""What every rule of training shares: some minibatch steps, and the share of the labelled sites that are wrong."""

from collections.abc import Callable
from typing import Any, NamedTuple, TypedDict

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int

from alfi.losses import LossFn, negative_log_likelihood
from alfi.typing import Inputs, Likelihood, Model, PRNGKey, Variables


class Options(TypedDict, total=False):
    """How a step is made; keyword arguments of every rule.

    loss
        As in ``alfi.losses``. Default: the negative log-likelihood, summed over the sites.
    augment
        As in ``alfi.augment``: ``(key, x[b, ...], y[b, ...]) -> (x, y)``, of each minibatch, anew in each step; what
        is evaluated is never augmented. Default: nothing.
    draw
        ``(key, y, indices[m], count, shape) -> slots``, places in ``indices`` below ``count``. Default: uniformly, with
        replacement. ``alfi.augment.balanced`` draws all classes alike.
    minibatch_size
        Examples in a step. Default 32.
    weight_decay
        Of all parameters, coupled (it is part of the loss). Default 0.
    chunk_size
        Examples evaluated at once for the training accuracy. Default 256.
    """

    loss: LossFn | None
    augment: Callable[..., tuple[Inputs, Array]] | None
    draw: Callable[..., Array]
    minibatch_size: int
    weight_decay: float | Array
    chunk_size: int


class Descent(NamedTuple):
    """Training in pieces, for rules that decide when to stop. ``data`` is ``(x[n], y[n], indices[m], count)``.

    begin    (variables) -> learnt, variables and the optimiser's state
    descend  (key, learnt, data, steps) -> learnt
    wrong    (variables, data) -> share of the labelled sites predicted wrongly
    """

    begin: Callable[[Variables], tuple[Variables, Any]]
    descend: Callable[..., tuple[Variables, Any]]
    wrong: Callable[[Variables, tuple], Float[Array, ""]]


def uniform(key: PRNGKey, y: Array, indices: Int[Array, " m"], count: Any, shape: tuple[int, ...]) -> Array:
    """Slots of ``shape``, each of the first ``count`` alike, with replacement."""
    del y
    return jax.random.randint(key, shape, 0, count, indices.dtype)


def descent(
    model: Model,
    likelihood: Likelihood,
    optimizer: optax.GradientTransformation,
    *,
    loss: LossFn | None = None,
    augment: Callable[..., tuple[Inputs, Array]] | None = None,
    draw: Callable[..., Array] = uniform,
    minibatch_size: int = 32,
    weight_decay: float | Array = 0.0,
    chunk_size: int = 256,
) -> Descent:
    r"""Descent of ``mean_i loss(f_i, y_i) + weight_decay / 2 |params|^2`` over minibatches of the labelled set.

    The arguments are those of ``Options``. Statistics of the model's state (batch normalisation) follow its training
    mode.

    Raises
    ------
    ValueError
        If a number of examples is not positive; while tracing, if the loss does not give one number per example.

    Cost: per step ``minibatch_size`` forward and backward passes, whatever the pool; ``wrong``: m forward passes.

    Examples
    --------
    >>> import alfi
    >>> x = jnp.linspace(-1, 1, 20).reshape(20, 1)
    >>> model = alfi.models.mlp(2, hidden=(8,))
    >>> parts = descent(model, alfi.likelihoods.categorical(), optax.adam(0.05))
    >>> data = x, (x[:, 0] > 0).astype(int), jnp.arange(20), 20
    >>> variables, _ = parts.descend(jax.random.key(0), parts.begin(model.init(jax.random.key(1), x)), data, 200)
    >>> float(parts.wrong(variables, data))
    0.0
    """
    require_positive(minibatch_size=minibatch_size, chunk_size=chunk_size)
    each = negative_log_likelihood(likelihood) if loss is None else loss

    def objective(params, key, state, x, y):
        if augment is not None:
            x, y = augment(jax.random.fold_in(key, 1), x, y)
        outputs, state = model.train(key, Variables(params, state), x)
        losses = each(outputs, y)
        if losses.shape != x.shape[:1]:
            raise ValueError(f"a loss gives one number for each of the {x.shape[0]} examples; got {losses.shape}.")
        squares = sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(params))
        return jnp.sum(losses) / x.shape[0] + weight_decay / 2 * squares, state

    def begin(variables):
        return variables, optimizer.init(variables.params)

    def descend(key, learnt, data, steps):
        x, y, indices, count = data
        key_minibatch, key_train = jax.random.split(key)
        # All minibatches in one draw: two small kernels less in every step of a loop whose steps are small themselves.
        slots = draw(key_minibatch, y, indices, count, (steps, minibatch_size))

        def step(carry, now):
            (params, state), optimizer_state = carry
            rows, key = now
            (_, state), gradient = jax.value_and_grad(objective, has_aux=True)(params, key, state, x[rows], y[rows])
            updates, optimizer_state = optimizer.update(gradient, optimizer_state, params)
            return (Variables(optax.apply_updates(params, updates), state), optimizer_state), None

        return jax.lax.scan(step, learnt, (indices[slots], jax.random.split(key_train, steps)))[0]

    def wrong(variables, data):
        x, y, indices, count = data

        def one(index):
            outputs, label = model.apply(variables, x[index][None])[0], y[index]
            several = outputs.ndim > label.ndim and outputs.shape[-1] > 1
            guess = jnp.argmax(outputs, axis=-1) if several else jnp.reshape(outputs > 0, label.shape)
            return jnp.mean((guess != label) | jnp.isnan(outputs).any(), dtype=jnp.float32)

        m = indices.shape[0]
        known = jnp.arange(m) < count
        shares = jax.lax.map(one, jnp.where(known, indices, indices[0]), batch_size=min(chunk_size, m))
        return jnp.sum(jnp.where(known, shares, 0)) / count

    return Descent(begin, descend, wrong)


def require_positive(**numbers: int) -> None:
    """Raise ValueError for a number below one."""
    for name, number in numbers.items():
        if number < 1:
            raise ValueError(f"training needs {name} >= 1; got {number}.")
