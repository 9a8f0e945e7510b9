"""Exact factors of the whole network, or of any part of its parameters, by vmapped reverse mode."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float

from alfi.fisher.factors import DenseFactors
from alfi.fisher.memory import require_array
from alfi.fisher.roots import matrix_root, site_roots, site_scale
from alfi.typing import FactorFn, Fitted, Likelihood, Pool, PRNGKey, Variables

# Rows of an example's factor, one for each site and column of its root, that are pulled back at once: for a
# segmentation each is as large as the image's outputs.
ROWS = 128
INSTEAD = (
    "`site_chunk_size` for images, fisher.sketched_jacobian, fisher.last_layer or fisher.summed_last_layer, fewer "
    "`parameters`, or without factors fisher.information (chunk by chunk) and fisher.ggn_vector_product"
)


def jacobian(
    apply: Callable,
    likelihood: Likelihood,
    *,
    parameters: Callable[[str], bool] | None = None,
    chunk_size: int | None = None,
    site_chunk_size: int | None = None,
) -> FactorFn:
    r"""Factors ``A_i = B(f_i)^T J_i`` of a network's parameters, ``J_i = d f_i / d theta``.

    ``A_i^T A_i`` is exactly the Fisher information of example i (for outputs with sites, the sum over its sites).

    Parameters
    ----------
    apply
        ``(variables, x[n, ...]) -> outputs[n, *sites, c]``, rows independent: ``model.apply``, or your own function.
        If the variables are ``Variables``, derivatives are in ``params`` only; otherwise the whole tree is the
        parameters.
    likelihood
        Gives ``B(f)``.
    parameters
        Which part of the parameter tree: a predicate of a leaf's path, such as ``"['head']['kernel']"``. Default: all.
    chunk_size
        Examples differentiated at once; default all. Memory of the result is ``n t r p``.
    site_chunk_size
        For segmentation, where t r > p: the information of an example is summed over chunks of so many sites, and its
        factor is a square root [p, p] of that sum: the same information, with never more than the rows of a chunk of
        sites held at once. Eigenvalues that rounding made negative are 0. Default: the t r rows themselves.

    Returns
    -------
    FactorFn giving DenseFactors[n, t r, p], with ``site_chunk_size`` [n, min(t r, p), p]; parameters in the order of
    ``jax.flatten_util.ravel_pytree``.

    Raises
    ------
    ValueError
        If no parameter's path satisfies the predicate, the factors do not fit into the device's memory, or
        ``site_chunk_size`` is not positive.

    Cost: t r vector-Jacobian products an example, at most 128 at once; with ``site_chunk_size`` also ``t r p^2`` and
    ``9 p^3`` operations. ``monte_carlo`` has as many rows as one asks for, ``summed_last_layer`` needs no more
    than a forward pass.

    Examples
    --------
    >>> import alfi
    >>> apply = lambda params, x: x @ params
    >>> pool = alfi.pool(jnp.ones((5, 3)))
    >>> factor_fn = jacobian(apply, alfi.likelihoods.gaussian())
    >>> factor_fn(jax.random.key(0), alfi.Fitted(jnp.zeros((3, 2))), pool).array.shape
    (5, 2, 6)

    Images of 32 x 32 pixels have 1024 rows and as much information as 6:

    >>> images = alfi.pool(jnp.ones((5, 32, 32, 3)))
    >>> factor_fn = jacobian(apply, alfi.likelihoods.segmentation(), site_chunk_size=64)
    >>> factor_fn(jax.random.key(0), alfi.Fitted(jnp.zeros((3, 2))), images).array.shape
    (5, 6, 6)
    """
    if site_chunk_size is not None and site_chunk_size < 1:
        raise ValueError(f"site_chunk_size must be at least 1; got {site_chunk_size}.")
    pixel = likelihood._replace(effective_sites=None)

    def factor_fn(key: PRNGKey, fitted: Fitted, pool: Pool, /) -> DenseFactors:
        del key
        theta, rebuild = choose(fitted.variables, parameters)

        def one(x: Array) -> Float[Array, "r p"]:
            outputs, pull = jax.vjp(lambda values: apply(rebuild(values), x[None])[0], theta)
            flat = outputs.reshape(-1, outputs.shape[-1])
            t = flat.shape[0]

            def row(site_and_root: tuple[Array, Array]) -> Float[Array, " p"]:
                site, root = site_and_root
                return pull(jnp.zeros_like(flat).at[site].set(root).reshape(outputs.shape))[0]

            def rows(sites: Array, here: Array) -> Float[Array, "m p"]:
                roots = site_roots(pixel, here)
                m, r, c = roots.shape
                each = jnp.repeat(sites, r), roots.reshape(m * r, c)
                return jax.lax.map(row, each, batch_size=min(m * r, ROWS))

            count = jax.eval_shape(rows, jnp.arange(t), flat).shape[0]
            scale = site_scale(likelihood, t)
            if site_chunk_size is None or count <= theta.shape[0]:
                return scale * rows(jnp.arange(t), flat)
            return scale * matrix_root(_summed(rows, flat, theta.shape[0], site_chunk_size))

        n, row = pool.x.shape[0], jax.eval_shape(one, jax.eval_shape(lambda x: x[0], pool.x))
        require_array(f"the Jacobian of {n} examples", (n, *row.shape), row.dtype, INSTEAD)
        return DenseFactors(jax.lax.map(one, pool.x, batch_size=chunk_size or n))

    return factor_fn


def _summed(rows: Callable[[Array, Array], Array], outputs: Float[Array, "t c"], p: int, chunk: int) -> Array:
    """``sum_t F_t`` [p, p] of one example, chunk of sites by chunk; sites that fill up the last one count nothing."""
    t = outputs.shape[0]
    chunk = min(chunk, t)
    sites = jnp.pad(jnp.arange(t), (0, -t % chunk)).reshape(-1, chunk)
    real = (jnp.arange(sites.size) < t).reshape(sites.shape)

    def add(total: Array, part: tuple[Array, Array]) -> tuple[Array, None]:
        sites, real = part
        a = rows(sites, jnp.take(outputs, sites, axis=0))
        a = jnp.where(jnp.repeat(real, a.shape[0] // chunk)[:, None], a, 0)
        return total + jnp.matmul(a.T, a, precision="highest"), None

    return jax.lax.scan(add, jnp.zeros((p, p), outputs.dtype), (sites, real))[0]


def choose(variables, parameters):
    """The chosen parameters as one vector, and the function that puts such a vector back in its place."""
    params = variables.params if isinstance(variables, Variables) else variables
    leaves, tree = jax.tree_util.tree_flatten_with_path(params)
    paths = [jax.tree_util.keystr(path) for path, _ in leaves]
    chosen = [parameters is None or parameters(path) for path in paths]
    if not any(chosen):
        raise ValueError(f"no parameter satisfies `parameters`; the paths are {', '.join(paths)}.")
    theta, unravel = ravel_pytree([leaf for (_, leaf), keep in zip(leaves, chosen, strict=True) if keep])

    def rebuild(values):
        new = iter(unravel(values))
        merged = [next(new) if keep else leaf for (_, leaf), keep in zip(leaves, chosen, strict=True)]
        params = jax.tree_util.tree_unflatten(tree, merged)
        return variables._replace(params=params) if isinstance(variables, Variables) else params

    return theta, rebuild
