"""A network seen as layers, from its traced program alone: each kernel's inputs, and a place to shift what it puts out.

No model has to be written for it. A kernel is a parameter that enters the program once, as an operand of a matrix
product or a convolution, after nothing but reshapes and transposes. What is not recognised stays a mere parameter.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.extend.core as jex
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

# Primitives that only move the entries of a kernel, and those that only call another program.
MOVES = {"reshape", "transpose", "squeeze", "convert_element_type", "copy", "copy_p", "broadcast_in_dim"}
CALLS = {"jit", "pjit", "closed_call", "core_call", "checkpoint", "remat", "remat2"}


class Layer(NamedTuple):
    """A matrix product with a kernel, at s positions: ``[s, i] @ kernel[i, o]``.

    shape      of its output in the program, for one example
    dtype      of that output
    positions  (operand) -> inputs [s, i]
    gradients  (gradients [r, *shape] of the output) -> [r, s, o]
    place      ([i, o]) -> the same numbers in the shape of the parameter
    """

    shape: tuple[int, ...]
    dtype: Any
    positions: Callable[[Array], Float[Array, "s i"]]
    gradients: Callable[[Array], Float[Array, "r s o"]]
    place: Callable[[Array], Array]


class Traced(NamedTuple):
    """A function of a list of parameters and one row of x, with the layers found in it by number of their parameter.

    run     (leaves, x, shifts) -> (outputs, inputs): ``shifts[j]`` is added to the output of layer j, and ``inputs[j]``
            [s, i] is what it saw
    """

    layers: dict[int, Layer]
    run: Callable[[list[Array], Array, dict[int, Array]], tuple[Array, dict[int, Array]]]


class _Kernel(NamedTuple):
    """A parameter on its way into a layer: its number, its entries as they now stand, and how they came there."""

    index: int
    value: Array
    prepare: Callable[[Array], Array]


def trace_layers(function: Callable, leaves: list[Array], x: Any, chosen: list[bool]) -> Traced:
    """Find the layers of ``function(leaves, x)`` whose kernels are among the chosen leaves; x may be a shape.

    Examples
    --------
    >>> network = lambda leaves, x: jnp.tanh(x @ leaves[0]) @ leaves[1] + leaves[2]
    >>> leaves = [jnp.ones((3, 4)), jnp.ones((4, 2)), jnp.ones(2)]
    >>> traced = trace_layers(network, leaves, jnp.ones(3), [True, True, True])
    >>> {index: layer.shape for index, layer in traced.layers.items()}
    {0: (4,), 1: (2,)}
    """
    program = jax.make_jaxpr(function)(leaves, x)
    seen: dict[int, list[Layer | None]] = {}

    def look(eqn: Any, operands: list[Any]) -> list[Any]:
        side = next(j for j, operand in enumerate(operands) if isinstance(operand, _Kernel))
        kernels = [operand for operand in operands if isinstance(operand, _Kernel)]
        layer = _layer(eqn, side, kernels[0], leaves) if len(kernels) == 1 else None
        for kernel in kernels:
            seen.setdefault(kernel.index, []).append(layer)
        return _evaluate(eqn, [_plain(operand) for operand in operands])

    def first(leaves: list[Array], x: Array) -> list[Array]:
        arguments = [_Kernel(j, leaf, _same) if chosen[j] else leaf for j, leaf in enumerate(leaves)]
        return [_plain(out) for out in _walk(program.jaxpr, program.consts, [*arguments, x], look)]

    jax.eval_shape(first, leaves, x)
    layers = {index: uses[0] for index, uses in seen.items() if len(uses) == 1 and uses[0] is not None}

    def run(leaves: list[Array], x: Array, shifts: dict[int, Array]) -> tuple[Array, dict[int, Array]]:
        inputs = {}

        def shift(eqn: Any, operands: list[Any]) -> list[Any]:
            side = next(j for j, operand in enumerate(operands) if isinstance(operand, _Kernel))
            index = operands[side].index
            inputs[index] = layers[index].positions(operands[1 - side])
            (out,) = _evaluate(eqn, [_plain(operand) for operand in operands])
            return [out + shifts[index]]

        arguments = [_Kernel(j, leaf, _same) if j in layers else leaf for j, leaf in enumerate(leaves)]
        (out,) = _walk(program.jaxpr, program.consts, [*arguments, x], shift)
        return out, inputs

    return Traced(layers, run)


def _walk(jaxpr: Any, consts: Any, arguments: list[Any], meet: Callable) -> list[Any]:
    """Evaluate a program; where a kernel meets something else, ``meet(equation, operands)`` does it."""
    env = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*consts, *arguments], strict=True))

    def read(atom: Any) -> Any:
        return atom.val if isinstance(atom, jex.Literal) else env[atom]

    for eqn in jaxpr.eqns:
        operands = [read(atom) for atom in eqn.invars]
        if not any(isinstance(operand, _Kernel) for operand in operands):
            outs = _evaluate(eqn, operands)
        elif (inner := _inner(eqn)) is not None:
            program, skip = inner
            outs = _walk(getattr(program, "jaxpr", program), getattr(program, "consts", ()), operands[skip:], meet)
        elif eqn.primitive.name in MOVES and len(operands) == 1 and _moves(eqn):
            outs = [_moved(eqn, operands[0])]
        else:
            outs = meet(eqn, operands)
        env.update(zip(eqn.outvars, outs, strict=True))
    return [read(atom) for atom in jaxpr.outvars]


def _inner(eqn: Any) -> tuple[Any, int] | None:
    """The program that an equation only calls, and the number of operands before its own."""
    if eqn.primitive.name in CALLS:
        return eqn.params["jaxpr"] if "jaxpr" in eqn.params else eqn.params["call_jaxpr"], 0
    platforms = eqn.params.get("branches_platforms")
    if platforms is None:
        return None
    # One function in several forms, for the platform it is lowered to: any of them is right.
    here = next((j for j, names in enumerate(platforms) if names is None or jax.default_backend() in names), 0)
    return eqn.params["branches"][here], 1


def _evaluate(eqn: Any, operands: list[Any]) -> list[Any]:
    names = list(dict.fromkeys(atom for atom in eqn.invars if not isinstance(atom, jex.Literal)))
    values = {atom: operand for atom, operand in zip(eqn.invars, operands, strict=True) if atom in names}
    program = jex.Jaxpr((), names, eqn.outvars, [eqn], eqn.effects, jex.DebugInfo("layers", "equation", None, None))
    return list(jex.jaxpr_as_fun(jex.ClosedJaxpr(program, ()))(*(values[name] for name in names)))


def _moves(eqn: Any) -> bool:
    before, after = eqn.invars[0].aval, eqn.outvars[0].aval
    return before.size == after.size and jnp.issubdtype(after.dtype, jnp.floating)


def _moved(eqn: Any, kernel: _Kernel) -> _Kernel:
    def prepare(leaf: Array) -> Array:
        return _evaluate(eqn, [kernel.prepare(leaf)])[0]

    return _Kernel(kernel.index, _evaluate(eqn, [kernel.value])[0], prepare)


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, _Kernel) else value


def _same(leaf: Array) -> Array:
    return leaf


def _layer(eqn: Any, side: int, kernel: _Kernel, leaves: list[Array]) -> Layer | None:
    rule = {"dot_general": _product, "conv_general_dilated": _convolution}.get(eqn.primitive.name)
    found = rule and rule(eqn, side)
    if not found:
        return None
    positions, gradients, place = found
    leaf = jax.ShapeDtypeStruct(leaves[kernel.index].shape, leaves[kernel.index].dtype)
    out = eqn.outvars[0].aval

    def placed(entries: Array) -> Array:
        return jax.linear_transpose(kernel.prepare, leaf)(place(entries).astype(kernel.value.dtype))[0]

    return Layer(out.shape, out.dtype, positions, gradients, placed)


def _product(eqn: Any, side: int) -> tuple[Callable, Callable, Callable] | None:
    contracted, batched = eqn.params["dimension_numbers"]
    if batched[0]:
        return None
    shape, operand = (eqn.invars[j].aval.shape for j in (side, 1 - side))
    ins, seen = tuple(contracted[side]), tuple(contracted[1 - side])
    outs = tuple(j for j in range(len(shape)) if j not in ins)
    free = tuple(j for j in range(len(operand)) if j not in seen)
    i, o = math.prod(shape[j] for j in ins), math.prod(shape[j] for j in outs)

    def positions(x: Array) -> Array:
        return jnp.transpose(x, (*free, *seen)).reshape(-1, i)

    def gradients(g: Array) -> Array:
        if side == 0:  # the kernel comes first, and so do its axes
            g = jnp.moveaxis(g, range(1, 1 + len(outs)), range(-len(outs), 0))
        return g.reshape(g.shape[0], -1, o)

    def place(entries: Array) -> Array:
        order = (*ins, *outs)
        return jnp.transpose(entries.reshape([shape[j] for j in order]), np.argsort(order))

    return positions, gradients, place


def _convolution(eqn: Any, side: int) -> tuple[Callable, Callable, Callable] | None:
    params = eqn.params
    if side != 1 or params["feature_group_count"] != 1 or params["batch_group_count"] != 1:
        return None
    lhs, rhs, out = (tuple(spec) for spec in params["dimension_numbers"])
    shape, window = eqn.invars[1].aval.shape, tuple(eqn.invars[1].aval.shape[j] for j in rhs[2:])
    size = tuple(eqn.outvars[0].aval.shape[j] for j in out[2:])
    strides, dilation = params["window_strides"], params["rhs_dilation"]
    gaps = zip(params["padding"], params["lhs_dilation"], strict=True)
    borders = [(0, 0, 0), *((*pad, gap - 1) for pad, gap in gaps), (0, 0, 0)]

    def positions(x: Array) -> Array:
        x = jnp.transpose(x, (lhs[0], *lhs[2:], lhs[1]))  # [n, *space, i]
        x = jax.lax.pad(x, jnp.zeros((), x.dtype), borders)

        def shifted(offset: tuple[int, ...]) -> Array:
            start = (0, *(k * gap for k, gap in zip(offset, dilation, strict=True)), 0)
            steps = zip(start[1:-1], size, strides, strict=True)
            limit = (x.shape[0], *(begin + (count - 1) * step + 1 for begin, count, step in steps), x.shape[-1])
            return jax.lax.slice(x, start, limit, (1, *strides, 1))

        return jnp.stack([shifted(offset) for offset in np.ndindex(window)], axis=-2).reshape(
            -1, math.prod(window) * shape[rhs[1]]
        )

    def gradients(g: Array) -> Array:
        g = jnp.transpose(g, (0, *(1 + j for j in (out[0], *out[2:], out[1]))))
        return g.reshape(g.shape[0], -1, g.shape[-1])

    def place(entries: Array) -> Array:
        order = (*rhs[2:], rhs[1], rhs[0])
        return jnp.transpose(entries.reshape([shape[j] for j in order]), np.argsort(order))

    return positions, gradients, place
