"""Trace and diagonal of the Fisher information of a whole network, without its per-example gradients.

A kernel that the network applies once, as a matrix product or a convolution, has for example i the gradient
``sum_t a_t g_t^T`` over positions t, with inputs a of the layer and gradients g at its outputs. Its squared norm is
``sum_tu (a_t . a_u)(g_t . g_u)``: nothing of the kernel's size is formed. All other parameters, biases and scales, are
few; each example is given its own copy of them, and differentiated.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from alfi.fisher.ggn import for_each
from alfi.fisher.roots import site_roots
from alfi.fisher.tracing import Layer, trace_layers
from alfi.typing import Inputs, Likelihood, Variables


def ghost_traces(
    apply: Callable,
    likelihood: Likelihood,
    variables: Any,
    x: Inputs,
    *,
    parameters: Callable[[str], bool] | None = None,
    chunk_size: int | None = None,
) -> dict[str, Float[Array, " n"]]:
    r"""Trace of every example's Fisher information, by parameter tensor: ``{path: [n]}``; their sum is the trace.

    Exact, and equal to ``jacobian(...).squared_norms()``. Kernels are found in the traced program, in any model and
    without its help; a kernel used in a way that is not recognised costs more, and is exact too.

    Parameters
    ----------
    apply
        ``(variables, x[n, ...]) -> outputs[n, *sites, c]``, rows independent: ``model.apply``.
    parameters
        Predicate of a leaf's path, as for ``fisher.jacobian``.
    chunk_size
        Examples at once; default all.

    Raises
    ------
    ValueError
        If no parameter's path satisfies the predicate.

    Cost: one forward and t r backward passes an example; for a layer with i inputs and o outputs at s positions
    ``s^2 (i + o t r)`` more, or ``s i o t r`` where that is less. Memory: activations and their gradients, of a chunk.

    Source: Goodfellow 2015, arXiv 1510.01799, for positions t = 1; Li et al. 2022, arXiv 2110.05679, "ghost clipping".

    Examples
    --------
    >>> import alfi
    >>> apply = lambda params, x: x @ params["kernel"] + params["bias"][None]
    >>> params = {"kernel": jnp.ones((2, 3)), "bias": jnp.zeros(3)}
    >>> traces = ghost_traces(apply, alfi.likelihoods.gaussian(), params, jnp.array([[1.0, 2.0], [0.0, 1.0]]))
    >>> {path: trace.tolist() for path, trace in traces.items()}
    {"['bias']": [3.0, 3.0], "['kernel']": [15.0, 3.0]}
    """
    network = _differentiable(apply, likelihood, variables, x, parameters)

    def one(x: Array) -> dict[str, Array]:
        inputs, grads, copies = network.backward(x)
        norms = {index: _squared_norm(inputs[index], grads[index]) for index in network.layers}
        norms |= {index: jnp.sum(copy**2) for index, copy in copies.items()}
        return {path: norms[index] for index, path in network.paths.items()}

    return for_each(one, x, chunk_size)


def ghost_diagonal(
    apply: Callable,
    likelihood: Likelihood,
    variables: Any,
    x: Inputs,
    *,
    weights: Float[Array, " n"] | None = None,
    parameters: Callable[[str], bool] | None = None,
) -> Float[Array, " p"]:
    r"""Diagonal of ``sum_i w_i F_i``, summed one example and one layer at a time.

    Parameters
    ----------
    apply, parameters
        As for ``ghost_traces``.
    weights
        [n], default 1; one-hot for the diagonal of a single example.

    Returns
    -------
    [p], in the order of ``jax.flatten_util.ravel_pytree``.

    Cost: one forward and t r backward passes an example. A layer at one position, as in a perceptron, adds one product
    of squares, ``i o``; one at s positions forms its gradient, of t r times the size of its kernel, and forgets it.

    Examples
    --------
    >>> import alfi
    >>> apply = lambda params, x: x @ params
    >>> x = jnp.array([[1.0, 2.0], [0.0, 1.0]])
    >>> ghost_diagonal(apply, alfi.likelihoods.gaussian(), jnp.ones((2, 1)), x).tolist()
    [1.0, 5.0]
    """
    network = _differentiable(apply, likelihood, variables, x, parameters)
    weights = jnp.ones(x.shape[0], network.dtype) if weights is None else weights.astype(network.dtype)

    def add(totals: dict[int, Array], row: tuple[Array, Array]) -> tuple[dict[int, Array], None]:
        inputs, grads, copies = network.backward(row[0])
        squares = {
            index: layer.place(_squared_entries(inputs[index], grads[index])) for index, layer in network.layers.items()
        }
        squares |= {index: jnp.sum(copy**2, axis=0) for index, copy in copies.items()}
        return {index: total + row[1] * squares[index] for index, total in totals.items()}, None

    start = {index: jnp.zeros_like(network.leaves[index]) for index in network.paths}
    totals, _ = jax.lax.scan(add, start, (x, weights))
    return jnp.concatenate([totals[index].reshape(-1) for index in sorted(totals)])


class _Network(NamedTuple):
    """What both need: the chosen parameters, and a backward pass for each column of the output's Fisher root.

    backward  (x of one example) -> (inputs {layer: [s, i]}, gradients {layer: [r, s, o]}, {other parameter: [r, ...]})
    """

    leaves: list[Array]
    paths: dict[int, str]
    layers: dict[int, Layer]
    dtype: Any
    backward: Callable[[Array], tuple[dict[int, Array], dict[int, Array], dict[int, Array]]]


def _differentiable(
    apply: Callable, likelihood: Likelihood, variables: Any, x: Inputs, parameters: Callable[[str], bool] | None
) -> _Network:
    params = variables.params if isinstance(variables, Variables) else variables
    flat, tree = jax.tree_util.tree_flatten_with_path(params)
    leaves, names = [leaf for _, leaf in flat], [jax.tree_util.keystr(path) for path, _ in flat]
    paths = {index: name for index, name in enumerate(names) if parameters is None or parameters(name)}
    if not paths:
        raise ValueError(f"no parameter satisfies `parameters`; the paths are {', '.join(names)}.")

    def outputs_of(leaves: list[Array], row: Array) -> Array:
        params = jax.tree_util.tree_unflatten(tree, leaves)
        rebuilt = variables._replace(params=params) if isinstance(variables, Variables) else params
        outputs = apply(rebuilt, row[None])[0]
        return outputs.reshape(-1, outputs.shape[-1])

    row = jax.ShapeDtypeStruct(x.shape[1:], x.dtype)
    traced = trace_layers(outputs_of, leaves, row, [index in paths for index in range(len(leaves))])
    layers = traced.layers

    def backward(row: Array) -> tuple[dict[int, Array], dict[int, Array], dict[int, Array]]:
        def run(shifts: dict[int, Array], copies: dict[int, Array]) -> tuple[Array, dict[int, Array]]:
            return traced.run([copies.get(index, leaf) for index, leaf in enumerate(leaves)], row, shifts)

        shifts = {index: jnp.zeros(layer.shape, layer.dtype) for index, layer in layers.items()}
        copies = {index: leaves[index] for index in paths if index not in layers}
        outputs, pull, inputs = jax.vjp(run, shifts, copies, has_aux=True)
        roots = site_roots(likelihood, outputs)  # [t, r, c]
        t, r, c = roots.shape
        # As for the Jacobian: one direction for each column of each site's root, zero at the other sites.
        directions = jnp.eye(t, dtype=roots.dtype)[:, None, :, None] * roots[:, :, None, :]
        grads, copies = jax.vmap(pull)(directions.reshape(t * r, t, c))
        return inputs, {index: layers[index].gradients(grad) for index, grad in grads.items()}, copies

    return _Network(leaves, paths, layers, jnp.result_type(*leaves), backward)


def _squared_norm(inputs: Float[Array, "s i"], grads: Float[Array, "r s o"]) -> Float[Array, ""]:
    """``sum_r |inputs^T grads_r|^2``, by way of whichever is smaller: s x s products, or the gradients themselves."""
    (s, i), (r, _, o) = inputs.shape, grads.shape
    if s * (i + r * o) < r * i * o:
        rows = jnp.swapaxes(grads, 0, 1).reshape(s, r * o)
        ours = jnp.matmul(inputs, inputs.T, precision="highest")
        return jnp.sum(ours * jnp.matmul(rows, rows.T, precision="highest"))
    return jnp.sum(jnp.einsum("si,rso->rio", inputs, grads, precision="highest") ** 2)


def _squared_entries(inputs: Float[Array, "s i"], grads: Float[Array, "r s o"]) -> Float[Array, "i o"]:
    if inputs.shape[0] == 1:
        return inputs[0][:, None] ** 2 * jnp.sum(grads[:, 0] ** 2, axis=0)[None]
    return jnp.sum(jnp.einsum("si,rso->rio", inputs, grads, precision="highest") ** 2, axis=0)
