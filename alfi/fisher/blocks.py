"""Block-diagonal information: factors of separate groups of parameters, whose interactions are left out."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from alfi.fisher.factors import DenseFactors, LastLayerFactors, write_out
from alfi.fisher.memory import require_square
from alfi.typing import FactorFn, Factors, Variables

BLOCKWISE = "criteria.blockwise or BlockFactors.block_information, which keep the blocks apart"


class BlockFactors(NamedTuple):
    """``A_i`` block-diagonal: ``array[i, b]`` [r, q] is what example i says of block b of the parameters.

    The information is block-diagonal, diagonal for q = 1. As Factors it has rank ``b r`` in ``b q`` parameters, rows
    (b, r); a criterion works on the small blocks instead through ``alfi.criteria.blockwise``.
    """

    array: Float[Array, "n b r q"]

    @property
    def n(self) -> int:
        return self.array.shape[0]

    @property
    def r(self) -> int:
        return self.array.shape[1] * self.array.shape[2]

    @property
    def p(self) -> int:
        return self.array.shape[1] * self.array.shape[3]

    def take(self, indices: Int[Array, " m"]) -> "BlockFactors":
        return BlockFactors(jnp.take(self.array, indices, axis=0))

    def project(self, y: Float[Array, "p s"]) -> Float[Array, "n r s"]:
        n, b, r, q = self.array.shape
        blocks = y.reshape(b, q, y.shape[1])
        return jnp.einsum("nbrq,bqs->nbrs", self.array, blocks, precision="highest").reshape(n, b * r, y.shape[1])

    def quadratic(self, s: Float[Array, "p p"]) -> Float[Array, "n r r"]:
        n, b, r, q = self.array.shape
        half = self.project(s).reshape(n, b * r, b, q)
        out = jnp.einsum("nxbq,nbsq->nxbs", half, self.array, precision="highest")
        return out.reshape(n, b * r, b * r)

    def block_information(self, weights: Float[Array, " n"]) -> Float[Array, "b q q"]:
        """The blocks of the information on its diagonal; the others are zero."""
        return jax.vmap(lambda array: DenseFactors(array).information(weights), in_axes=1)(self.array)

    def information(self, weights: Float[Array, " n"]) -> Float[Array, "p p"]:
        require_square(f"the information of {self.p} parameters in one matrix", self.p, self.array.dtype, BLOCKWISE)
        return _apart(self.block_information(weights))

    def dense_information(self, weights: Float[Array, " n"]) -> Float[Array, "p p"]:
        return _apart(jax.vmap(lambda array: DenseFactors(array).dense_information(weights), in_axes=1)(self.array))

    def inner(self, other: Factors) -> Float[Array, "n m"]:
        if not isinstance(other, BlockFactors) or other.array.shape[1:] != self.array.shape[1:]:
            raise ValueError(f"inner products need BlockFactors of one shape; got {self.array.shape} and {other}.")
        flat = [f.array.reshape(f.n, -1) for f in (self, other)]
        return jnp.matmul(flat[0], flat[1].T, precision="highest")

    def squared_norms(self) -> Float[Array, " n"]:
        return jnp.sum(self.array**2, axis=(1, 2, 3))


def _apart(blocks: Float[Array, "b q q"]) -> Float[Array, "p p"]:
    b, q, _ = blocks.shape
    return (jnp.eye(b, dtype=blocks.dtype)[:, None, :, None] * blocks[:, :, None, :]).reshape(b * q, b * q)


def diagonal(factor_fn: FactorFn) -> FactorFn:
    r"""Only the diagonal of every example's Fisher information: ``array[i, j] = sqrt(sum_r A_i[r, j]^2)``.

    Cheap, and blind to which parameters move together, so to most of the redundancy within a batch.

    Returns
    -------
    FactorFn giving BlockFactors[n, p, 1, 1].

    Cost: for a last layer ``n t c (r + d)``, nothing written out.

    Examples
    --------
    >>> import alfi
    >>> both = lambda key, fitted, pool: DenseFactors(jnp.array([[[3.0, 1.0], [4.0, 0.0]]]))
    >>> diagonal(both)(jax.random.key(0), alfi.Fitted(None), alfi.pool(jnp.ones((1, 1)))).array.squeeze().tolist()
    [5.0, 1.0]
    """

    def of(factors: Factors) -> BlockFactors:
        if isinstance(factors, LastLayerFactors):
            squares = jnp.sum(factors.roots**2, axis=2), factors.features**2
            summed = jnp.einsum("ntc,ntd->ncd", *squares, precision="highest").reshape(factors.n, factors.p)
        else:
            summed = jnp.sum(write_out(factors) ** 2, axis=1)
        return BlockFactors(jnp.sqrt(summed)[:, :, None, None])

    return lambda key, fitted, pool, /: of(factor_fn(key, fitted, pool))


def block(factor_fn: FactorFn, sizes: Sequence[int]) -> FactorFn:
    r"""Consecutive parameters in blocks of these sizes; what couples two blocks is left out.

    Per layer of a network: ``block(jacobian(...), layer_sizes(variables))``. Per output of a last layer with d features
    (the bias among them): ``block(last_layer(...), [d] * c)``; for blocks that are classes rather than contrasts, give
    ``last_layer`` the likelihood without them, ``likelihood._replace(contrasts=None)``.

    Parameters
    ----------
    sizes
        Of the blocks, in the order of the parameters; they sum to p.

    Returns
    -------
    FactorFn giving BlockFactors[n, b, r, q] with q the largest size; smaller blocks are filled up with zeros, which
    tell nothing: gains do not see them, and a ``value`` sees the prior there. Equal blocks of a last layer have the
    exact rank 1 for each site: [n, c, t, d], nothing written out.

    Raises
    ------
    ValueError
        If the sizes do not sum to the number of parameters.

    Source: the blocks per class are those of Chen, Wen & Biros 2024, arXiv 2409.07392.

    Examples
    --------
    >>> import alfi
    >>> both = lambda key, fitted, pool: DenseFactors(jnp.array([[[3.0, 1.0, 2.0]]]))
    >>> block(both, (1, 2))(jax.random.key(0), alfi.Fitted(None), alfi.pool(jnp.ones((1, 1)))).array.tolist()
    [[[[3.0, 0.0]], [[1.0, 2.0]]]]
    """

    def of(factors: Factors) -> BlockFactors:
        if sum(sizes) != factors.p:
            raise ValueError(f"block sizes {tuple(sizes)} sum to {sum(sizes)}, but there are {factors.p} parameters.")
        if isinstance(factors, LastLayerFactors) and set(sizes) == {factors.features.shape[2]}:
            scale = jnp.sqrt(jnp.sum(factors.roots**2, axis=2))  # [n, t, c]
            return BlockFactors(jnp.swapaxes(scale, 1, 2)[..., None] * factors.features[:, None])
        parts = jnp.split(write_out(factors), np.cumsum(sizes)[:-1], axis=2)
        padded = [jnp.pad(part, ((0, 0), (0, 0), (0, max(sizes) - part.shape[2]))) for part in parts]
        return BlockFactors(jnp.stack(padded, axis=1))

    return lambda key, fitted, pool, /: of(factor_fn(key, fitted, pool))


def layer_sizes(variables: Any) -> tuple[int, ...]:
    """Parameters of each layer (leaves of one parent in the tree: a kernel and its bias), in the order of ``jacobian``.

    Examples
    --------
    >>> body = {"bias": jnp.zeros(4), "kernel": jnp.zeros((3, 4))}
    >>> layer_sizes({"body": body, "head": {"kernel": jnp.zeros((4, 2))}})
    (16, 8)
    """
    params = variables.params if isinstance(variables, Variables) else variables
    sizes: dict[str, int] = {}
    for path, leaf in jax.tree_util.tree_flatten_with_path(params)[0]:
        layer = jax.tree_util.keystr(path[:-1])
        sizes[layer] = sizes.get(layer, 0) + jnp.size(leaf)
    return tuple(sizes.values())
