"""Expected information gain of the linearised model, in nats: half of D-optimality."""

from collections.abc import Callable
from typing import Any

from jax.tree_util import Partial
from jaxtyping import Array

from alfi.criteria.d_optimal import d_optimal
from alfi.typing import Criterion, Known


def eig(*, prior_precision: Any = 1.0) -> Criterion:
    r"""``value = 1/2 log det M``; ``gain_i = 1/2 log det(I + S_i)`` with ``S_i = A_i M^-1 A_i^T``.

    The difference of the values of two designs is the information, in nats, that the labels of one give on the
    parameters of a Gaussian linear model beyond the other: exact for that model, for others that of their linearisation
    at the current parameters. It then has no upper limit: at small prior precision it exceeds the entropy of a label.

    Parameters
    ----------
    prior_precision
        ``M_0``: a positive number, a diagonal [p] or a matrix [p, p].

    Returns
    -------
    Criterion on Factors: ``d_optimal`` halved, with its state and cost.

    Source: Lindley 1956, doi 10.1214/aoms/1177728069; Kirsch & Gal 2022, arXiv 2208.00549.

    Examples
    --------
    >>> import alfi, jax.numpy as jnp
    >>> [round(float(gain), 3) for gain in alfi.score(eig(), alfi.fisher.DenseFactors(jnp.array([[[1.0]], [[2.0]]])))]
    [0.347, 0.805]
    """
    d = d_optimal(prior_precision=prior_precision)
    return d._replace(
        gain=Partial(_half, d.gain),
        value=Partial(_half, d.value),
        sensitivity=Partial(_half, d.sensitivity),
        known=Known(concave=True, submodular=True, logdet=0.5, degree=0),
    )


def _half(function: Callable, *arguments: Any) -> Array:
    return function(*arguments) / 2
