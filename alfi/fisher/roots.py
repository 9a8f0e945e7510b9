"""Roots of the Fisher information in the outputs of one example, over its sites."""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from alfi.typing import Likelihood


def site_scale(likelihood: Likelihood, t: int) -> float:
    """``sqrt(effective_sites / t)``, by which the roots of t sites are multiplied; 1 where all count.

    Raises
    ------
    ValueError
        If the likelihood counts more effective sites than there are.
    """
    if likelihood.effective_sites is None:
        return 1.0
    if likelihood.effective_sites > t:
        raise ValueError(f"effective_sites is {likelihood.effective_sites}, but the outputs have only {t} sites.")
    return math.sqrt(likelihood.effective_sites / t)


def site_roots(likelihood: Likelihood, outputs: Float[Array, "t c"]) -> Float[Array, "t r c"]:
    """``B(f_t)^T`` of every site of an example, scaled so that ``sum_t B B^T`` counts the effective sites.

    Examples
    --------
    >>> import alfi, jax.numpy as jnp
    >>> site_roots(alfi.likelihoods.gaussian(0.5), jnp.zeros((3, 1))).tolist()
    [[[2.0]], [[2.0]], [[2.0]]]
    """
    roots = jax.vmap(lambda f: likelihood.fisher_factor(f).T)(outputs)
    return roots * site_scale(likelihood, outputs.shape[0])


def matrix_root(information: Float[Array, "p p"]) -> Float[Array, "p p"]:
    """A with ``A^T A`` the information, from its eigenvectors; eigenvalues that rounding made negative are 0."""
    values, vectors = jnp.linalg.eigh(information)
    return jnp.sqrt(jnp.maximum(values, 0))[:, None] * vectors.T


def site_scores(
    likelihood: Likelihood, key: Array, outputs: Float[Array, "t c"], samples: int
) -> Float[Array, "m t c"]:
    """Scores ``grad_f log p(y | f_t)`` of m labels drawn for every site, whose outer products average to ``B B^T``.

    Scaled by ``sqrt(effective_sites / (t m))``, so that a sum over labels and sites estimates what ``site_roots`` give.
    """

    def one(key: Array, f: Array) -> Array:
        return jax.grad(likelihood.log_prob)(f, jax.lax.stop_gradient(likelihood.sample(key, f)))

    t = outputs.shape[0]
    keys = jax.random.split(key, (samples, t))
    scores = jax.vmap(jax.vmap(one), (0, None))(keys, outputs)
    return scores * (site_scale(likelihood, t) / math.sqrt(samples))


def require_samples(samples: int) -> None:
    """Refuse a number of drawn labels that is not positive."""
    if samples < 1:
        raise ValueError(f"samples, the labels drawn for each example, must be at least 1; got {samples}.")
