"""E-optimality: the smallest eigenvalue of the information, the precision of the worst known direction."""

from typing import Any

import jax.numpy as jnp
from jax.tree_util import Partial
from jaxtyping import Array, Float

from alfi.criteria.from_matrix import from_matrix
from alfi.criteria.posterior import prior_hyperparameter
from alfi.criteria.soft_minimum import smoothed
from alfi.typing import Criterion, Factors, Known, State


def e_optimal(*, prior_precision: Any = 1.0) -> Criterion:
    r"""``value = lambda_min(M)``, one over the variance of the worst known combination of parameters.

    While the smallest eigenvalue has a multiplicity above the rank of a factor (at the start, with a prior that is a
    number), no single point can raise it and every gain is zero, which ``alfi.select`` refuses: sketch the factors to
    fewer parameters, or use ``phi_p`` with a large exponent, a smooth form.

    Parameters
    ----------
    prior_precision
        ``M_0``: a positive number, a diagonal [p] or a matrix [p, p].

    Returns
    -------
    Criterion on Factors. Concave in the design; ``sensitivity`` is a subgradient, that of one of the eigenvectors,
    where the smallest eigenvalue is multiple. Cost of a pick: n eigenvalue problems, ``O(n p^3)``: for p up to
    a few hundred.

    Source: theory of optimal design (Pukelsheim 2006, doi 10.1137/1.9780898719109).

    Examples
    --------
    >>> import alfi
    >>> factors = alfi.fisher.DenseFactors(jnp.array([[[3.0, 0.0]], [[0.0, 1.0]], [[1.0, 2.0]]]))
    >>> alfi.select(e_optimal(prior_precision=[1.0, 2.0]), factors, 2).indices.tolist()
    [0, 2]
    """
    slow = from_matrix(Partial(_smallest), prior_precision=prior_precision)
    return slow._replace(
        gain=Partial(_gain, slow.gain),
        sensitivity=Partial(_sensitivity),
        known=Known(concave=True, degree=1),
        smoothed=Partial(smoothed, prior_hyperparameter(prior_precision)),
    )


def _smallest(information: Float[Array, "p p"]) -> Float[Array, ""]:
    return jnp.linalg.eigvalsh(information)[0]


def _gain(slow: Partial, data: Factors, state: State, weight: Any = 1.0) -> Float[Array, " n"]:
    """A change within the rounding error of an eigenvalue is none: noise must not look like a preference."""
    gains = slow(data, state, weight)
    largest = jnp.max(jnp.abs(jnp.linalg.eigvalsh(state.shared))) + jnp.abs(weight) * data.squared_norms()
    error = data.p * jnp.finfo(gains.dtype).eps * largest
    return jnp.where(jnp.abs(gains) <= error, 0, gains)


def _sensitivity(data: Factors, state: State) -> Float[Array, " n"]:
    direction = jnp.linalg.eigh(state.shared)[1][:, :1]
    return jnp.sum(data.project(direction) ** 2, axis=(1, 2))
