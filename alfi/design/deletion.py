"""Candidates that provably get no weight in an optimal D-design are left out while the search goes on."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from alfi.design.iterate import Iterate, Problem


def supporting(problem: Problem, at: Iterate, gap: Float[Array, ""]) -> Bool[Array, " n"]:
    r"""Whether a candidate may still be in the support of an optimal design; only for ``value = k log det M``.

    With ``e = gap / k`` the eigenvalues of ``M^-1/2 M* M^-1/2`` lie between the roots ``a-`` and ``a+`` of
    ``x^2 - (2 + e) x + 1 + e / p``. A point i of the optimal support has the slope of the optimum, at least that of the
    last point that fits into the budget, so ``slope_i >= (a- / a+) slope_(m)`` with m = budget / cap, rounded up.
    Without a cap all of the support has one slope, and ``slope_i >= (a- p - t) / budget`` with
    ``t = p - sum_i z_i slope_i`` is sharper. Any prior, labelled set and rank.

    Source: Harman & Pronzato 2007, doi 10.1016/j.spl.2006.05.014, where nothing is labelled and there is no prior.
    """
    p, scale, n = problem.data.p, problem.criterion.known.logdet, at.z.shape[0]
    e, slope = gap / scale, at.slope / scale
    half = jnp.sqrt(jnp.maximum(e * (4 + e - 4 / p), 0)) / 2
    small, large = 1 + e / 2 - half, 1 + e / 2 + half
    cap = jnp.minimum(problem.cap, problem.budget)
    last = jnp.clip(jnp.ceil(problem.budget / cap).astype(int), 1, n) - 1
    ordered = -jnp.sort(-jnp.where(problem.available, slope, -jnp.inf))
    threshold = small / large * ordered[last]
    used = jnp.sum(jnp.where(at.z > 0, at.z * slope, 0))
    uncapped = (small * p - (p - used)) / problem.budget
    threshold = jnp.where(problem.cap >= problem.budget, jnp.maximum(threshold, uncapped), threshold)
    rounding = 1 - 100 * jnp.finfo(slope.dtype).eps
    return ~(slope < threshold * rounding)
