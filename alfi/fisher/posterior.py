"""The linearised-Laplace posterior of a network's parameters: normal, around the trained ones, from Fisher information.

Of all parameters or of the last layer's, as the factors are; exact, of low rank, or diagonal. The prior precision of
largest evidence is ``fisher.maximise_evidence(fisher.spectrum(factors, weights), |theta|^2)``, or ``fisher.evidence``.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.tree_util import Partial
from jaxtyping import Array, Float

from alfi.fisher.factors import dtype_of
from alfi.fisher.krylov import Eigenpairs
from alfi.fisher.last_layer import last_layer
from alfi.fisher.memory import require_square
from alfi.fisher.prior import prior, require_positive
from alfi.typing import Factors, Fitted, Likelihood, Model, Pool, PRNGKey

SMALLER = (
    "fisher.low_rank_posterior(fisher.top_eigenpairs(...)), fisher.diagonal_posterior(fisher.ghost_diagonal(...)), or "
    "the factors of a part of the parameters (fisher.last_layer; the `parameters` of fisher.jacobian)"
)


class Posterior(NamedTuple):
    """A normal distribution of p parameters around the trained ones, with ``Sigma = T (lambda I + M)^-1``.

    Its functions are ``jax.tree_util.Partial`` of module-level functions: it can be given to a compiled function.

    covariance       (factors) -> [n, r, r]; ``A_i Sigma A_i^T``
    sample           (key, num) -> [num, p]; deviations from the trained parameters
    log_determinant  ``log det(I + M / lambda)``; the log evidence is the log likelihood of the labels, minus
                     ``lambda |theta|^2 / 2``, minus half of this
    """

    covariance: Callable[[Factors], Float[Array, "n r r"]]
    sample: Callable[[PRNGKey, int], Float[Array, "num p"]]
    log_determinant: Float[Array, ""]


def posterior(
    factors: Factors, weights: Float[Array, " n"], prior_precision: Any, *, temperature: Any = 1.0
) -> Posterior:
    r"""The exact posterior of the parameters that the factors see, ``Sigma = T (lambda I + sum_i w_i A_i^T A_i)^-1``.

    Parameters
    ----------
    weights
        The labelled set as a mask, or real weights.
    prior_precision
        lambda > 0, a number or a diagonal [p].
    temperature
        T > 0: below 1 a "cold" posterior, narrower than the model says.

    Returns
    -------
    Posterior; nan where ``lambda I + M`` is not positive definite.

    Raises
    ------
    ValueError
        If the matrices of all parameters do not fit into the device's memory, or the prior precision is not positive.

    Cost: the information, and ``4/3 p^3`` operations; memory ``p^2``.

    Source: MacKay 1992, doi 10.1162/neco.1992.4.3.448; Immer, Korzepa & Bauer 2021, arXiv 2008.08400.

    Examples
    --------
    >>> from alfi.fisher import DenseFactors
    >>> factors = DenseFactors(jnp.array([[[1.0, 0.0]], [[0.0, 2.0]]]))
    >>> posterior(factors, jnp.array([1.0, 0.0]), 1.0).covariance(factors).ravel().round(3).tolist()
    [0.5, 4.0]
    """
    require_square(f"an exact posterior of {factors.p} parameters", factors.p, dtype_of(factors), SMALLER)
    require_positive(prior_precision)
    information = factors.information(weights)
    precision = jnp.broadcast_to(jnp.asarray(prior_precision, information.dtype), (factors.p,))
    half = jnp.linalg.cholesky(information + jnp.diag(precision))
    identity = jnp.eye(factors.p, dtype=half.dtype)
    root = jax.scipy.linalg.solve_triangular(half, identity, lower=True, trans=1)  # root root^T = (lambda I + M)^-1
    root = root * jnp.sqrt(jnp.asarray(temperature, half.dtype))
    log_determinant = 2 * jnp.sum(jnp.log(jnp.diagonal(half))) - jnp.sum(jnp.log(precision))
    return Posterior(Partial(_dense_covariance, root), Partial(_dense_sample, root), log_determinant)


def low_rank_posterior(pairs: Eigenpairs, prior_precision: Any, *, temperature: Any = 1.0) -> Posterior:
    r"""The posterior from the k largest eigenpairs of the information; the data are taken to say nothing of the rest.

    ``Sigma = T (I - U diag(l / (l + lambda)) U^T) / lambda``: never smaller than the exact one, and equal to it when k
    is the rank.

    Parameters
    ----------
    pairs
        From ``fisher.top_eigenpairs`` of an operator: no p x p matrix is formed, p may be that of a whole network.
    prior_precision
        lambda > 0, a number.

    Raises
    ------
    ValueError
        If the prior precision is not positive.

    Cost: of a covariance ``n r p (2 k + r)`` operations, one example after the other; of a sample ``2 p k``.

    Examples
    --------
    >>> from alfi.fisher import DenseFactors, factor_vector_product, top_eigenpairs
    >>> factors = DenseFactors(jnp.array([[[1.0, 0.0]], [[0.0, 2.0]]]))
    >>> pairs = top_eigenpairs(jax.random.key(0), factor_vector_product(factors), 1, steps=2)
    >>> low_rank_posterior(pairs, 1.0).covariance(factors).ravel().round(3).tolist()
    [1.0, 0.800000011920929]
    """
    require_positive(prior_precision)
    precision = jnp.asarray(prior_precision, pairs.vectors.dtype)
    values = jnp.maximum(pairs.values, 0)
    scale = jnp.asarray(temperature, precision.dtype) / precision
    kept = precision / (values + precision)  # the prior variance that is left in each of the directions
    return Posterior(
        Partial(_low_rank_covariance, pairs.vectors, kept, scale),
        Partial(_low_rank_sample, pairs.vectors, kept, scale),
        jnp.sum(jnp.log1p(values / precision)),
    )


def diagonal_posterior(diagonal: Float[Array, " p"], prior_precision: Any, *, temperature: Any = 1.0) -> Posterior:
    r"""The posterior with independent parameters, of precisions ``lambda + diag M``.

    Parameters
    ----------
    diagonal
        Of the information: ``fisher.ghost_diagonal`` of a whole network.
    prior_precision
        lambda > 0, a number or a diagonal [p].

    Raises
    ------
    ValueError
        If the prior precision is not positive.

    Cost: of a covariance ``n r^2 p`` operations, one example after the other; of a sample p.

    Examples
    --------
    >>> from alfi.fisher import DenseFactors
    >>> diagonal_posterior(jnp.array([1.0, 4.0]), 1.0).covariance(DenseFactors(jnp.eye(2)[:, None])).ravel().round(3)
    Array([0.5, 0.2], dtype=float32)
    """
    require_positive(prior_precision)
    precision = jnp.broadcast_to(jnp.asarray(prior_precision, diagonal.dtype), diagonal.shape)
    spread = jnp.sqrt(jnp.asarray(temperature, precision.dtype) / (diagonal + precision))
    log_determinant = jnp.sum(jnp.log1p(diagonal / precision))
    return Posterior(Partial(_diagonal_covariance, spread), Partial(_diagonal_sample, spread), log_determinant)


def last_layer_posterior(
    model: Model, likelihood: Likelihood, *, prior_precision: Any = "evidence", temperature: Any = 1.0
) -> Callable[[PRNGKey, Fitted, Pool], Posterior]:
    """A function ``(key, fitted, pool)`` that gives the posterior of the last layer after the labelled set.

    Parameters
    ----------
    prior_precision
        "evidence" (the one of largest marginal likelihood), a positive number, or a function, as in the strategies.

    Returns
    -------
    Function giving a Posterior of the parameters of ``last_layer(model, likelihood)``.

    Raises
    ------
    ValueError
        If the model lacks ``features``, or ``head`` for "evidence"; if the prior precision is no such thing.

    Examples
    --------
    >>> import alfi
    >>> model, likelihood = alfi.models.mlp(3), alfi.likelihoods.categorical()
    >>> pool = alfi.pool(jnp.ones((5, 4)), labelled=[0])
    >>> fitted = alfi.Fitted(model.init(jax.random.key(0), pool.x))
    >>> after = last_layer_posterior(model, likelihood)(jax.random.key(1), fitted, pool)
    >>> outputs = alfi.fisher.last_layer(model, alfi.fisher.linearised(likelihood))
    >>> after.covariance(outputs(jax.random.key(2), fitted, pool)).shape
    (5, 3, 3)
    """
    factor_fn, precision_of = last_layer(model, likelihood), prior(prior_precision, model, likelihood)

    def of_labelled(key: PRNGKey, fitted: Fitted, pool: Pool) -> Posterior:
        factors = factor_fn(key, fitted, pool)
        precision = precision_of(factors, fitted, pool)
        labelled = pool.labelled.astype(factors.features.dtype)
        return posterior(factors, labelled, precision, temperature=temperature)

    return of_labelled


def _dense_covariance(root: Array, factors: Factors) -> Array:
    return _outer(factors.project(root))


def _dense_sample(root: Array, key: PRNGKey, num: int) -> Array:
    return jnp.matmul(jax.random.normal(key, (num, len(root)), root.dtype), root.T, precision="highest")


def _low_rank_covariance(vectors: Array, kept: Array, scale: Array, factors: Factors) -> Array:
    def of_rows(rows: Array) -> Array:
        # Across and along the k directions apart: as one difference it would carry the rounding of the prior's.
        seen = jnp.matmul(rows, vectors, precision="highest")
        across = rows - jnp.matmul(seen, vectors.T, precision="highest")
        return scale * (_outer(across) + _outer(seen * jnp.sqrt(kept)[None]))

    return _each(of_rows, factors)


def _low_rank_sample(vectors: Array, kept: Array, scale: Array, key: PRNGKey, num: int) -> Array:
    draws = jax.random.normal(key, (num, len(vectors)), vectors.dtype)
    inside = jnp.matmul(draws, vectors, precision="highest") * (1 - jnp.sqrt(kept))[None]
    return jnp.sqrt(scale) * (draws - jnp.matmul(inside, vectors.T, precision="highest"))


def _diagonal_covariance(spread: Array, factors: Factors) -> Array:
    return _each(lambda rows: _outer(rows * spread[None]), factors)


def _diagonal_sample(spread: Array, key: PRNGKey, num: int) -> Array:
    return spread[None] * jax.random.normal(key, (num, len(spread)), spread.dtype)


def _each(of_rows: Callable[[Array], Array], factors: Factors) -> Float[Array, "n r r"]:
    """``of_rows(A_i)`` for one example after the other, with A_i [r, p] written out."""
    vector = jax.ShapeDtypeStruct((factors.p,), jnp.result_type(*jax.tree.leaves(factors)))

    def one(index: Array) -> Array:
        example = factors.take(index[None])
        pull = jax.linear_transpose(lambda y: example.project(y[:, None])[0, :, 0], vector)
        return of_rows(jax.vmap(pull)(jnp.eye(factors.r, dtype=vector.dtype))[0])

    return jax.lax.map(one, jnp.arange(factors.n))


def _outer(rows: Float[Array, "*n r s"]) -> Float[Array, "*n r r"]:
    return jnp.einsum("...rs,...qs->...rq", rows, rows, precision="highest")
