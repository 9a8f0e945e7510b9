"""The two kinds of per-example factors ``A_i``: stored as they are, or as the pieces of a last layer."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from alfi import linalg
from alfi.fisher.memory import require_square
from alfi.typing import Factors

# Rows of nonzero weight are read in chunks of this many: small, so that a small labelled set in a large pool is cheap.
CHUNK = 512


class DenseFactors(NamedTuple):
    """Factors kept as one array. Memory ``n r p``."""

    array: Float[Array, "n r p"]

    @property
    def n(self) -> int:
        return self.array.shape[0]

    @property
    def r(self) -> int:
        return self.array.shape[1]

    @property
    def p(self) -> int:
        return self.array.shape[2]

    def take(self, indices: Int[Array, " m"]) -> "DenseFactors":
        return DenseFactors(jnp.take(self.array, indices, axis=0))

    def project(self, y: Float[Array, "p s"]) -> Float[Array, "n r s"]:
        return jnp.matmul(self.array, y, precision="highest")

    def quadratic(self, s: Float[Array, "p p"]) -> Float[Array, "n r r"]:
        return jnp.einsum("nrp,nsp->nrs", self.project(s), self.array, precision="highest")

    def information(self, weights: Float[Array, " n"]) -> Float[Array, "p p"]:
        return sum_of_rows(self, weights)

    def dense_information(self, weights: Float[Array, " n"]) -> Float[Array, "p p"]:
        rows = self.array.reshape(-1, self.p)
        scaled = (self.array * weights[:, None, None]).reshape(-1, self.p)
        return jnp.matmul(scaled.T, rows, precision="highest")

    def inner(self, other: Factors) -> Float[Array, "n m"]:
        flat = [f.array.reshape(f.array.shape[0], -1) for f in (self, _same_kind(self, other))]
        return jnp.matmul(flat[0], flat[1].T, precision="highest")

    def squared_norms(self) -> Float[Array, " n"]:
        return jnp.sum(self.array**2, axis=(1, 2))


class LastLayerFactors(NamedTuple):
    """``A_i``, rows (t, r), with ``A_i[(t, r), (c, d)] = roots[i, t, r, c] features[i, t, d]``; never formed.

    The Fisher information of the last layer is the sum over sites of ``(roots^T roots) (x) (features features^T)``.
    Memory is that of the pieces: 50,000 x 512 features with 10 classes are 100 MB where the factors would be 9 GB.
    """

    roots: Float[Array, "n t r c"]
    features: Float[Array, "n t d"]

    @property
    def n(self) -> int:
        return self.roots.shape[0]

    @property
    def r(self) -> int:
        return self.roots.shape[1] * self.roots.shape[2]

    @property
    def p(self) -> int:
        return self.roots.shape[3] * self.features.shape[2]

    def take(self, indices: Int[Array, " m"]) -> "LastLayerFactors":
        return LastLayerFactors(*(jnp.take(x, indices, axis=0) for x in self))

    def dense(self) -> DenseFactors:
        """The factors written out. For small problems and tests."""
        array = jnp.einsum("ntrc,ntd->ntrcd", self.roots, self.features, precision="highest")
        return DenseFactors(array.reshape(self.n, self.r, self.p))

    def project(self, y: Float[Array, "p s"]) -> Float[Array, "n r s"]:
        roots, features = self._sites()  # [r, c, m], [m, d] with m = n t
        c, d, s = roots.shape[1], features.shape[1], y.shape[1]
        stacked = jnp.swapaxes(y.reshape(c, d, s), 1, 2).reshape(c * s, d)
        seen = jnp.matmul(stacked, features.T, precision="highest").reshape(c, s, -1)
        out = jnp.moveaxis(linalg.product(roots, seen), -1, 0)  # [m, r, s]
        return out.reshape(self.n, self.r, s)

    def quadratic(self, s: Float[Array, "p p"]) -> Float[Array, "n r r"]:
        if self.roots.shape[1] > 1:  # sites interact
            c, d = self.roots.shape[3], self.features.shape[2]
            blocks = s.reshape(c, d, c, d)
            chunk = max(1, CHUNK // self.r)
            rows = jax.lax.map(lambda one: _site_quadratic(one.roots, one.features, blocks), self, batch_size=chunk)
            return rows.reshape(self.n, self.r, self.r)
        roots, features = self._sites()
        c, d = roots.shape[1], features.shape[1]
        upper, position = _pairs(c)
        blocks = s.reshape(c, d, c, d)

        def one_pair(pair: Array) -> Array:
            block = blocks[pair[0], :, pair[1], :]
            return jnp.sum(jnp.matmul(features, block, precision="highest") * features, axis=1)

        core = jax.lax.map(one_pair, upper)[position]  # [c, c, n]
        out = linalg.product(linalg.product(roots, core), linalg.transpose(roots))
        return jnp.moveaxis(out, -1, 0)

    def information(self, weights: Float[Array, " n"]) -> Float[Array, "p p"]:
        return sum_of_rows(self, weights)

    def dense_information(self, weights: Float[Array, " n"]) -> Float[Array, "p p"]:
        roots, features = self._sites()
        c, d = roots.shape[1], features.shape[1]
        upper, position = _pairs(c)
        sites = jnp.repeat(weights, self.roots.shape[1])

        def one_pair(pair: Array) -> Array:
            scale = sites * jnp.sum(roots[:, pair[0]] * roots[:, pair[1]], axis=0)
            return jnp.matmul((features * scale[:, None]).T, features, precision="highest")

        blocks = jax.lax.map(one_pair, upper)[position]  # [c, c, d, d], symmetric in both pairs of axes
        return jnp.swapaxes(blocks, 1, 2).reshape(c * d, c * d)

    def inner(self, other: Factors) -> Float[Array, "n m"]:
        other = _same_kind(self, other)
        if self.roots.shape[1:] != other.roots.shape[1:]:
            raise ValueError(
                f"inner products need factors of one shape; got roots {self.roots.shape} and {other.roots.shape}."
            )

        def one_site(total: Array, pieces: tuple[Array, ...]) -> tuple[Array, None]:
            a, h, b, g = pieces
            flat = jnp.matmul(a.reshape(self.n, -1), b.reshape(other.n, -1).T, precision="highest")
            return total + flat * jnp.matmul(h, g.T, precision="highest"), None

        sites = [jnp.moveaxis(x, 1, 0) for x in (self.roots, self.features, other.roots, other.features)]
        start = jnp.zeros((self.n, other.n), self.features.dtype)
        return jax.lax.scan(one_site, start, tuple(sites))[0]

    def squared_norms(self) -> Float[Array, " n"]:
        return jnp.sum(jnp.sum(self.roots**2, axis=(2, 3)) * jnp.sum(self.features**2, axis=2), axis=1)

    def _sites(self) -> tuple[Float[Array, "r c m"], Float[Array, "m d"]]:
        """Roots with the pool (times sites) last, features with it first: so the products run fastest."""
        n, t, r, c = self.roots.shape
        return jnp.moveaxis(self.roots.reshape(n * t, r, c), 0, -1), self.features.reshape(n * t, -1)


def _site_quadratic(
    roots: Float[Array, "t r c"], features: Float[Array, "t d"], s: Float[Array, "c d c d"]
) -> Float[Array, "t r t r"]:
    """One example with sites; ``t c d (c d + r c) + t^2 r c (d + r)`` operations: features first, they have no rank."""

    def einsum(path: str, *arrays: Array) -> Array:
        return jnp.einsum(path, *arrays, precision="highest")

    half = einsum("trc,ctke->trke", roots, einsum("td,cdke->ctke", features, s))
    return einsum("trku,uqk->truq", einsum("trke,ue->trku", half, features), roots)


def write_out(factors: Factors) -> Float[Array, "n r p"]:
    """Factors of any kind as one array; memory ``n r p``."""
    if isinstance(factors, DenseFactors):
        return factors.array
    if isinstance(factors, LastLayerFactors):
        return factors.dense().array
    return factors.project(jnp.eye(factors.p, dtype=dtype_of(factors)))


def dtype_of(factors: Factors) -> Any:
    """The dtype of the factors' numbers."""
    return jnp.result_type(*jax.tree.leaves(factors))


