"""Training as pure functions. The labelled set enters as an index array and a count, so one program serves all rounds.

jit or vmap (over keys, variables, indices and counts) what the factories return. A step gathers only its minibatch, so
its cost does not depend on the pool. Where the pool is sharded or on another device, gather the labelled rows once and
give those: ``train(key, variables, x[indices], y[indices], jnp.arange(m), count)``. The factories differ in when they
stop; loss, augmentation, minibatches and weight decay are keyword arguments of all, told in ``alfi.descent.Options``.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, Unpack

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, Shaped

from alfi.descent import Options, descent, require_positive
from alfi.typing import Likelihood, Model, PRNGKey, Variables


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
    **options: Unpack[Options],
) -> Train:
    r"""Training by a fixed number of minibatch steps.

    Each step descends ``mean_i loss(f_i, y_i) + weight_decay / 2 |params|^2`` over a minibatch drawn from the labelled
    set; the loss is ``-sum_t log p(y_it | f_it)`` unless the options name another.

    Parameters
    ----------
    optimizer
        Any of optax; clipping and schedules belong to it. Its state starts anew with each training, so a schedule runs
        from its beginning in every round: ``optax.adam(optax.cosine_decay_schedule(2e-3, steps))``.
    **options
        Those of ``alfi.descent.Options``.

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
    require_positive(steps=steps)
    begin, descend, wrong = descent(model, likelihood, optimizer, **options)

    def train(key: PRNGKey, variables: Variables, *data: Any) -> Training:
        variables, _ = descend(key, begin(variables), data, steps)
        accuracy = jnp.asarray(jnp.nan) if _is_real(data[1]) else 1 - wrong(variables, data)
        return Training(variables, jnp.asarray(steps, jnp.int32), accuracy)

    return train


def until_fitted(
    model: Model,
    likelihood: Likelihood,
    optimizer: optax.GradientTransformation = ADAM,
    *,
    steps: int = 2000,
    check_every: int = 20,
    **options: Unpack[Options],
) -> Train:
    """Training until every labelled site is predicted correctly in evaluation mode, or the steps are used up.

    As ``fixed_steps``, in blocks of ``check_every`` steps; after each, the labelled set is evaluated as it is, never
    augmented. ``Training.steps`` says how many steps were done. Under vmap all go on until the last has fitted, but
    each keeps what it had when it fitted itself.

    Parameters
    ----------
    steps
        The most there may be; a multiple of ``check_every``.
    check_every
        Steps between evaluations: m forward passes each.

    Raises
    ------
    ValueError
        As ``fixed_steps``; if ``steps`` is no multiple of ``check_every``, or y is real-valued.

    Source: the rule "until 100 % training accuracy" of MedAL (Smailagic et al. 2018, arXiv 1809.09287).

    Examples
    --------
    >>> import alfi
    >>> x, y = jnp.eye(4), jnp.array([0, 1, 1, 0])
    >>> model = alfi.models.mlp(2, hidden=(8,))
    >>> train = jax.jit(until_fitted(model, alfi.likelihoods.categorical(), optax.adam(0.05), check_every=10))
    >>> trained = train(jax.random.key(0), model.init(jax.random.key(1), x), x, y, jnp.arange(4), 4)
    >>> int(trained.steps) < 100, float(trained.accuracy)
    (True, 1.0)
    """
    require_positive(steps=steps, check_every=check_every)
    if steps % check_every:
        raise ValueError(f"until_fitted needs steps to be a multiple of check_every; got {steps=}, {check_every=}.")
    begin, descend, wrong = descent(model, likelihood, optimizer, **options)

    def train(key: PRNGKey, variables: Variables, *data: Any) -> Training:
        if _is_real(data[1]):
            raise ValueError(
                f"until_fitted needs class labels, y of an integer type; got {data[1].dtype}: use fixed_steps."
            )

        def unfitted(carry):
            _, step, share = carry
            return (share > 0) & (step < steps)

        def block(carry):
            learnt, step, _ = carry
            learnt = descend(jax.random.fold_in(key, step), learnt, data, check_every)
            return learnt, step + check_every, wrong(learnt[0], data)

        carry = (begin(variables), jnp.asarray(0, jnp.int32), jnp.asarray(1.0, jnp.float32))
        (variables, _), step, share = jax.lax.while_loop(unfitted, block, carry)
        return Training(variables, step, 1 - share)

    return train


def _is_real(y: Shaped[Array, "n ..."]) -> bool:
    return jnp.issubdtype(y.dtype, jnp.floating)
