"""A deep ensemble, trained for a strategy that asks posterior samples."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from alfi.strategies.bald import bald
from alfi.training import fixed_steps
from alfi.typing import Fitted, Likelihood, Model, Pool, PRNGKey, Strategy


def deep_ensemble(
    model: Model,
    likelihood: Likelihood,
    *,
    strategy: Callable[..., Strategy] = bald,
    train: Callable | None = None,
    members: int = 5,
    capacity: int | None = None,
) -> Strategy:
    """The strategy with ``fitted.members``: networks trained on the labelled set from random starts of their own.

    Tasks: any. Needs: training of its own.

    Parameters
    ----------
    strategy
        A factory that takes ``posterior="members"``: ``bald``, ``batch_bald``, ``epig``, ``mean_std`` ...; with other
        hyper-parameters by ``functools.partial``.
    train
        As ``alfi.training`` makes it: ``(key, variables, x, y, indices, count) -> Training``. Default: ``fixed_steps``.
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
    >>> ensemble = deep_ensemble(model, likelihood, members=3)
    >>> fitted = jax.jit(ensemble.fit)(jax.random.key(0), alfi.Fitted(None), pool)
    >>> fitted.members.params["head"]["kernel"].shape
    (3, 4, 2)
    """
    if members < 1 or (capacity is not None and capacity < 1):
        raise ValueError(f"deep_ensemble needs members >= 1 and capacity >= 1; got {members} and {capacity}.")

    learn = fixed_steps(model, likelihood) if train is None else train
    asking = strategy(model, likelihood, posterior="members")

    def fit(key: PRNGKey, fitted: Fitted, pool: Pool) -> Fitted:
        key_members, key_strategy = jax.random.split(key)
        indices = jnp.argsort(~pool.labelled, stable=True).astype(jnp.int32)[:capacity]
        count = jnp.minimum(jnp.sum(pool.labelled), indices.shape[0]).astype(jnp.int32)

        def one(key: PRNGKey):
            key_init, key_train = jax.random.split(key)
            start = model.init(key_init, pool.x[:1])
            return learn(key_train, start, pool.x, pool.y, indices, count).variables

        trained = jax.vmap(one)(jax.random.split(key_members, members))
        return asking.fit(key_strategy, fitted._replace(members=trained), pool)

    return Strategy(fit, asking.select)
