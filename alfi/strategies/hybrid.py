"""Hybrid by rounds: one strategy while there are few labels, another one afterwards."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from alfi.strategies.core_set import core_set
from alfi.strategies.margin import margin
from alfi.typing import Fitted, Likelihood, Model, Pool, PRNGKey, Selection, Strategy


def hybrid(
    model: Model,
    likelihood: Likelihood,
    *,
    early: Callable[[Model, Likelihood], Strategy] = core_set,
    late: Callable[[Model, Likelihood], Strategy] = margin,
    labels: int = 100,
) -> Strategy:
    """``early`` while fewer than ``labels`` examples are labelled, then ``late``.

    Tasks: those of its stages. Needs: what its stages need.

    Parameters
    ----------
    early, late
        Factories; with hyper-parameters by ``functools.partial``. A hybrid of hybrids has three stages.
    labels
        Number of labelled examples, so ``initial + rounds * batch_size`` of the first late round. A compiled round
        serves both stages.

    Raises
    ------
    ValueError
        If ``labels`` is negative.

    Cost: that of the one in use; under ``vmap`` that of both.
    """
    if labels < 0:
        raise ValueError(f"hybrid needs labels >= 0; got {labels}.")
    stages = early(model, likelihood), late(model, likelihood)

    def is_early(pool: Pool):
        return jnp.sum(pool.labelled) < labels

    def fit(key: PRNGKey, fitted: Fitted, pool: Pool) -> Fitted:
        # Each stage finds what it has learnt in its own place; the other place is zeros of the same shape.
        learnt = [lambda fitted, stage=stage: stage.fit(key, fitted, pool) for stage in stages]

        def only(number: int) -> Callable[[Fitted], tuple]:
            return lambda fitted: tuple(
                one(fitted) if i == number else _zeros(jax.eval_shape(one, fitted)) for i, one in enumerate(learnt)
            )

        return fitted._replace(extra=jax.lax.cond(is_early(pool), only(0), only(1), fitted))

    def select(key: PRNGKey, fitted: Fitted, pool: Pool, batch_size: int) -> Selection:
        learnt = (fitted, fitted) if fitted.extra is None else fitted.extra

        def by(number: int) -> Callable[[tuple], Selection]:
            return lambda learnt: stages[number].select(key, learnt[number], pool, batch_size)

        shapes = [jax.eval_shape(by(number), learnt) for number in (0, 1)]
        types = [jnp.result_type(*leaves) for leaves in zip(*shapes, strict=True)]  # of indices and gains

        def alike(number: int) -> Callable[[tuple], Selection]:
            return lambda learnt: Selection(*map(jax.lax.convert_element_type, by(number)(learnt), types))

        return jax.lax.cond(is_early(pool), alike(0), alike(1), learnt)

    return Strategy(fit, select)


def _zeros(shapes: Any) -> Any:
    return jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
