"""Factors as the labelled set leaves them: whitened by its information."""

from typing import Any

import jax
import jax.numpy as jnp

from alfi.fisher.factors import DenseFactors, dtype_of
from alfi.fisher.memory import require_array
from alfi.fisher.prior import require_positive
from alfi.typing import FactorFn, Fitted, Pool, PRNGKey


def condition(factor_fn: FactorFn, prior_precision: Any = 1.0) -> FactorFn:
    r"""``A_i <- A_i L^-T`` with ``L L^T = M_0 + sum_labelled F_i``: so what is known has information I.

    A criterion that starts empty with prior precision 1 then has the gains that it had with the labelled set and
    ``prior_precision`` before, if it does not depend on the basis of the parameters (D, V, EIG, EPIG ...); and criteria
    that know no labelled set, such as distances between factors, see what is still unknown: the distance of
    Mahalanobis.

    Parameters
    ----------
    prior_precision
        ``M_0``: a positive number, a diagonal [p], a matrix [p, p]; or a function ``(factors, fitted, pool)`` that
        gives one, as those of ``fisher.prior``.

    Returns
    -------
    FactorFn giving DenseFactors[n, r, p]; nan where ``M_0 + sum F`` is not positive definite. Memory ``n r p``, also
    for a last layer: the pieces do not survive a change of basis that mixes outputs and features.

    Cost: the information of the labelled rows, ``2/3 p^3``, and one product of the factors with [p, p].

    Source: the posterior transform of kernels in Holzmueller et al. 2023, arXiv 2203.09410, here for factors.

    Examples
    --------
    >>> import alfi
    >>> one = lambda key, fitted, pool: DenseFactors(pool.x[:, None])
    >>> pool = alfi.pool(jnp.array([[2.0, 0.0], [1.0, 1.0]]), labelled=[0])
    >>> known, unknown = condition(one, 1.0)(jax.random.key(0), alfi.Fitted(None), pool).array[1, 0]
    >>> f"{known:.3f} {unknown:.3f}"
    '0.447 1.000'
    """

    def conditioned(key: PRNGKey, fitted: Fitted, pool: Pool, /) -> DenseFactors:
        factors = factor_fn(key, fitted, pool)
        shape = factors.n, factors.r, factors.p
        require_array("conditioning factors", shape, dtype_of(factors), "a part of the pool, or fisher.sketch first")
        prior = prior_precision(factors, fitted, pool) if callable(prior_precision) else prior_precision
        if jnp.ndim(prior) < 2:
            require_positive(prior)
        prior, identity = jnp.asarray(prior, dtype_of(factors)), jnp.eye(factors.p, dtype=dtype_of(factors))
        information = factors.information(pool.labelled.astype(identity.dtype))
        information += prior if prior.ndim == 2 else jnp.diag(jnp.broadcast_to(prior, (factors.p,)))
        lower = jnp.linalg.cholesky(information)
        return DenseFactors(factors.project(jax.scipy.linalg.solve_triangular(lower, identity, lower=True).T))

    return conditioned
