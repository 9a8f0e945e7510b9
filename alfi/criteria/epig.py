"""Expected predictive information gain (EPIG): what a label tells about the predictions of the population, in nats."""

from typing import Any

import jax
import jax.numpy as jnp
from jax.scipy.special import xlogy
from jax.tree_util import Partial
from jaxtyping import Array, Float

from alfi import linalg
from alfi.criteria.predictive import predictive
from alfi.criteria.score import score
from alfi.typing import Criterion, State

# Numbers held at once by ``epig_from_samples``: this many, in chunks of candidates with joint tables of all targets.
MEMORY = 2**24


def epig(*, prior_precision: Any = 1.0) -> Criterion:
    r"""``value = -1/2 mean_t log det(I + A_t M^-1 A_t^T)`` over the population, for the linearised Gaussian model.

    ``gain_i`` is exactly the mean over t of the mutual information of the labels of i and t, ``-1/2 log(1 - rho^2)``
    for one output with rho the correlation of the two predictions, noise included. Unlike EIG it is bounded by what
    there is to know about the population's labels.

    Parameters
    ----------
    prior_precision
        ``M_0``: a positive number, a diagonal [p] or a matrix [p, p].

    Returns
    -------
    Criterion on Factors (whitened by the likelihood, as all Fisher factors are: unit noise). A batch is scored jointly.
    Cost of a pick: ``n^2 r (p + r^2)``, every candidate against every target: pools of up to some 10,000.

    Source: Bickford Smith et al. 2023, arXiv 2304.08151; for linearised models Kirsch & Gal 2022, arXiv 2208.00549.

    Examples
    --------
    >>> import alfi
    >>> factors = alfi.fisher.DenseFactors(jnp.array([[[1.0, 0.0]], [[1.0, 0.1]], [[0.0, 1.2]]]))
    >>> alfi.select(epig(), factors, 1).indices.tolist()
    [1]
    """
    return predictive(Partial(_remaining), prior_precision)


def _remaining(s: Float[Array, "r r n"], population: Array) -> Float[Array, ""]:
    known = linalg.logdet_plus(s, jnp.ones((), s.dtype))
    return -jnp.sum(jnp.where(population > 0, population * known, 0)) / (2 * jnp.sum(population))


def epig_from_samples() -> Criterion:
    r"""The same from predictions of posterior samples: ``gain_i = mean_t I(y_i; y_t)``, a pointwise score.

    The joint table of two labels is the mean over the samples of the product of their probabilities,
    ``p(y_i, y_t) = 1/m sum_k p_k(y_i) p_k(y_t)``.

    Returns
    -------
    Criterion on probabilities [n, members, c], which sum to 1 over classes. Additive: blind to redundancy within a
    batch. State: the scores [n]. Cost: ``n^2 members c^2`` once.

    Source: Bickford Smith et al. 2023, arXiv 2304.08151.

    Examples
    --------
    >>> import alfi
    >>> certain, split = [[0.9, 0.1], [0.9, 0.1]], [[0.9, 0.1], [0.1, 0.9]]
    >>> [round(float(gain), 3) for gain in alfi.score(epig_from_samples(), jnp.array([certain, split, split]))]
    [0.0, 0.148, 0.148]
    """
    additive = score()
    return Criterion(
        init=Partial(_init),
        gain=Partial(_gain),
        update=Partial(_update),
        value=additive.value,
        sensitivity=Partial(_gain),
    )


def _init(data: Float[Array, "n members c"], weights: Array, population: Array) -> State:
    n, members, c = data.shape
    marginal = data.mean(axis=1)
    share = population / jnp.sum(population)

    def one(candidate: Float[Array, "members c"]) -> Float[Array, ""]:
        joint = jnp.einsum("ka,nkb->nab", candidate, data, precision="highest") / members
        apart = candidate.mean(axis=0)[None, :, None] * marginal[:, None, :]
        ratio = jnp.where(joint > 0, joint / jnp.where(joint > 0, apart, 1), 1)
        return jnp.maximum(jnp.sum(share * jnp.sum(xlogy(joint, ratio), axis=(1, 2))), 0)

    scores = jax.lax.map(one, data, batch_size=max(1, min(n, MEMORY // (n * c * c))))
    return State(jnp.sum(jnp.where(weights != 0, weights * scores, 0)), scores)


def _gain(data: Array, state: State, weight: Any = 1.0) -> Float[Array, " n"]:
    del data
    return weight * state.local


def _update(data: Array, state: State, index: Array, point: Array, weight: Any = 1.0) -> State:
    del data, point
    return State(state.shared + weight * state.local[index], state.local)
