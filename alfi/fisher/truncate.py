"""Factors of lower rank: of each example, or of the parameters."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from alfi.fisher.factors import DenseFactors, LastLayerFactors, dtype_of, write_out
from alfi.typing import FactorFn, Factors, Fitted, Pool, PRNGKey


def truncate(factor_fn: FactorFn, rank: int) -> FactorFn:
    r"""The best approximation of each example's Fisher information of a lower rank: its largest eigenvectors.

    ``A_i <- U^T A_i`` with U [r, k] the leading eigenvectors of ``A_i A_i^T``. For a classifier of many classes,
    most of whose probabilities are nearly zero, a few directions hold nearly all.

    Parameters
    ----------
    rank
        k, rows kept; what has no more rows stays as it is.

    Returns
    -------
    FactorFn giving the same kind of factors with k rows; a last layer with several sites becomes DenseFactors, as rows
    of the result mix sites.

    Raises
    ------
    ValueError
        If the rank is not positive.

    Cost: ``n r^2 p`` for the Gram matrices (``n r^2 c`` for a last layer of one site), and their eigenvectors.

    Source: Eckart & Young 1936, doi 10.1007/BF02288367.

    Examples
    --------
    >>> import alfi, jax
    >>> two = lambda key, fitted, pool: DenseFactors(jnp.array([[[0.0, 1.0], [3.0, 0.0]]]))
    >>> abs(truncate(two, 1)(jax.random.key(0), alfi.Fitted(None), alfi.pool(jnp.ones((1, 1)))).array).tolist()
    [[[3.0, 0.0]]]
    """
    _require_rank(rank)

    def of(factors: Factors) -> Factors:
        if factors.r <= rank:
            return factors
        if isinstance(factors, LastLayerFactors) and factors.roots.shape[1] == 1:
            return LastLayerFactors(_leading(factors.roots[:, 0], rank)[:, None], factors.features)
        return DenseFactors(_leading(write_out(factors), rank))

    return lambda key, fitted, pool, /: of(factor_fn(key, fitted, pool))


def _leading(rows: Float[Array, "n r p"], rank: int) -> Float[Array, "n k p"]:
    gram = jnp.einsum("nrp,nsp->nrs", rows, rows, precision="highest")
    vectors = jnp.linalg.eigh(gram)[1][:, :, ::-1][:, :, :rank]
    return jnp.einsum("nrk,nrp->nkp", vectors, rows, precision="highest")


def principal(factor_fn: FactorFn, rank: int) -> FactorFn:
    r"""Only the parameter directions that the population's Fisher information is largest in: ``A_i <- A_i V``.

    V [p, k] are the leading eigenvectors of ``sum_i population_i F_i``. The best fixed subspace for the population's
    information, where ``sketch`` takes a random one.

    Parameters
    ----------
    rank
        k, at most p.

    Returns
    -------
    FactorFn giving DenseFactors[n, r, k].

    Raises
    ------
    ValueError
        If the rank is not between 1 and the number of parameters.

    Cost: the information, ``9 p^3`` for its eigenvectors, and one product of the factors with [p, k].

    Examples
    --------
    >>> import alfi, jax
    >>> two = lambda key, fitted, pool: DenseFactors(jnp.array([[[0.0, 1.0]], [[3.0, 0.0]]]))
    >>> abs(principal(two, 1)(jax.random.key(0), alfi.Fitted(None), alfi.pool(jnp.ones((2, 1)))).array).tolist()
    [[[0.0]], [[3.0]]]
    """
    _require_rank(rank)

    def reduced(key: PRNGKey, fitted: Fitted, pool: Pool, /) -> DenseFactors:
        factors = factor_fn(key, fitted, pool)
        if rank > factors.p:
            raise ValueError(f"principal directions: rank {rank} is more than the {factors.p} parameters.")
        information = factors.information(pool.population.astype(dtype_of(factors)))
        vectors = jnp.linalg.eigh(information)[1][:, ::-1][:, :rank]
        return DenseFactors(factors.project(vectors))

    return reduced


def _require_rank(rank: int) -> None:
    if rank < 1:
        raise ValueError(f"the rank kept must be at least 1; got {rank}.")
