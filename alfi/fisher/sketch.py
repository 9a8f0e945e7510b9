"""Random projections of the parameters: factors of any network, small enough to be kept."""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from alfi.fisher.factors import DenseFactors, dtype_of
from alfi.fisher.jacobian import choose
from alfi.fisher.roots import require_samples, site_roots, site_scores
from alfi.typing import FactorFn, Factors, Fitted, Likelihood, Pool, PRNGKey

# (key, shape, dtype) -> independent entries of mean 0 and variance 1
Draw = Callable[..., Array]


def sketch(factor_fn: FactorFn, size: int, *, draw: Draw = jax.random.normal) -> FactorFn:
    r"""``A_i Omega / sqrt(s)`` with a random [p, s] matrix, the same for all examples.

    Inner products, so also traces and distances, are preserved in expectation, with relative error about
    ``sqrt(2 / s)``. A log-determinant is preserved only where that error times the largest eigenvalue is small against
    the prior precision; and the information of the sketch has at most rank s.

    Parameters
    ----------
    factor_fn
        Factors that fit into memory in their own form: a last layer stays in pieces. For a whole network use
        ``sketched_jacobian``.
    size
        s; 512 is a usual size.
    draw
        ``jax.random.normal`` (Gaussian) or ``jax.random.rademacher`` (signs).

    Returns
    -------
    FactorFn giving DenseFactors[n, r, s].

    Raises
    ------
    ValueError
        If the size is not positive.

    Cost: one product of the factors with [p, s]. Memory ``p s`` for the matrix.

    Source: Johnson & Lindenstrauss 1984; in active learning, Holzmueller et al. 2023, arXiv 2203.09410.

    Examples
    --------
    >>> import alfi
    >>> model = alfi.models.mlp(10, hidden=(16,))
    >>> pool = alfi.pool(jnp.ones((5, 64)))
    >>> fitted = alfi.Fitted(model.init(jax.random.key(0), pool.x))
    >>> factor_fn = sketch(alfi.fisher.last_layer(model, alfi.likelihoods.categorical()), 32)
    >>> factor_fn(jax.random.key(1), fitted, pool).array.shape
    (5, 9, 32)
    """
    _require_size(size)

    def sketched(key: PRNGKey, fitted: Fitted, pool: Pool, /) -> DenseFactors:
        key_factors, key_sketch = jax.random.split(key)
        factors = factor_fn(key_factors, fitted, pool)
        omega = draw(key_sketch, (factors.p, size), dtype_of(factors))
        return DenseFactors(factors.project(omega) / math.sqrt(size))

    return sketched


def sketch_above(factor_fn: FactorFn, size: int | None, *, draw: Draw = jax.random.normal) -> FactorFn:
    """The factors as they are if they have at most ``size`` parameters, else their ``sketch``. ``None``: no limit.

    For criteria whose cost is cubic in the parameters.

    Examples
    --------
    >>> import alfi
    >>> narrow = lambda key, fitted, pool: DenseFactors(pool.x[:, None])
    >>> [sketch_above(narrow, size)(jax.random.key(0), alfi.Fitted(None), alfi.pool(jnp.ones((5, 9)))).p
    ...  for size in (4, 9, None)]
    [4, 9, 9]
    """
    if size is None:
        return factor_fn
    _require_size(size)

    def limited(key: PRNGKey, fitted: Fitted, pool: Pool, /) -> Factors:
        factors = factor_fn(key, fitted, pool)
        if factors.p <= size:
            return factors
        return sketch(lambda *_: factors, size, draw=draw)(key, fitted, pool)

    return limited


def sketched_jacobian(
    apply: Callable[[Any, Array], Array],
    likelihood: Likelihood,
    size: int,
    *,
    samples: int | None = None,
    draw: Draw = jax.random.normal,
    parameters: Callable[[str], bool] | None = None,
    chunk_size: int | None = None,
) -> FactorFn:
    r"""The sketch of ``jacobian``, ``B_i^T (J_i omega_j) / sqrt(s)``, by forward mode: neither J nor Omega is stored.

    Direction j is drawn from its own key when it is needed; ``J_i omega_j`` is one Jacobian-vector product.

    Parameters
    ----------
    apply, likelihood, parameters, chunk_size
        As for ``jacobian``. Memory: the activations of a chunk of examples, ``3 p``, and the result.
    size, draw
        As for ``sketch``.
    samples
        Labels drawn for each example in place of the exact root, as ``monte_carlo`` does: m rows however many sites and
        outputs there are. Default: the exact root.

    Returns
    -------
    FactorFn giving DenseFactors[n, t r, s], or [n, m, s].

    Raises
    ------
    ValueError
        If the size or ``samples`` is not positive, or no parameter's path satisfies the predicate.

    Cost: s Jacobian-vector products an example (s + 1 forward passes, about), and ``p s`` random numbers a chunk.

    Source: as for ``sketch``; Jacobian-vector products in place of stored gradients are derived here.

    Examples
    --------
    >>> import alfi
    >>> pool = alfi.pool(jnp.ones((5, 3)))
    >>> factor_fn = sketched_jacobian(lambda params, x: x @ params, alfi.likelihoods.categorical(), 8)
    >>> factor_fn(jax.random.key(0), alfi.Fitted(jnp.zeros((3, 4))), pool).array.shape
    (5, 3, 8)
    """
    _require_size(size)
    if samples is not None:
        require_samples(samples)

    def factor_fn(key: PRNGKey, fitted: Fitted, pool: Pool, /) -> DenseFactors:
        theta, rebuild = choose(fitted.variables, parameters)
        key_directions, key_labels = jax.random.split(key)
        directions, n = jax.random.split(key_directions, size), pool.x.shape[0]

        def one(row: tuple[Array, Array]) -> Float[Array, "r s"]:
            key, x = row
            outputs, push = jax.linearize(lambda values: apply(rebuild(values), x[None])[0], theta)
            f = outputs.reshape(-1, outputs.shape[-1])
            exact = samples is None
            roots = site_roots(likelihood, f) if exact else site_scores(likelihood, key, f, samples)
            path = "trc,tc->tr" if exact else "mtc,tc->m"

            def along(direction: Array) -> Float[Array, " r"]:
                moved = push(draw(direction, theta.shape, theta.dtype)).reshape(f.shape)
                return jnp.einsum(path, roots, moved, precision="highest").ravel()

            return jax.lax.map(along, directions).T / math.sqrt(size)

        return DenseFactors(jax.lax.map(one, (jax.random.split(key_labels, n), pool.x), batch_size=chunk_size or n))

    return factor_fn


def _require_size(size: int) -> None:
    if size < 1:
        raise ValueError(f"the size of a sketch must be at least 1; got {size}.")
