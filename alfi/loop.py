"""The active-learning loop as pure functions: learn, query, and all rounds as one scan.

``learn`` (train on what is labelled, evaluate) does not depend on the strategy, ``query`` (choose, label) does. So a
host loop over rounds compiles one ``learn`` for all strategies and one ``query`` for each, times them apart, and
writes files in between; ``run`` is the same two steps as one compiled program. Sets are index arrays and counts, so
shapes are the same in every round.
"""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int

from alfi.selection.budgeted import affordable, with_rounding
from alfi.typing import Fitted, Model, Pool, PRNGKey, Selection, Strategy, Variables


class LoopState(NamedTuple):
    """What is known after some rounds: labelled rows in the order they were labelled, and the model trained on them."""

    variables: Variables
    labelled: Int[Array, " m"]  # m = initial + rounds x batch_size; beyond count: n, which is no row
    count: Int[Array, ""]


class Learned(NamedTuple):
    """The outcome of training: whatever ``evaluate`` and ``diagnose`` say, training accuracy and number of steps."""

    metrics: Any
    diagnostics: Any
    accuracy: Array
    steps: Array


# (key, state, pool) -> (state, Learned)
Learn = Callable[[PRNGKey, LoopState, Pool], tuple[LoopState, Learned]]
# (key, state, pool) -> (state, Selection)
Query = Callable[[PRNGKey, LoopState, Pool], tuple[LoopState, Selection]]


def start(model: Model, pool: Pool, initial: Int[Array, " k"], capacity: int) -> LoopState:
    """The state before the first round.

    Parameters
    ----------
    initial
        Rows labelled at the start.
    capacity
        Labels there will ever be: ``len(initial) + rounds * batch_size``. It fixes the shapes.

    Raises
    ------
    ValueError
        If the pool or the capacity is too small.
    """
    n, k = pool.x.shape[0], initial.shape[0]
    if not k <= capacity <= n:
        raise ValueError(f"need initial ({k}) <= capacity ({capacity}) <= pool ({n}): fewer rounds, or a larger pool.")
    variables = model.init(
        jax.random.key(0), pool.x[:1]
    )  # only its shapes matter: learn makes its own, or trains it on
    labelled = jnp.full(capacity, n, jnp.int32).at[:k].set(initial.astype(jnp.int32))
    return LoopState(variables, labelled, jnp.asarray(k, jnp.int32))


def masked(pool: Pool, state: LoopState) -> Pool:
    """The pool as a strategy may see it: what is labelled, what may be asked, and no label that was not paid for."""
    labelled = jnp.zeros(pool.labelled.shape, bool).at[state.labelled].set(True, mode="drop")
    hidden = jnp.where(labelled.reshape(-1, *[1] * (pool.y.ndim - 1)), pool.y, jnp.zeros_like(pool.y))
    return pool._replace(y=hidden, labelled=labelled, available=pool.available & ~labelled)


def make_learn(
    model: Model,
    train: Callable,
    evaluate: Callable[[Variables], Any],
    *,
    diagnose: Callable[[Fitted, Pool], Any] = lambda fitted, pool: (),
    warm_start: bool = False,
) -> Learn:
    """One round's first half: train on what is labelled, then evaluate.

    Parameters
    ----------
    train
        As ``alfi.training`` makes it: ``(key, variables, x, y, indices, count) -> Training``.
    evaluate
        ``(variables) -> metrics``, any tree of arrays.
    diagnose
        ``(fitted, pool) -> `` any tree of arrays to record.
    warm_start
        Train on from the last round's variables instead of from new random ones.

    The key alone decides initialisation and minibatches: with equal keys all strategies share them (common random
    numbers).
    """

    def learn(key: PRNGKey, state: LoopState, pool: Pool) -> tuple[LoopState, Learned]:
        key_init, key_train = jax.random.split(key)
        begin = state.variables if warm_start else model.init(key_init, pool.x[:1])
        trained = train(key_train, begin, pool.x, pool.y, state.labelled, state.count)
        report = diagnose(Fitted(trained.variables), masked(pool, state))
        learned = Learned(evaluate(trained.variables), report, trained.accuracy, trained.steps)
        return state._replace(variables=trained.variables), learned

    return learn


