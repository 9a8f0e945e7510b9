"""V-optimality (I-optimality): the mean predictive variance over the population; the objective of BAIT."""

from typing import Any

import jax.numpy as jnp
from jax.tree_util import Partial
from jaxtyping import Array

from alfi.criteria.linear import by_matrix, linear
from alfi.typing import Criterion, Factors


def v_optimal(*, prior_precision: Any = 1.0) -> Criterion:
    r"""``value = -tr(M^-1 F)``, F the mean Fisher information over the population.

    ``gain_i = tr(w (I + w S_i)^-1 N_i)`` with ``S_i = A_i M^-1 A_i^T`` and ``N_i = A_i M^-1 F M^-1 A_i^T``, both kept
    for every candidate and updated exactly. The Fisher information ratio, Bayesian A-optimality in the predictions.

    Parameters
    ----------
    prior_precision
        ``M_0``: a positive number, a diagonal [p] or a matrix [p, p].

    Returns
    -------
    Criterion on Factors. The target is the rows of positive ``population``: rows of population 0 (padding) do not
    count, and a test input that may not be picked can. For another target give its information to ``l_optimal``.
    State: S_i, N_i [r, r, n].

    Source: Ash et al. 2021, BAIT, arXiv 2106.09675 (there by recomputing all scores in every step).

    Examples
    --------
    >>> import alfi
    >>> factors = alfi.fisher.DenseFactors(jnp.array([[[3.0, 0.0]], [[0.0, 1.0]], [[0.0, 1.0]], [[0.0, 1.1]]]))
    >>> alfi.select(v_optimal(), factors, 2).indices.tolist()
    [0, 3]
    """
    return linear(Partial(_population), prior_precision)


def _population(data: Factors, population: Array) -> Partial:
    return Partial(by_matrix, data.information(population / jnp.sum(population)))
