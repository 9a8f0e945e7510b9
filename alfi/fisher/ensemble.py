"""Factors of every member of an ensemble."""

from typing import Any

import jax
import jax.numpy as jnp

from alfi.typing import FactorFn, Fitted, Pool, PRNGKey


def ensemble(factor_fn: FactorFn) -> FactorFn:
    r"""The factors of each of ``fitted.members``, for criteria of one design that has to serve them all.

    Parameters
    ----------
    factor_fn
        Of one member, which it finds in ``fitted.variables``.

    Returns
    -------
    FactorFn giving what ``factor_fn`` gives with the axis of the m members after the pool's: DenseFactors with an array
    [n, m, r, p], LastLayerFactors with [n, m, t, r, c] and [n, m, t, d]. A criterion mapped over that axis sums, or
    averages, over members; they have no parameters in common.

    Raises
    ------
    ValueError
        If there are no members.

    Cost: that of ``factor_fn`` for each member, one after another; memory m times that of one.

    Examples
    --------
    >>> import alfi
    >>> factor_fn = alfi.fisher.jacobian(lambda params, x: x @ params, alfi.likelihoods.gaussian())
    >>> fitted = alfi.Fitted(None, members=jnp.zeros((4, 3, 2)))
    >>> ensemble(factor_fn)(jax.random.key(0), fitted, alfi.pool(jnp.ones((5, 3)))).array.shape
    (5, 4, 2, 6)
    """

    def of_members(key: PRNGKey, fitted: Fitted, pool: Pool, /) -> Any:
        if fitted.members is None:
            raise ValueError("an ensemble's factors need `fitted.members`: variables with a leading axis of members.")
        keys = jax.random.split(key, jax.tree.leaves(fitted.members)[0].shape[0])

        def one(member: Any) -> Any:
            key, variables = member
            return factor_fn(key, Fitted(variables, extra=fitted.extra), pool)

        return jax.tree.map(lambda x: jnp.swapaxes(x, 0, 1), jax.lax.map(one, (keys, fitted.members)))

    return of_members
