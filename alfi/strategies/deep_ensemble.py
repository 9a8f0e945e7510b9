"""A deep ensemble for any strategy that asks posterior samples."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from alfi.typing import Fitted, Model, Pool, PRNGKey, Strategy


def deep_ensemble(
    strategy: Strategy, model: Model, train: Callable, *, members: int = 5, capacity: int | None = None
) -> Strategy:
    """The strategy with ``fitted.members``: networks trained on the labelled set from random starts of their own.

    Parameters
    ----------
    strategy
        Such as ``bald(model, likelihood, posterior="members")``.
    train
        As ``alfi.training`` makes it: ``(key, variables, x, y, indices, count) -> Training``.
    members
        How many; 5 is usual. They are trained together, by ``vmap``.
    capacity
        The most labels there will ever be, as in ``loop.start``: rules that evaluate the labelled set
        (``training.until_fitted``) then look at so many rows. Default: the whole pool. Labels beyond it are not used.

    Returns
    -------
    Strategy whose ``fit`` trains the members in each round, anew.

    Raises
    ------
    ValueError
        If ``members`` or ``capacity`` is not positive.

    Source: Lakshminarayanan, Pritzel & Blundell 2017, arXiv 1612.01474; in active learning, Beluch et al. 2018,
    doi 10.1109/CVPR.2018.00976.

    Examples
    --------
    >>> import alfi
    >>> model, likelihood = alfi.models.mlp(2, hidden=(4,)), alfi.likelihoods.categorical()
    >>> x = jnp.linspace(-1, 1, 12)[:, None]
    >>> pool = alfi.pool(x, (x[:, 0] > 0).astype(int), labelled=[0, 11])
    >>> train = alfi.training.fixed_steps(model, likelihood, steps=5)
    >>> strategy = deep_ensemble(alfi.strategies.bald(model, likelihood, posterior="members"), model, train, members=3)
    >>> fitted = strategy.fit(jax.random.key(0), alfi.Fitted(model.init(jax.random.key(1), x)), pool)
    >>> fitted.members.params["head"]["kernel"].shape, strategy.select(jax.random.key(2), fitted, pool, 2).indices.shape
    ((3, 4, 2), (2,))
    """
    if members < 1 or (capacity is not None and capacity < 1):
        raise ValueError(f"deep_ensemble needs members >= 1 and capacity >= 1; got {members} and {capacity}.")

    def fit(key: PRNGKey, fitted: Fitted, pool: Pool) -> Fitted:
        key_members, key_strategy = jax.random.split(key)
        indices = jnp.argsort(~pool.labelled, stable=True).astype(jnp.int32)[:capacity]
        count = jnp.minimum(jnp.sum(pool.labelled), indices.shape[0]).astype(jnp.int32)

        def one(key: PRNGKey):
            key_init, key_train = jax.random.split(key)
            start = model.init(key_init, pool.x[:1])
            return train(key_train, start, pool.x, pool.y, indices, count).variables

        learnt = jax.vmap(one)(jax.random.split(key_members, members))
        return strategy.fit(key_strategy, fitted._replace(members=learnt), pool)

    return Strategy(fit, strategy.select)
