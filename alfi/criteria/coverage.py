"""Coverage: the share of the population within a radius of a chosen point (ProbCover)."""

from typing import Any

from jax.tree_util import Partial
from jaxtyping import Array

from alfi.criteria.facility_location import positive, represent
from alfi.typing import Criterion


def coverage(*, radius: Any) -> Criterion:
    r"""``value``: the share of the population t with ``||A_t - A_j|| < radius`` for a chosen j.

    Parameters
    ----------
    radius
        Positive, in the unit of the factors. ProbCover takes the largest at which balls around examples are nearly
        pure in (pseudo-)labels.

    Returns
    -------
    Criterion on Factors, or on a tuple of them (products of distances). Monotone and submodular: greedy reaches 1 - 1/e
    of the best. When all is covered every gain is 0. A point cannot be taken out again: for a negative weight ``gain``
    is nan. Cost of a pick: the distance of every candidate to every target, ``n^2 p``: pools of up to some 10,000.

    Raises
    ------
    ValueError
        If the radius is not positive and finite.

    Source: Yehuda et al. 2022, ProbCover, arXiv 2205.11320.

    Examples
    --------
    >>> import alfi, jax.numpy as jnp
    >>> factors = alfi.fisher.DenseFactors(jnp.array([[[0.0]], [[0.1]], [[0.2]], [[5.0]]]))
    >>> batch = alfi.select(coverage(radius=0.15), factors, 2)
    >>> batch.indices.tolist(), batch.gains.tolist()
    ([1, 3], [0.75, 0.25])
    """
    return represent(Partial(_ball, positive("coverage", "radius", radius)))


def _ball(radius: Array, squared: Array) -> Array:
    return (squared < radius.astype(squared.dtype) ** 2).astype(squared.dtype)
