"""Algebra of many small symmetric matrices at once, with the pool as the *last* axis: ``[r, r, n]``.

Sums over the small axes are then long contiguous vector operations; a batched Cholesky of 50,000 9 x 9 matrices costs
six times the unrolled elimination below.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

# Beyond this rank the unrolled elimination (r^3 / 6 vector operations in the program) compiles slowly.
UNROLL = 12


def product(a: Float[Array, "r k n"], b: Float[Array, "k s n"]) -> Float[Array, "r s n"]:
    """``A_i B_i`` for every i."""
    if a.shape[1] > UNROLL:
        return jnp.einsum("rkn,ksn->rsn", a, b, precision="highest")
    terms = [a[:, k, None] * b[None, k] for k in range(a.shape[1])]
    return sum(terms[1:], terms[0])


def transpose(a: Float[Array, "r s n"]) -> Float[Array, "s r n"]:
    """``A_i^T`` for every i."""
    return jnp.swapaxes(a, 0, 1)


def logdet_plus(s: Float[Array, "r r n"], weight: Float[Array, ""]) -> Float[Array, " n"]:
    """``log det(I + w S_i)``, nan where that is not positive definite."""
    r = s.shape[0]
    if r > UNROLL:
        half = jnp.linalg.cholesky(_plus_identity(s, weight))
        return 2 * jnp.sum(jnp.log(jnp.diagonal(half, axis1=1, axis2=2)), axis=1)
    a = _lower(s, weight)
    total = jnp.zeros_like(s[0, 0])
    for k in range(r):
        total = total + jnp.log(a[k][k])
        _eliminate(a, k)
    return total


def trace_solve_plus(
    s: Float[Array, "r r n"], b: Float[Array, "r r n"], weight: Float[Array, ""]
) -> Float[Array, " n"]:
    """``tr((I + w S_i)^-1 B_i)`` for symmetric B_i, nan where ``I + w S_i`` is not positive definite.

    With ``I + w S = L D L^T`` it is the trace of ``D^-1 L^-1 B L^-T``, so B is reduced along with the elimination.
    """
    r = s.shape[0]
    if r > UNROLL:
        half = jnp.linalg.cholesky(_plus_identity(s, weight))
        solved = jax.scipy.linalg.cho_solve((half, True), jnp.moveaxis(b, -1, 0))
        return jnp.trace(solved, axis1=1, axis2=2)
    a = _lower(s, weight)
    m = [[b[i, j] for j in range(i + 1)] for i in range(r)]
    total = jnp.zeros_like(s[0, 0])
    for k in range(r):
        pivot = jnp.where(a[k][k] > 0, a[k][k], jnp.nan)
        total = total + m[k][k] / pivot
        ratios = {i: a[i][k] / pivot for i in range(k + 1, r)}
        for i in range(k + 1, r):  # B <- E B E^T with E = I - ratios e_k^T, lower triangle only
            for j in range(k + 1, i + 1):
                m[i][j] = m[i][j] - ratios[i] * m[j][k] - ratios[j] * m[i][k] + ratios[i] * ratios[j] * m[k][k]
        _eliminate(a, k)
    return total


def _lower(s: Array, weight: Array) -> list[list[Array]]:
    return [[weight * s[i, j] + (1.0 if i == j else 0.0) for j in range(i + 1)] for i in range(s.shape[0])]


def _eliminate(a: list[list[Array]], k: int) -> None:
    """One step of Gaussian elimination on the lower triangle: the Schur complement of entry k."""
    for i in range(k + 1, len(a)):
        ratio = a[i][k] / a[k][k]
        for j in range(k + 1, i + 1):
            a[i][j] = a[i][j] - ratio * a[j][k]


def _plus_identity(s: Array, weight: Array) -> Array:
    return jnp.moveaxis(weight * s, -1, 0) + jnp.eye(s.shape[0], dtype=s.dtype)[None]
