"""What matrix-vector products alone tell of a matrix: its largest eigenvalues, traces of its functions, with errors.

The Krylov recurrences are matfree's; nothing else of alfi imports it, because its names change between minor versions.
Vectors stay flat [p], so that memory is that of the Krylov basis, ``steps p`` numbers, and of one product.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float
from matfree import decomp

from alfi.typing import PRNGKey


class Operator(NamedTuple):
    """A symmetric positive semi-definite p x p matrix known by its products with vectors, ``operator(v)``.

    ``fisher.ggn_vector_product`` and ``fisher.factor_vector_product`` make one of Fisher information; any function will
    do. It holds a function and so is not an argument of a compiled function: build it inside.
    """

    product: Callable[[Float[Array, " p"]], Float[Array, " p"]]
    p: int
    dtype: Any

    def __call__(self, v: Float[Array, " p"]) -> Float[Array, " p"]:
        return self.product(v)


class Eigenpairs(NamedTuple):
    """Largest eigenvalues first; the matrix has one within ``residuals[j] = |M u_j - l_j u_j|`` of ``values[j]``.

    Where the Krylov space is complete before k are found, because the rank is lower or eigenvalues are repeated, the
    rest are zeros with residual nan.
    """

    values: Float[Array, " k"]
    vectors: Float[Array, "p k"]
    residuals: Float[Array, " k"]


class Estimate(NamedTuple):
    """A number with what is known of its error.

    error       standard error of the mean over the random probes
    truncation  change of the number when only half of the Lanczos steps are used: more than what stopping after all of
                them costs, once it is small; 0 where no quadrature is involved
    """

    value: Float[Array, ""]
    error: Float[Array, ""]
    truncation: Float[Array, ""]


class Quadrature(NamedTuple):
    """Gauss rules of the spectrum, one for each of s probes: ``tr f(M)`` is the mean over s of ``sum_j w_sj f(l_sj)``.

    ``half_nodes`` and ``half_weights`` are the rules of half as many Lanczos steps.
    """

    nodes: Float[Array, "s m"]
    weights: Float[Array, "s m"]
    half_nodes: Float[Array, "s h"]
    half_weights: Float[Array, "s h"]


def top_eigenpairs(key: PRNGKey, operator: Operator, k: int, *, steps: int | None = None) -> Eigenpairs:
    """The k largest eigenvalues and their eigenvectors, by Lanczos with full reorthogonalisation.

    Parameters
    ----------
    steps
        Of the recurrence, k <= steps <= p; default ``2 k + 20``, at most p. Of an eigenvalue that is repeated exactly,
        only one copy is sure to be found.

    Returns
    -------
    Eigenpairs; judge them by their residuals.

    Raises
    ------
    ValueError
        If not 1 <= k <= steps <= p.

    Cost: ``steps`` products and ``4 steps^2 p`` operations; memory ``steps p``.

    Source: Lanczos 1950, doi 10.6028/jres.045.026.

    Examples
    --------
    >>> operator = Operator(lambda v: jnp.arange(50.0) * v, 50, jnp.float32)
    >>> top_eigenpairs(jax.random.key(0), operator, 3, steps=50).values.round(2).tolist()
    [49.0, 48.0, 47.0]
    """
    steps = min(2 * k + 20, operator.p) if steps is None else steps
    if not 1 <= k <= steps <= operator.p:
        raise ValueError(f"top_eigenpairs needs 1 <= k <= steps <= p; got k={k}, steps={steps}, p={operator.p}.")
    start = jax.random.normal(key, (operator.p,), operator.dtype)
    basis, tridiagonal, lengths, count = _lanczos(operator, start, steps)
    # What lies beyond the Krylov space goes to the end of the order: the matrix has no negative eigenvalues.
    beyond = jnp.where(jnp.arange(steps) < count, 0, 1 + jnp.abs(tridiagonal).sum())
    values, vectors = jnp.linalg.eigh(tridiagonal - jnp.diag(beyond))
    values, vectors = values[::-1][:k], vectors[:, ::-1][:, :k]
    found = jnp.arange(k) < count
    residuals = jnp.where(found, lengths[count - 1] * jnp.abs(vectors[count - 1]), jnp.nan)
    vectors = jnp.where(found[None], jnp.matmul(basis, vectors, precision="highest"), 0)
    return Eigenpairs(jnp.where(found, values, 0), vectors, residuals)


def lanczos_quadrature(key: PRNGKey, operator: Operator, *, steps: int = 30, probes: int = 10) -> Quadrature:
    """Stochastic Lanczos quadrature: the whole spectrum, seen by random probes.

    Parameters
    ----------
    steps
        Of the recurrence for each probe, at most p.
    probes
        Vectors of random signs, at least 2: their scatter is the standard error.

    Returns
    -------
    Quadrature, from which ``trace_of`` gives ``tr f(M)`` for any f and ``spectral_density`` a picture, without further
    products.

    Raises
    ------
    ValueError
        If not 2 <= steps <= p, or fewer than 2 probes.

    Cost: ``probes steps`` products, one probe after the other; memory ``steps p``.

    Source: Ubaru, Chen & Saad 2017, doi 10.1137/16M1104974.

    Examples
    --------
    >>> operator = Operator(lambda v: jnp.array([1.0, 2.0, 3.0]) * v, 3, jnp.float32)
    >>> quadrature = lanczos_quadrature(jax.random.key(0), operator, steps=3)
    >>> float(trace_of(quadrature, jnp.square).value.round())
    14.0
    """
    if not 2 <= steps <= operator.p:
        raise ValueError(f"lanczos_quadrature needs 2 <= steps <= p; got steps={steps}, p={operator.p}.")

    def one(key: PRNGKey) -> tuple[Array, ...]:
        _, tridiagonal, _, _ = _lanczos(operator, jax.random.rademacher(key, (operator.p,), operator.dtype), steps)
        return *_gauss(tridiagonal, operator.p), *_gauss(tridiagonal[: steps // 2, : steps // 2], operator.p)

    return Quadrature(*jax.lax.map(one, _probe_keys(key, probes)))


def trace_of(quadrature: Quadrature, function: Callable[[Array], Array]) -> Estimate:
    """``tr f(M)`` from the Gauss rules of M; f is elementwise. A constant f is integrated without error.

    Examples
    --------
    >>> operator = Operator(lambda v: 4 * v, 7, jnp.float32)
    >>> float(trace_of(lanczos_quadrature(jax.random.key(0), operator, steps=2), jnp.sqrt).value.round())
    14.0
    """
    each = jnp.sum(quadrature.weights * function(quadrature.nodes), axis=1)
    half = jnp.sum(quadrature.half_weights * function(quadrature.half_nodes), axis=1)
    value, error = _mean(each)
    return Estimate(value, error, jnp.abs(value - half.mean()))


def log_determinant(quadrature: Quadrature, prior_precision: Any) -> Estimate:
    """``log det(I + M / lambda)``, twice the information in nats that the data hold about the parameters.

    ``log det(lambda I + M)`` is this plus ``p log lambda``.

    Examples
    --------
    >>> operator = Operator(lambda v: jnp.array([1.0, 3.0]) * v, 2, jnp.float32)
    >>> estimate = log_determinant(lanczos_quadrature(jax.random.key(0), operator, steps=2), 1.0)
    >>> float(jnp.exp(estimate.value).round(3))  # 2 times 4
    8.0
    """
    return trace_of(quadrature, lambda values: jnp.log1p(jnp.maximum(values, 0) / prior_precision))


def trace(key: PRNGKey, operator: Operator, *, probes: int = 10) -> Estimate:
    """``tr M`` by Hutchinson's estimator: the mean of ``v^T M v`` over vectors of random signs.

    Raises
    ------
    ValueError
        If fewer than 2 probes.

    Cost: ``probes`` products.

    Source: Hutchinson 1989, doi 10.1080/03610918908812806.

    Examples
    --------
    >>> operator = Operator(lambda v: jnp.arange(4.0) * v, 4, jnp.float32)
    >>> trace(jax.random.key(0), operator)  # exact for a diagonal matrix
    Estimate(value=Array(6., dtype=float32), error=Array(0., dtype=float32), truncation=Array(0., dtype=float32))
    """

    def one(key: PRNGKey) -> Array:
        probe = jax.random.rademacher(key, (operator.p,), operator.dtype)
        return jnp.vdot(probe, operator(probe), precision="highest")

    value, error = _mean(jax.lax.map(one, _probe_keys(key, probes)))
    return Estimate(value, error, jnp.zeros_like(value))


def spectral_density(
    quadrature: Quadrature, log10_values: Float[Array, " g"], *, width: float = 0.1
) -> tuple[Float[Array, " g"], Float[Array, " g"]]:
    """Number of eigenvalues per decade at each point of a grid, and its standard error over the probes.

    Each node counts as a normal density of standard deviation ``width`` in log10 of the eigenvalue. Eigenvalues of zero
    have no place on this axis and are left out: all below the largest times the machine's precision. The recurrence
    resolves large eigenvalues first; peaks no wider than ``width`` at the small end are nodes, not eigenvalues, which
    the standard error does not tell: take more steps, or a greater width.

    Parameters
    ----------
    log10_values
        The grid.
    width
        In decades.

    Examples
    --------
    >>> operator = Operator(lambda v: jnp.array([1.0, 100.0, 100.0]) * v, 3, jnp.float32)
    >>> grid = jnp.linspace(-1, 3, 401)
    >>> density, error = spectral_density(lanczos_quadrature(jax.random.key(0), operator, steps=2), grid)
    >>> round(float(density.sum()) * 0.01, 3)  # there are three eigenvalues
    3.0
    """
    positive = quadrature.nodes > quadrature.nodes.max() * jnp.finfo(quadrature.nodes.dtype).eps
    nodes = jnp.log10(jnp.where(positive, quadrature.nodes, 1))
    shift = (log10_values[None, :, None] - nodes[:, None, :]) / width
    bump = jnp.exp(-0.5 * shift**2) / (width * jnp.sqrt(2 * jnp.pi))
    each = jnp.sum(bump * jnp.where(positive, quadrature.weights, 0)[:, None, :], axis=2)
    return _mean(each)


def _probe_keys(key: PRNGKey, probes: int) -> Array:
    if probes < 2:
        raise ValueError(f"a standard error needs at least 2 probes; got {probes}.")
    return jax.random.split(key, probes)


def _mean(samples: Float[Array, "s *rest"]) -> tuple[Array, Array]:
    return samples.mean(axis=0), samples.std(axis=0, ddof=1) / jnp.sqrt(samples.shape[0]).astype(samples.dtype)


def _gauss(tridiagonal: Float[Array, "m m"], p: int) -> tuple[Array, Array]:
    nodes, vectors = jnp.linalg.eigh(tridiagonal)
    return nodes, p * vectors[0] ** 2


def _lanczos(operator: Operator, start: Float[Array, " p"], steps: int) -> tuple[Array, Array, Array, Array]:
    """Krylov basis [p, m], tridiagonal matrix [m, m], lengths [m] of what each step added, and how many steps count.

    Fisher information is often of low rank, and the Krylov space is then complete before all steps are done: what is
    left has the length of rounding errors, and its direction says nothing. Rows and columns from there on are zero.
    """
    with jax.default_matmul_precision("highest"):
        basis, hessenberg, rest, _ = decomp.hessenberg(steps, reortho="full", custom_vjp=False)(operator.product, start)
    # matfree's tridiag_sym averages the two halves of this matrix, and so hides the lengths below the diagonal.
    lengths = jnp.append(jnp.diagonal(hessenberg, -1), jnp.linalg.norm(rest))
    size = jax.lax.cummax(jnp.abs(jnp.diagonal(hessenberg)) + lengths)
    ends = lengths <= 10 * jnp.finfo(operator.dtype).eps * size
    count = jnp.where(ends.any(), jnp.argmax(ends) + 1, steps)
    index = jnp.arange(steps)
    diagonal = jnp.where(index < count, jnp.diagonal(hessenberg), 0)
    beside = jnp.where(index[1:] < count, lengths[:-1], 0)
    tridiagonal = jnp.diag(diagonal) + jnp.diag(beside, 1) + jnp.diag(beside, -1)
    return jnp.where((index < count)[None], basis.T, 0), tridiagonal, lengths, count
