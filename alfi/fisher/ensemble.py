"""Factors of every member of an ensemble."""

import jax
import jax.numpy as jnp

from alfi.fisher.blocks import BlockFactors
from alfi.fisher.factors import write_out
from alfi.typing import FactorFn, Fitted, Pool, PRNGKey


def ensemble(factor_fn: FactorFn) -> FactorFn:
    r"""The factors of each of ``fitted.members`` as blocks of parameters that do not interact.

    An ensemble's parameters are those of all its members, and its information is block-diagonal: a criterion of it,
    through ``alfi.criteria.blockwise``, is the sum over members, m times their mean.

    Returns
    -------
    FactorFn giving BlockFactors[n, m, r, p]: memory m times that of one member, written out; ``sketch`` first where
    that is too much.

    Raises
    ------
    ValueError
        If there are no members.

    Cost: that of ``factor_fn`` for each member, one after another.

    Examples
    --------
    >>> import alfi
    >>> factor_fn = alfi.fisher.jacobian(lambda params, x: x @ params, alfi.likelihoods.gaussian())
    >>> fitted = alfi.Fitted(None, members=jnp.zeros((4, 3, 2)))
    >>> ensemble(factor_fn)(jax.random.key(0), fitted, alfi.pool(jnp.ones((5, 3)))).array.shape
    (5, 4, 2, 6)
    """

    def of_members(key: PRNGKey, fitted: Fitted, pool: Pool, /) -> BlockFactors:
        if fitted.members is None:
            raise ValueError("an ensemble's factors need `fitted.members`: variables with a leading axis of members.")
        keys = jax.random.split(key, jax.tree.leaves(fitted.members)[0].shape[0])

        def one(member):
            key, variables = member
            return write_out(factor_fn(key, Fitted(variables, extra=fitted.extra), pool))

        return BlockFactors(jnp.swapaxes(jax.lax.map(one, (keys, fitted.members)), 0, 1))

    return of_members
