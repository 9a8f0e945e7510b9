"""BatchBALD: the mutual information of the labels of a batch, jointly, and the posterior samples, in nats."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.special import entr
from jax.tree_util import Partial
from jaxtyping import Array, Float, Int

from alfi.criteria.distances import only_adding
from alfi.typing import Criterion, State

# Numbers held at once by ``gain``: this many, in chunks of candidates with a table of configurations and classes.
MEMORY = 2**24


class Shared(NamedTuple):
    """Configurations of the labels of the batch: how probable each is, and what it says of the posterior samples."""

    mass: Float[Array, " configurations"]  # sums to 1; 0 for places not used yet
    posterior: Float[Array, "configurations members"]  # P(sample | labels) times the number of samples
    used: Int[Array, ""]
    labels: Int[Array, ""]
    value: Float[Array, ""]


def batch_bald(*, configurations: int = 4096) -> Criterion:
    r"""``value = I[y_1 ... y_b; k]``, the information of the labels of the batch on which posterior sample k is true.

    By the chain rule ``gain_i = E_{y_S}[H(y_i | y_S) - E_{k | y_S} H[p_k(y_i)]]``: every configuration ``y_S`` of the
    labels so far is kept with its probability and the posterior of the samples that it implies, so nothing underflows
    however large the batch. Exact while ``c^b <= configurations``; from then on that many sampled ones stand for all:
    stratified draws from numbers that are always the same, so that a criterion needs no key and answers the same twice.

    Parameters
    ----------
    configurations
        Kept at most; a static size. More is more exact and slower.

    Returns
    -------
    Criterion on probabilities [n, members, c], which sum to 1 over classes. Submodular as long as it is exact. The
    members are the posterior already: start from an empty design (``compose(..., start="empty")``), not from the
    labelled set. A point cannot be taken out again: for a negative weight ``gain`` is nan. State: ``configurations x
    members``. Cost of a pick: ``n configurations members c``.

    Raises
    ------
    ValueError
        If ``configurations`` is not a positive integer.

    Source: Kirsch, van Amersfoort & Gal 2019, arXiv 1906.08158.

    Examples
    --------
    The second example repeats the first; the third, less telling alone, is new:

    >>> import alfi
    >>> first = jnp.array([[0.9, 0.1], [0.9, 0.1], [0.1, 0.9], [0.1, 0.9]])
    >>> third = jnp.array([[0.8, 0.2], [0.2, 0.8], [0.8, 0.2], [0.2, 0.8]])
    >>> alfi.select(batch_bald(), jnp.stack([first, first, third]), 2).indices.tolist()
    [0, 2]
    """
    if isinstance(configurations, bool) or not isinstance(configurations, int) or configurations < 1:
        raise ValueError(f"batch_bald needs a positive integer of configurations; got {configurations!r}.")
    empty = jnp.zeros(configurations).at[0].set(1)  # one configuration: no label yet
    return Criterion(init=Partial(_init, empty), gain=Partial(_gain), update=Partial(_update), value=Partial(_value))


def _init(empty: Array, data: Float[Array, "n members c"], weights: Array, population: Array) -> State:
    del population
    start = Shared(
        empty.astype(data.dtype),
        jnp.ones((empty.shape[0], data.shape[1]), data.dtype),
        jnp.ones((), int),
        jnp.zeros((), int),
        jnp.zeros((), data.dtype),
    )
    order, count = jnp.argsort(weights == 0, stable=True), jnp.count_nonzero(weights)

    def body(carry: tuple[Array, Shared]) -> tuple[Array, Shared]:
        step, shared = carry
        return step + 1, _extend(shared, data[order[step]])

    start = (jnp.zeros((), count.dtype), start)
    return State(jax.lax.while_loop(lambda carry: carry[0] < count, body, start)[1], ())


def _predict(shared: Shared, row: Float[Array, "members c"]) -> Float[Array, "configurations c"]:
    """Probabilities of the label of one more example after each configuration."""
    return jnp.matmul(shared.posterior, row, precision="highest") / row.shape[0]


def _gains(shared: Shared, data: Float[Array, "n members c"]) -> Float[Array, " n"]:
    def one(row: Float[Array, "members c"]) -> Float[Array, ""]:
        entropies = jnp.sum(entr(_predict(shared, row)), axis=1)
        return jnp.sum(shared.mass * entropies)

    chunk = max(1, min(data.shape[0], MEMORY // (shared.mass.shape[0] * data.shape[2])))
    # The samples' weights under the same configurations (equal if these are exact): so a gain is never negative.
    members = jnp.matmul(shared.mass, shared.posterior, precision="highest") / data.shape[1]
    known = jnp.matmul(jnp.sum(entr(data), axis=2), members, precision="highest")
    return jax.lax.map(one, data, batch_size=chunk) - known


def _gain(data: Array, state: State, weight: Any = 1.0) -> Float[Array, " n"]:
    return only_adding(jnp.where(jnp.asarray(weight) == 0, 0, _gains(state.shared, data)), weight)


def _extend(shared: Shared, row: Float[Array, "members c"]) -> Shared:
    """One more label: every configuration becomes c, of which the first ``configurations`` are all, or a sample."""
    size, c = shared.mass.shape[0], row.shape[1]
    predicted = _predict(shared, row)
    mass = (shared.mass[:, None] * predicted).reshape(-1)  # configuration first, then class
    used = shared.used * c
    # Stratified draws, one in each of equal parts of the cumulative mass, other ones for each label.
    ends = jnp.cumsum(mass)
    within = jax.random.uniform(jax.random.fold_in(jax.random.key(0), shared.labels), (size,), mass.dtype)
    drawn = jnp.searchsorted(ends, (jnp.arange(size) + within) / size * ends[-1])
    exact = used <= size
    kept = jnp.where(exact, jnp.arange(size), jnp.minimum(drawn, size * c - 1))
    parent, label = kept // c, kept % c
    likelihood = row.T[label]
    chance = predicted[parent, label][:, None]
    posterior = shared.posterior[parent] * likelihood / jnp.where(chance > 0, chance, 1)
    return Shared(
        jnp.where(exact, mass[:size], 1 / size),
        jnp.where(chance > 0, posterior, 1),  # of mass 0: any
        jnp.where(exact, used, size),
        shared.labels + 1,
        shared.value + _gains(shared, row[None])[0],
    )


def _update(data: Array, state: State, index: Array, point: Array, weight: Any = 1.0) -> State:
    del data, index
    extended = _extend(state.shared, point[0])
    add = jnp.asarray(weight) > 0
    return State(jax.tree.map(lambda new, old: jnp.where(add, new, old), extended, state.shared), ())


def _value(state: State) -> Float[Array, ""]:
    return state.shared.value
