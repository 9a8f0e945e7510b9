"""BALD: the mutual information of one label and the posterior samples, in nats."""

from typing import Any

import jax.numpy as jnp
from jax.scipy.special import entr
from jax.tree_util import Partial
from jaxtyping import Array, Float

from alfi.criteria.score import score
from alfi.typing import Criterion, State


def bald() -> Criterion:
    r"""``gain_i = H[mean_k p_k(y_i)] - mean_k H[p_k(y_i)]`` over the posterior samples k.

    Additive: blind to redundancy within a batch.

    Returns
    -------
    Criterion on probabilities [n, members, c], which sum to 1 over classes. State: the scores [n].

    Source: Houlsby et al. 2011, arXiv 1112.5745.

    Examples
    --------
    >>> import alfi
    >>> agreed, split = [[0.5, 0.5], [0.5, 0.5]], [[1.0, 0.0], [0.0, 1.0]]
    >>> [round(float(gain), 3) for gain in alfi.score(bald(), jnp.array([agreed, split]))]
    [0.0, 0.693]
    """
    additive = score()
    return Criterion(
        init=Partial(_init),
        gain=Partial(_gain),
        update=Partial(_update),
        value=additive.value,
        sensitivity=Partial(_gain),
    )


def mutual_information(probabilities: Float[Array, "n members c"]) -> Float[Array, " n"]:
    """Of each label and the posterior sample, in nats; not negative."""
    together = jnp.sum(entr(probabilities.mean(axis=1)), axis=1)
    apart = jnp.sum(entr(probabilities), axis=2).mean(axis=1)
    return jnp.maximum(together - apart, 0)


def _init(data: Array, weights: Array, population: Array) -> State:
    del population
    scores = mutual_information(data)
    return State(jnp.sum(jnp.where(weights != 0, weights * scores, 0)), scores)


def _gain(data: Array, state: State, weight: Any = 1.0) -> Float[Array, " n"]:
    del data
    return weight * state.local


def _update(data: Array, state: State, index: Array, point: Array, weight: Any = 1.0) -> State:
    del data, index
    return State(state.shared + weight * mutual_information(point)[0], state.local)
