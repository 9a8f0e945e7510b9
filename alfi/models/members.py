"""The members of a deep ensemble."""

import jax

from alfi.typing import Inputs, Model, PRNGKey, Variables


def init_members(model: Model, key: PRNGKey, x: Inputs, members: int) -> Variables:
    """Variables of independently initialised networks, with a leading axis of members: ``Fitted.members``.

    Train them by ``jax.vmap`` of what ``alfi.training`` makes, over keys and these variables (or one after another, by
    ``jax.lax.map``); each has its own minibatches, and its own dropout and batch statistics.

    Raises
    ------
    ValueError
        If there is no member.

    Source: Lakshminarayanan, Pritzel & Blundell 2017, arXiv 1612.01474.

    Examples
    --------
    >>> import alfi, jax.numpy as jnp
    >>> model, x = alfi.models.mlp(3), jnp.ones((5, 4))
    >>> members = init_members(model, jax.random.key(0), x, 10)
    >>> jax.vmap(model.apply, in_axes=(0, None))(members, x).shape
    (10, 5, 3)
    """
    if members < 1:
        raise ValueError(f"an ensemble needs a member; got {members}.")
    return jax.vmap(lambda key: model.init(key, x))(jax.random.split(key, members))
