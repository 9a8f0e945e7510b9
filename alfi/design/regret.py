"""Rounding by regret minimisation: picks that keep the smallest eigenvalues of the whitened information growing."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from alfi import linalg
from alfi.criteria.posterior import pool_last
from alfi.selection.sequential import pickable
from alfi.typing import Factors

# Halvings of the bracket of nu: to the last digit of float64.
HALVINGS = 60


def regret(
    factors: Factors,
    information: Float[Array, "p p"],
    z: Float[Array, " n"],
    available: Bool[Array, " n"],
    size: int,
    eta: Float[Array, ""],
    groups: Int[Array, " n"] | None = None,
    costs: Float[Array, " n"] | None = None,
) -> Int[Array, " k"]:
    """Follow the regularised leader (l_1/2) through the pool: the rounding of FIRAL.

    With ``H_i = W F_i W``, ``W = (M_0 + sum_i z_i F_i)^-1/2`` and ``H_0 = W M_0 W``, pick

        ``argmin_i tr (B_t + eta H_0 / k + eta H_i)^-1``,  ``B_t = nu I + eta sum_s (H_{i_s} + H_0 / k)``,

    with nu such that ``tr B_t^-2 = 1``. No repetition. Ties: the first index.

    Parameters
    ----------
    factors
        The pool.
    information
        ``M_0``: prior and labelled set.
    z
        A continuous design.
    size
        k, the number of picks.
    eta
        The learning rate: small, and every direction counts alike; large, and only what is seen least.

    groups, costs
        As for ``alfi.select``.

    Returns
    -------
    Indices [k]; n where nothing was left or the information is singular.

    Cost: a pick is an eigendecomposition and two quadratic forms, ``p^3 + n (c d)^2`` for a last layer.

    Source: Chen & Biros 2023, FIRAL, arXiv 2409.07379; Allen-Zhu et al. 2021, doi 10.1007/s10107-020-01464-4.
    """
    p, n = factors.p, factors.n
    values, vectors = jnp.linalg.eigh(information + factors.information(z))
    values = jnp.where(values > values[-1] * p * jnp.finfo(values.dtype).eps, values, jnp.nan)
    whiten = jnp.matmul(vectors / jnp.sqrt(values)[None], vectors.T, precision="highest")

    def sandwich(left: Array, middle: Array) -> Array:
        out = jnp.matmul(jnp.matmul(left, middle, precision="highest"), left, precision="highest")
        return (out + out.T) / 2

    base = sandwich(whiten, information) / size

    def step(carry: tuple[Array, Array], _: None) -> tuple[tuple[Array, Array], Array]:
        total, free = carry
        spectrum, axes = jnp.linalg.eigh(eta * total)
        low, high = -spectrum[0], jnp.sqrt(p) - spectrum[0]

        def halve(_, bracket):
            middle = (bracket[0] + bracket[1]) / 2
            large = jnp.sum((middle + spectrum) ** -2) > 1
            return jnp.where(large, middle, bracket[0]), jnp.where(large, bracket[1], middle)

        nu = jax.lax.fori_loop(0, HALVINGS, halve, (low, high))[1]
        leader = jnp.matmul(axes * (nu + spectrum)[None], axes.T, precision="highest") + eta * base
        half = jnp.linalg.cholesky(leader)
        inverse = jax.scipy.linalg.cho_solve((half, True), whiten)  # (B + eta H_0 / k)^-1 W
        near = jnp.matmul(whiten, inverse, precision="highest")
        far = jnp.matmul(inverse.T, inverse, precision="highest")
        s, m = (pool_last(factors.quadratic((x + x.T) / 2)) for x in (near, far))
        gains = linalg.trace_solve_plus(s, m, eta)
        gains = pickable(gains if costs is None else gains / costs, free)
        index = jnp.argmax(gains)
        found = gains[index] > -jnp.inf
        picked = factors.take(index[None]).information(found.astype(z.dtype)[None])
        chosen = jnp.arange(n) == index if groups is None else groups == groups[index]
        total = total + base + sandwich(whiten, picked)
        return (total, free & ~(chosen & found)), jnp.where(found, index, n)

    return jax.lax.scan(step, (jnp.zeros((p, p), z.dtype), available), length=size)[1]
