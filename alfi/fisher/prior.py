"""The prior precision of Fisher designs, which decides how well they work: by evidence, from weight decay, a number."""

from collections.abc import Callable
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from alfi.fisher.spectrum import spectrum
from alfi.typing import Factors, Fitted, Likelihood, Model, Pool

# (factors, fitted, pool) -> prior precision
PriorFn = Callable[[Factors, Fitted, Pool], Float[Array, ""]]


def maximise_evidence(values: Float[Array, " p"], squared_norm: Float[Array, ""]) -> Float[Array, ""]:
    r"""Prior precision of largest evidence for the linearised model with Fisher eigenvalues l and parameters W.

    ``log Z(lambda) = -lambda |W|^2 / 2 + p/2 log lambda - 1/2 sum_j log(lambda + l_j)`` up to a constant. Its
    derivative in log lambda, ``1/2 (sum_j l_j / (lambda + l_j) - lambda |W|^2)``, only falls: the maximum is unique
    and found by bisection.

    Parameters
    ----------
    values
        Eigenvalues of the information of the labelled set, all p of them.
    squared_norm
        ``|W|^2`` of the same p parameters.

    Returns
    -------
    lambda in [1e-8, 1e8].

    Source: MacKay 1992, doi 10.1162/neco.1992.4.3.415.

    Examples
    --------
    >>> values, squared_norm = jnp.array([4.0, 1.0, 0.0]), jnp.array(2.0)
    >>> precision = maximise_evidence(values, squared_norm)
    >>> bool(jnp.isclose(precision * squared_norm, jnp.sum(values / (values + precision)), rtol=1e-5))
    True
    """

    def halve(_, bracket: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = bracket
        middle = (low + high) / 2
        precision = jnp.exp(middle)
        rising = jnp.sum(values / (values + precision)) > precision * squared_norm
        return jnp.where(rising, middle, low), jnp.where(rising, high, middle)

    limit = jnp.log(jnp.asarray(1e8, values.dtype))
    low, high = jax.lax.fori_loop(0, 50, halve, (-limit, limit))
    return jnp.exp((low + high) / 2)


def evidence(model: Model, likelihood: Likelihood) -> PriorFn:
    """Prior precision of the last layer by maximum evidence on the labelled set, anew in every round.

    It is 1 while nothing is labelled.

    Raises
    ------
    ValueError
        If the model has no ``head``, whose norm the evidence needs.

    Cost: the information of the labelled rows, and its eigenvalues: ``4/3 p^3``.
    """
    if model.head is None:
        raise ValueError(
            "prior_precision='evidence' needs the norm of the last layer's weights, and this model has no `head`: "
            "give one (`from_function(..., head=...)`), or a number for prior_precision."
        )
    head = model.head

    def squared_norm(fitted: Fitted) -> Array:
        kernel, bias = head(fitted.variables)
        weights = jnp.concatenate([kernel, bias[None]])
        if likelihood.contrasts is not None:
            contrasts = likelihood.contrasts(weights.shape[1]).astype(weights.dtype)
            weights = jnp.matmul(weights, contrasts, precision="highest")
        return jnp.sum(weights**2)

    def prior(factors: Factors, fitted: Fitted, pool: Pool) -> Array:
        labelled = pool.labelled.astype(factors.squared_norms().dtype)
        best = maximise_evidence(spectrum(factors, labelled), squared_norm(fitted))
        return jnp.where(jnp.any(pool.labelled), best, 1)  # of nothing the evidence would make it zero

    return prior


def weight_decay(decay: float) -> PriorFn:
    """``n_labelled x decay``: the prior implied by training with ``mean loss + decay / 2 |theta|^2`` (coupled L2).

    Examples
    --------
    >>> import alfi
    >>> pool = alfi.pool(jnp.ones((5, 2)), labelled=[0, 3])
    >>> float(weight_decay(0.5)(None, None, pool))
    1.0
    """
    return lambda factors, fitted, pool: decay * jnp.sum(pool.labelled).astype(pool.population.dtype)


def prior(prior_precision: Any, model: Model, likelihood: Likelihood) -> PriorFn:
    """What a strategy's ``prior_precision`` means: "evidence", a number, or a function of factors, fitted and pool.

    Raises
    ------
    ValueError
        If it is another word, or a number that is not positive.
    """
    if isinstance(prior_precision, str):
        if prior_precision != "evidence":
            raise ValueError(
                f"prior_precision is 'evidence', a positive number or a function; got '{prior_precision}'."
            )
        return evidence(model, likelihood)
    if callable(prior_precision):
        return cast(PriorFn, prior_precision)
    require_positive(prior_precision)
    return lambda factors, fitted, pool: jnp.asarray(prior_precision, factors.squared_norms().dtype)


def require_positive(prior_precision: Any) -> None:
    """Refuse a prior precision that is not positive and finite; traced values pass, and give nan.

    >>> require_positive(-1.0)
    Traceback (most recent call last):
    ValueError: prior_precision must be positive and finite; got -1.0. A precision is one over a variance.
    """
    if isinstance(prior_precision, jax.core.Tracer):
        return
    values = np.asarray(prior_precision)
    if not np.all(np.isfinite(values) & (values > 0)):
        raise ValueError(
            f"prior_precision must be positive and finite; got {prior_precision}. A precision is one over a variance."
        )