def _pairs(c: int) -> tuple[Array, np.ndarray]:
    """The pairs k <= l, and for every (k, l) where its pair stands in that list."""
    k, m = np.triu_indices(c)
    position = np.zeros((c, c), int)
    position[k, m] = position[m, k] = np.arange(len(k))
    return jnp.asarray(np.stack([k, m], axis=1)), position


def _same_kind(factors, other):
    if type(other) is not type(factors):
        raise ValueError(
            f"inner products need factors of one kind; got {type(factors).__name__} and {type(other).__name__}."
        )
    return other


def sum_of_rows(factors: Any, weights: Float[Array, " n"]) -> Float[Array, "p p"]:
    """``sum_i w_i A_i^T A_i`` from the ``dense_information`` of chunks of rows, if it fits into memory."""
    require_square(f"the information of {factors.p} parameters", factors.p, weights.dtype)
    return _information(factors, weights)


@jax.custom_jvp
def _information(factors, weights: Float[Array, " n"]) -> Float[Array, "p p"]:
    """Read only the rows of nonzero weight: a labelled set costs its own size, not the pool's."""
    n, chunk = factors.n, min(CHUNK, factors.n)
    order = jnp.pad(jnp.argsort(weights == 0, stable=True), (0, -n % chunk))
    count = jnp.count_nonzero(weights)

    def body(carry: tuple[Array, Array]) -> tuple[Array, Array]:
        step, total = carry
        real = step * chunk + jnp.arange(chunk) < count
        # Beyond count the first row again, with weight 0: a row of weight 0 may hold nan, and 0 nan is nan.
        rows = jnp.where(real, jax.lax.dynamic_slice_in_dim(order, step * chunk, chunk), order[0])
        scale = jnp.where(real, jnp.take(weights, rows), 0)
        return step + 1, total + factors.take(rows).dense_information(scale)

    start = (jnp.zeros((), count.dtype), jnp.zeros((factors.p, factors.p), weights.dtype))
    return jax.lax.while_loop(lambda carry: carry[0] * chunk < count, body, start)[1]


@_information.defjvp
def _information_jvp(primals, tangents):
    # The loop above has a length known only at run time and so no reverse mode; the plain sum has the same derivative.
    _, tangent = jax.jvp(lambda f, w: f.dense_information(w), primals, tangents)
    return _information(*primals), tangent
