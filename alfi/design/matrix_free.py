"""V-optimal designs of a softmax layer with many classes: relaxed by conjugate gradients, rounded block by block."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from alfi.design.simplex import rescale
from alfi.fisher.softmax_layer import SoftmaxLayer
from alfi.selection.sequential import pickable

# Halvings of the bracket of nu: to the last digit of float64.
HALVINGS = 60


class Solved(NamedTuple):
    """``M^-1 R`` for the probes R, and ``tr(R^T M^-1 R)``, their mean: the estimate of what is minimised."""

    kernels: Float[Array, "s c d"]
    value: Float[Array, ""]


def solve_probes(
    layer: SoftmaxLayer,
    weights: Float[Array, " n"],
    prior_precision: Float[Array, ""],
    probes: Float[Array, "s c d"],
    start: Float[Array, "s c d"],
    steps: int,
) -> Solved:
    """``(lambda I + sum_i w_i F_i)^-1`` on the probes, by conjugate gradients preconditioned by the classes' blocks.

    Parameters
    ----------
    start
        Where to start; the last solution when the weights have hardly changed.
    steps
        At most so many; it ends at the rounding error, too.

    Cost: the blocks ``n c d^2 + c d^3``, and ``s n c d`` a step.
    """
    identity = prior_precision * jnp.eye(layer.features.shape[1], dtype=probes.dtype)
    halves = jnp.linalg.cholesky(layer.blocks(weights) + identity[None])

    def information(v: Float[Array, "c d"]) -> Float[Array, "c d"]:
        return layer.product(weights, v) + prior_precision * v

    def nearly_inverse(v: Float[Array, "c d"]) -> Float[Array, "c d"]:
        return jax.vmap(lambda half, row: jax.scipy.linalg.cho_solve((half, True), row))(halves, v)

    def one(probe: Array, start: Array) -> Array:
        tolerance = 10 * float(jnp.finfo(probe.dtype).eps)
        return jax.scipy.sparse.linalg.cg(information, probe, start, tol=tolerance, maxiter=steps, M=nearly_inverse)[0]

    kernels = jax.vmap(one)(probes, start)
    return Solved(kernels, jnp.sum(probes * kernels) / probes.shape[0])


def relax(
    layer: SoftmaxLayer,
    weights: Float[Array, " n"],
    available: Bool[Array, " n"],
    probes: Float[Array, "s c d"],
    budget: int,
    prior_precision: Float[Array, ""],
    iterations: int,
    steps: int,
) -> Float[Array, " n"]:
    """The continuous design z that minimises the mean of ``r^T (lambda I + sum (w + z) F)^-1 r`` over the probes r.

    With probes from ``SoftmaxLayer.draw`` that is ``tr(M^-1 F_pool)`` in expectation. The slope ``mean_r (M^-1 r)^T F_i
    (M^-1 r)`` takes one solution for each probe and is never negative, so the multiplicative rule ``z_i <- z_i
    sqrt(slope_i)`` applies and ascends. (The published estimate, with probes of the identity, takes two solutions and
    has either sign.)

    Parameters
    ----------
    weights
        The labelled set.
    budget
        The sum of z, the size of the batch; no z is above 1.
    prior_precision
        lambda > 0.
    iterations, steps
        Of the multiplicative rule, and of the conjugate gradients in each.

    Returns
    -------
    z [n], 0 where not available.

    Cost: ``iterations`` times that of ``solve_probes``.

    Source: Chen, Wen & Biros 2024, arXiv 2409.07392; the probes are derived here.

    Examples
    --------
    >>> layer = SoftmaxLayer(jnp.full((4, 3), 1 / 3), jnp.array([[1.0, 0.0], [0.0, 1.0], [0.0, 0.1], [0.0, 0.1]]))
    >>> probes = jax.vmap(lambda key: layer.draw(key, jnp.full(4, 0.25)))(jax.random.split(jax.random.key(0), 20))
    >>> nothing = jnp.zeros(4)
    >>> z = relax(layer, nothing, nothing == 0, probes, 2, jnp.asarray(0.1), 50, 20)
    >>> z.round(1).tolist()
    [1.0, 1.0, 0.0, 0.0]
    >>> block_regret(layer, nothing, z, nothing == 0, 2, jnp.asarray(3.0), jnp.asarray(0.1)).tolist()
    [0, 1]
    """
    count = jnp.sum(available)
    mass = jnp.minimum(budget, count).astype(weights.dtype)
    one = jnp.ones((), weights.dtype)

    def step(_, carry: tuple[Array, Array]) -> tuple[Array, Array]:
        z, kernels = carry
        kernels = solve_probes(layer, weights + z, prior_precision, probes, kernels, steps).kernels
        slope = jnp.where(available, jnp.mean(jax.lax.map(layer.form, kernels), axis=0), 0)
        largest = jnp.max(slope)
        z = jnp.where(largest > 0, rescale(z * jnp.sqrt(slope / largest), mass, one), z)
        return z, kernels

    z = jnp.where(available, mass / jnp.maximum(count, 1), 0)
    return jax.lax.fori_loop(0, iterations, step, (z, jnp.zeros_like(probes)))[0]


def block_regret(
    layer: SoftmaxLayer,
    weights: Float[Array, " n"],
    z: Float[Array, " n"],
    available: Bool[Array, " n"],
    size: int,
    eta: Float[Array, ""],
    prior_precision: Float[Array, ""],
    groups: Int[Array, " n"] | None = None,
    costs: Float[Array, " n"] | None = None,
) -> Int[Array, " k"]:
    """``design.regret`` for the block-diagonal information, one block [d, d] for each class.

    The same picks as ``regret`` of ``fisher.BlockFactors`` with these blocks, without an array [n, c, d].

    Parameters
    ----------
    weights
        The labelled set.
    z, available, size, eta, groups, costs
        As for ``design.regret``.
    prior_precision
        lambda > 0.

    Returns
    -------
    Indices [k]; n where nothing was left.

    Cost: a pick is ``c d^3 + n c d^2``.

    Source: Chen, Wen & Biros 2024, arXiv 2409.07392.
    """
    n, d = layer.features.shape
    shares = layer.probabilities * (1 - layer.probabilities)
    identity = jnp.eye(d, dtype=z.dtype)[None]
    known = layer.blocks(weights) + prior_precision * identity
    values, vectors = jnp.linalg.eigh(known + layer.blocks(z))
    values = jnp.where(values > jnp.max(values) * values.size * jnp.finfo(values.dtype).eps, values, jnp.nan)
    whiten = _times(vectors / jnp.sqrt(values)[:, None, :], jnp.swapaxes(vectors, 1, 2))
    base = _sandwich(whiten, known) / size
    p = layer.probabilities.shape[1] * d

    def step(carry: tuple[Array, Array], _: None) -> tuple[tuple[Array, Array], Array]:
        total, free = carry
        spectrum, axes = jnp.linalg.eigh(eta * total)
        least = jnp.min(spectrum)

        def halve(_, bracket):
            middle = (bracket[0] + bracket[1]) / 2
            large = jnp.sum((middle + spectrum) ** -2) > 1
            return jnp.where(large, middle, bracket[0]), jnp.where(large, bracket[1], middle)

        nu = jax.lax.fori_loop(0, HALVINGS, halve, (-least, jnp.sqrt(p) - least))[1]
        leader = _times(axes * (nu + spectrum)[:, None, :], jnp.swapaxes(axes, 1, 2)) + eta * base
        inverse = jax.vmap(lambda a, w: jax.scipy.linalg.cho_solve((jnp.linalg.cholesky(a), True), w))(leader, whiten)
        near, far = _times(whiten, inverse), _times(jnp.swapaxes(inverse, 1, 2), inverse)

        def add(total: Array, block: tuple[Array, Array, Array]) -> tuple[Array, None]:
            near, far, share = block
            s, m = (
                jnp.sum(jnp.matmul(layer.features, x, precision="highest") * layer.features, 1) for x in (near, far)
            )
            return total + share * m / (1 + eta * share * s), None

        gains = jax.lax.scan(add, jnp.zeros(n, z.dtype), (near, far, shares.T))[0]
        gains = pickable(gains if costs is None else gains / costs, free)
        index = jnp.argmax(gains)
        found = gains[index] > -jnp.inf
        row = jnp.take(layer.features, index, axis=0)
        seen = jnp.matmul(whiten, row, precision="highest")  # [c, d]
        scale = jnp.where(found, jnp.take(shares, index, axis=0), 0)
        total = total + base + scale[:, None, None] * seen[:, :, None] * seen[:, None, :]
        chosen = jnp.arange(n) == index if groups is None else groups == groups[index]
        return (total, free & ~(chosen & found)), jnp.where(found, index, n)

    return jax.lax.scan(step, (jnp.zeros_like(known), available), length=size)[1]


def _times(a: Float[Array, "c d e"], b: Float[Array, "c e f"]) -> Float[Array, "c d f"]:
    return jnp.matmul(a, b, precision="highest")


def _sandwich(left: Float[Array, "c d d"], middle: Float[Array, "c d d"]) -> Float[Array, "c d d"]:
    out = _times(_times(left, middle), left)
    return (out + jnp.swapaxes(out, 1, 2)) / 2