def make_query(
    strategy: Strategy,
    batch_size: int,
    *,
    unit: Literal["example", "group"] = "example",
    budget: Any = None,
) -> Query:
    """One round's second half: what the strategy learns for itself, its picks, and their labels.

    Parameters
    ----------
    batch_size
        Picks in a round, at most.
    unit
        "group": with a pick all available members of its group are labelled (all images of a patient), so
        ``batch_size`` counts groups, and the capacity of ``start`` has to allow for their members.
    budget
        What all labels together may cost, those of the start included, in the unit of ``pool.costs``; traced or a
        number. A pick that the rest does not pay is passed over; with nothing affordable left, nothing is picked.
        Default: no limit.

    Raises
    ------
    ValueError
        In use, if the pool lacks the groups or costs that are asked for.

    A group of which not all members can be paid, or fit the capacity, is left out whole.
    """
    if unit not in ("example", "group"):
        raise ValueError(f"unit is 'example' or 'group'; got {unit!r}.")

    def query(key: PRNGKey, state: LoopState, pool: Pool) -> tuple[LoopState, Selection]:
        if unit == "group" and pool.groups is None:
            raise ValueError("to label whole groups the pool needs `groups`.")
        if budget is not None and pool.costs is None:
            raise ValueError("a budget needs the pool's `costs`.")
        key_fit, key_select = jax.random.split(key)
        n, seen = pool.x.shape[0], masked(pool, state)
        free, left = seen.available, jnp.inf
        if budget is not None:
            left = with_rounding(budget) - jnp.sum(jnp.where(seen.labelled, pool.costs, 0))
            seen = seen._replace(available=free & (pool.costs <= left))
        fitted = strategy.fit(key_fit, Fitted(state.variables), seen)
        selection = strategy.select(key_select, fitted, seen, batch_size)

        picked = selection.indices
        if unit == "group":
            turn = _turns(picked, free, pool.groups)
            sizes = jax.ops.segment_sum(jnp.ones(n, int), turn, batch_size + 1)[:batch_size]
            kept = affordable(sizes, state.labelled.shape[0] - state.count)
            if budget is not None:
                bills = jax.ops.segment_sum(pool.costs, turn, batch_size + 1)[:batch_size]
                kept = kept & affordable(jnp.where(kept, bills, 0), left)
            turn = jnp.where(jnp.append(kept, False)[turn], turn, batch_size)
            picked = jnp.where(kept, picked, n)
        else:
            if budget is not None:
                bills = jnp.where(picked < n, pool.costs[jnp.minimum(picked, n - 1)], jnp.inf)
                picked = jnp.where(affordable(bills, left), picked, n)
            turn = jnp.where(picked < n, jnp.arange(batch_size), batch_size)
        # In the order of picks. Failed ones (index n) are labelled as nothing: they stand behind count, unread.
        order = jnp.argsort(turn, stable=True)
        rows = order if unit == "group" else picked[order]
        count = state.count + jnp.sum(turn < batch_size).astype(state.count.dtype)
        slots = state.count + jnp.arange(rows.shape[0])
        rows = jnp.where(slots < count, rows, n).astype(state.labelled.dtype)
        labelled = state.labelled.at[slots].set(rows, mode="drop")
        picked = Selection(picked, jnp.where(picked < n, selection.gains, -jnp.inf))
        return LoopState(state.variables, labelled, count), picked

    return query


def _turns(picked: Int[Array, " k"], free: Bool[Array, " n"], groups: Int[Array, " n"]) -> Int[Array, " n"]:
    """The number of the pick that buys a row, k for none: a pick buys all that is free of its group."""
    n, k = free.shape[0], picked.shape[0]
    found = picked < n
    owner = groups[jnp.minimum(picked, n - 1)]
    order = jnp.lexsort((owner, ~found))  # failed picks own nothing, and come last
    owner = jnp.where(found, owner, jnp.iinfo(owner.dtype).max)[order]
    place = jnp.minimum(jnp.searchsorted(owner, groups), k - 1)
    mine = free & (owner[place] == groups) & found[order][place]
    return jnp.where(mine, order[place], k)


def round_keys(key: PRNGKey, number: Int[Array, ""]) -> tuple[PRNGKey, PRNGKey]:
    """The keys of round ``number`` for learning and for querying, from the experiment's key."""
    key_learn, key_query = jax.random.split(jax.random.fold_in(key, number))
    return key_learn, key_query


def run(
    key: PRNGKey, state: LoopState, pool: Pool, *, learn: Learn, query: Query, rounds: int
) -> tuple[LoopState, Learned, Selection]:
    """All rounds as one scan: ``rounds`` times learn and query, and a last learn. jit it, vmap it over keys.

    Returns
    -------
    state
        After the last training.
    learned
        With a leading axis of ``rounds + 1``.
    selections
        With a leading axis of ``rounds``.

    Examples
    --------
    >>> import alfi, optax
    >>> model, likelihood = alfi.models.mlp(2, hidden=(8,)), alfi.likelihoods.categorical()
    >>> x = jax.random.normal(jax.random.key(0), (40, 3))
    >>> pool = alfi.pool(x, (x[:, 0] > 0).astype(int))
    >>> train = alfi.training.fixed_steps(model, likelihood, optax.adam(1e-2), steps=20)
    >>> right = lambda variables: (model.apply(variables, pool.x).argmax(1) == pool.y).mean()
    >>> learn, query = make_learn(model, train, right), make_query(alfi.strategies.margin(model, likelihood), 5)
    >>> state = start(model, pool, jnp.arange(4), capacity=14)
    >>> state, learned, selections = jax.jit(lambda key: run(key, state, pool, learn=learn, query=query, rounds=2))(
    ...     jax.random.key(1)
    ... )
    >>> learned.metrics.shape, selections.indices.shape, int(state.count)
    ((3,), (2, 5), 14)
    """

    def one(state: LoopState, number: Array) -> tuple[LoopState, tuple[Learned, Selection]]:
        key_learn, key_query = round_keys(key, number)
        state, learned = learn(key_learn, state, pool)
        state, selection = query(key_query, state, pool)
        return state, (learned, selection)

    state, (learned, selections) = jax.lax.scan(one, state, jnp.arange(rounds))
    state, last = learn(round_keys(key, jnp.asarray(rounds))[0], state, pool)
    learned = jax.tree.map(lambda before, final: jnp.concatenate([before, final[None]]), learned, last)
    return state, learned, selections
