"""Fisher information of a whole pool without forming a Jacobian: as an operator, or summed over chunks of the pool."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from alfi.fisher.jacobian import choose
from alfi.fisher.krylov import Operator
from alfi.fisher.roots import site_roots
from alfi.typing import FactorFn, Factors, Fitted, Inputs, Likelihood, Pool, PRNGKey


def ggn_vector_product(
    apply: Callable,
    likelihood: Likelihood,
    variables: Any,
    x: Inputs,
    *,
    weights: Float[Array, " n"] | None = None,
    parameters: Callable[[str], bool] | None = None,
    chunk_size: int | None = None,
) -> Operator:
    r"""``v -> sum_i w_i J_i^T B_i B_i^T J_i v``: Fisher information of the network's parameters times a vector.

    A Jacobian-vector product, the Fisher information of the outputs, a vector-Jacobian product. The Fisher information
    is the generalised Gauss-Newton matrix wherever the outputs are natural parameters, as in ``alfi.likelihoods``.

    Parameters
    ----------
    apply
        ``(variables, x[n, ...]) -> outputs[n, *sites, c]``, rows independent: ``model.apply``.
    weights
        [n], default 1; 0 leaves a row out, at no gain in speed.
    parameters
        Predicate of a leaf's path, as for ``fisher.jacobian``; ``fisher.layers`` gives one for each layer.
    chunk_size
        Rows at once. Default all: the network is then run once for all products, and its activations are kept. With
        chunks it is run again in each product, and memory is that of one chunk, whatever the size of the pool.

    Returns
    -------
    Operator on vectors in the order of ``jax.flatten_util.ravel_pytree``.

    Raises
    ------
    ValueError
        If no parameter's path satisfies the predicate, or ``chunk_size`` is not positive.

    Cost: a product is about three passes of the network over the pool, and one more with chunks.

    Source: Pearlmutter 1994, doi 10.1162/neco.1994.6.1.147; Schraudolph 2002, doi 10.1162/08997660260028683.

    Examples
    --------
    >>> import alfi
    >>> x = jnp.array([[1.0, 0.0], [0.0, 2.0]])
    >>> operator = ggn_vector_product(lambda w, x: x @ w, alfi.likelihoods.gaussian(), jnp.zeros((2, 1)), x)
    >>> operator(jnp.ones(2)).tolist()
    [1.0, 4.0]
    """
    theta, rebuild = choose(variables, parameters)
    n = x.shape[0]
    weights = jnp.ones(n, theta.dtype) if weights is None else weights.astype(theta.dtype)

    def of_rows(x: Array, weights: Array) -> Callable[[Array], Array]:
        outputs, push = jax.linearize(lambda values: apply(rebuild(values), x), theta)
        pull = jax.linear_transpose(push, theta)
        c = outputs.shape[-1]
        each = jax.vmap(lambda row: site_roots(likelihood, row.reshape(-1, c)))(outputs)  # [n, t, r, c]
        roots = jnp.swapaxes(each.reshape(-1, *each.shape[2:]), 1, 2)  # [m, c, r], m rows and sites
        scale = jnp.repeat(weights, roots.shape[0] // x.shape[0])

        def product(v: Array) -> Array:
            seen = jnp.einsum("mcr,mc->mr", roots, push(v).reshape(-1, c), precision="highest")
            back = jnp.einsum("mcr,mr->mc", roots, seen * scale[:, None], precision="highest")
            return pull(back.reshape(outputs.shape))[0]

        return product

    if chunk_size is None or chunk_size >= n:
        return Operator(of_rows(x, weights), theta.shape[0], theta.dtype)
    chunks, _ = _chunks(n, chunk_size)

    def product(v: Array) -> Array:
        def add(total: Array, chunk: tuple[Array, Array]) -> tuple[Array, None]:
            rows, real = chunk
            scale = jnp.where(real, jnp.take(weights, rows), 0)
            return total + of_rows(jnp.take(x, rows, axis=0), scale)(v), None

        return jax.lax.scan(add, jnp.zeros_like(theta), chunks)[0]

    return Operator(product, theta.shape[0], theta.dtype)


def factor_vector_product(factors: Factors, weights: Float[Array, " n"] | None = None) -> Operator:
    """``v -> sum_i w_i A_i^T A_i v`` of factors of any kind; for a last layer the Kronecker form, never multiplied out.

    This exact form stands where others have K-FAC, which puts one Kronecker product of means for a layer's information.

    Cost: that of ``project`` of one vector, twice: ``2 n r p`` operations, for a last layer ``2 n (r c + c d)``.

    Examples
    --------
    >>> from alfi.fisher import DenseFactors
    >>> factor_vector_product(DenseFactors(jnp.array([[[3.0, 0.0]], [[0.0, 2.0]]])))(jnp.ones(2)).tolist()
    [9.0, 4.0]
    """
    dtype = jnp.result_type(*jax.tree.leaves(factors))
    weights = jnp.ones(factors.n, dtype) if weights is None else weights.astype(dtype)

    def push(v: Array) -> Array:
        return factors.project(v[:, None])[:, :, 0]

    pull = jax.linear_transpose(push, jax.ShapeDtypeStruct((factors.p,), dtype))
    return Operator(lambda v: pull(weights[:, None] * push(v))[0], factors.p, dtype)


def information(
    factor_fn: FactorFn,
    key: PRNGKey,
    fitted: Fitted,
    pool: Pool,
    weights: Float[Array, " n"] | None = None,
    *,
    chunk_size: int = 512,
) -> Float[Array, "p p"]:
    """``sum_i w_i A_i^T A_i`` [p, p] of a pool whose factors are made, used and forgotten chunk by chunk.

    Parameters
    ----------
    factor_fn
        Gives Factors, and row i of them from row i of the pool alone: ``fisher.jacobian``, ``fisher.last_layer`` ...
    weights
        [n], default 1. Factors of a chunk without weight are made all the same.

    Raises
    ------
    ValueError
        If ``chunk_size`` is not positive.

    Cost: that of the factors and of their information; memory: one chunk's factors, and ``p^2``.

    Examples
    --------
    >>> import alfi
    >>> factor_fn = alfi.fisher.jacobian(lambda w, x: x @ w, alfi.likelihoods.gaussian())
    >>> pool = alfi.pool(jnp.array([[1.0, 0.0], [0.0, 2.0], [0.0, 1.0]]))
    >>> information(factor_fn, jax.random.key(0), alfi.Fitted(jnp.zeros((2, 1))), pool, chunk_size=2).tolist()
    [[1.0, 0.0], [0.0, 5.0]]
    """
    chunks, count = _chunks(pool.x.shape[0], chunk_size)
    weights = jnp.ones(pool.x.shape[0], pool.population.dtype) if weights is None else weights

    def of_chunk(chunk: tuple[Array, Array], key: PRNGKey) -> Array:
        rows, real = chunk
        part = jax.tree.map(lambda leaf: jnp.take(leaf, rows, axis=0), pool)
        factors = factor_fn(key, fitted, part)
        return factors.information(jnp.where(real, jnp.take(weights, rows), 0))

    shape = jax.eval_shape(of_chunk, jax.tree.map(lambda leaf: leaf[0], chunks), key)

    def add(total: Array, step: tuple) -> tuple[Array, None]:
        return total + of_chunk(*step), None

    return jax.lax.scan(add, jnp.zeros(shape.shape, shape.dtype), (chunks, jax.random.split(key, count)))[0]


def for_each(one: Callable, x: Inputs, chunk_size: int | None) -> Any:
    """``one(x_i)`` for every row, at most ``chunk_size`` at once; all at once without a loop, which convolutions like.

    On a CPU, XLA runs a convolution inside a loop many times slower than outside of one.
    """
    if chunk_size is None or chunk_size >= x.shape[0]:
        return jax.vmap(one)(x)
    if chunk_size < 1:
        raise ValueError(f"chunk_size must be positive; got {chunk_size}.")
    return jax.lax.map(one, x, batch_size=chunk_size)


def _chunks(n: int, chunk_size: int) -> tuple[tuple[Array, Array], int]:
    """Row numbers [k, chunk_size] of k chunks, and which of them are real: the last chunk is filled up with row 0."""
    if chunk_size < 1:
        raise ValueError(f"chunk_size must be positive; got {chunk_size}.")
    size = min(n, chunk_size)
    count = -(-n // size)
    rows = jnp.arange(count * size).reshape(count, size)
    return (jnp.where(rows < n, rows, 0), rows < n), count
