"""Adapters: an NNX or a Linen module as a ``Model``. Flax stops in this folder.

Variables are plain nested dicts, so they can be stored, sharded and differentiated without Flax. Parameters and state
are float32, or float64 where the input of ``init`` is float64.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen, nnx
from jaxtyping import Array, PyTree

from alfi.typing import Inputs, Model, PRNGKey, Variables


def from_nnx(constructor: Callable[[nnx.Rngs], nnx.Module]) -> Model:
    """A ``Model`` from a function that makes an NNX module.

    The module is called as ``module(x[n, ...]) -> outputs[n, *sites, c]``. What else it has becomes a field of the
    model, and is ``None`` otherwise: a method ``features(x)`` in which the outputs are affine, an attribute ``head``
    (the ``nnx.Linear`` of ``module(x) = head(features(x))``), a method ``taps(x) -> {name: activation}``, a method
    ``with_taps(x) -> (outputs, taps)`` of one pass (``train_taps``), and dropout (``stochastic``: any layer with a
    ``deterministic`` mode and random numbers).

    Parameters
    ----------
    constructor
        ``nnx.Rngs -> nnx.Module``. It is traced abstractly here, and run in ``init``; no array is closed over.

    Returns
    -------
    Model. Random numbers come from the key of each call: every random stream of the module gets a key of its own.

    Source: the functional interface of Flax NNX (``nnx.split``, ``nnx.merge``).

    Examples
    --------
    >>> import jax, jax.numpy as jnp
    >>> from flax import nnx
    >>> model = from_nnx(lambda rngs: nnx.Linear(3, 2, rngs=rngs))
    >>> x = jnp.ones((5, 3))
    >>> variables = model.init(jax.random.key(0), x)
    >>> model.apply(variables, x).shape, sorted(variables.params), model.stochastic is None
    ((5, 2), ['bias', 'kernel'], True)
    """
    abstract = nnx.eval_shape(lambda: constructor(nnx.Rngs(0)))

    def mode(deterministic: bool, use_running_average: bool) -> nnx.GraphDef:
        return nnx.split(_mode(abstract, deterministic, use_running_average))[0]

    evaluation, dropout, training = mode(True, True), mode(False, True), mode(False, False)
    streams = nnx.to_pure_dict(nnx.state(abstract, nnx.RngState))
    is_random = evaluation != dropout and bool(jax.tree.leaves(streams))

    def module(graph, key, variables):
        return nnx.merge(graph, variables.params, _random_state(key, streams), variables.state)

    def init(key: PRNGKey, x: Inputs) -> Variables:
        _, params, _, state = nnx.split(constructor(nnx.Rngs(key)), nnx.Param, nnx.RngState, ...)
        return _cast(Variables(nnx.to_pure_dict(params), nnx.to_pure_dict(state)), x)

    def evaluate(method, variables, x):
        # No random number is drawn in evaluation mode; a key is needed only because the streams are part of the graph.
        return getattr(module(evaluation, jax.random.key(0), variables), method)(x)

    def stochastic(key: PRNGKey, variables: Variables, x: Inputs) -> Array:
        # One row at a time with the same key: the same masks for all rows, whatever shape a layer draws them in.
        return jax.vmap(lambda row: module(dropout, key, variables)(row[None])[0])(x)

    def train(key: PRNGKey, variables: Variables, x: Inputs) -> tuple[Array, PyTree]:
        net = module(training, key, variables)
        return net(x), updated(net, variables)

    def train_taps(key: PRNGKey, variables: Variables, x: Inputs) -> tuple[Array, dict[str, Array], PyTree]:
        net = module(training, key, variables)
        return *net.with_taps(x), updated(net, variables)

    def updated(net: nnx.Module, variables: Variables) -> PyTree:
        return _like(nnx.to_pure_dict(nnx.split(net, nnx.Param, nnx.RngState, ...)[3]), variables.state)

    def optional(method):
        return functools.partial(evaluate, method) if hasattr(abstract, method) else None

    return Model(
        init=init,
        apply=functools.partial(evaluate, "__call__"),
        features=optional("features"),
        taps=optional("taps"),
        stochastic=stochastic if is_random else None,
        train=train,
        head=_head("head") if hasattr(abstract, "head") else None,
        train_taps=train_taps if hasattr(abstract, "with_taps") else None,
    )


def from_linen(
    module: linen.Module,
    *,
    features: str | None = None,
    taps: str | None = None,
    head: str | None = None,
    eval_kwargs: Mapping[str, Any] = {},
    train_kwargs: Mapping[str, Any] = {},
    stochastic_kwargs: Mapping[str, Any] | None = None,
) -> Model:
    """A ``Model`` from a Linen module.

    Parameters
    ----------
    module
        Called as ``module(x[n, ...], **kwargs) -> outputs[n, *sites, c]``.
    features, taps
        Names of methods ``method(x, **eval_kwargs)`` of the module.
    head
        Name of the ``Dense`` submodule with ``outputs = head(features)``.
    eval_kwargs
        Keyword arguments of the evaluation mode, ``{"train": False}`` say.
    train_kwargs
        Those of the training mode.
    stochastic_kwargs
        Those of the mode in which dropout is on and batch statistics are fixed; ``None``: there is no such mode.

    Source: ``Module.apply`` of Flax Linen.

    Examples
    --------
    >>> import jax, jax.numpy as jnp
    >>> from flax import linen
    >>> model = from_linen(linen.Dense(2))
    >>> x = jnp.ones((5, 3))
    >>> model.apply(model.init(jax.random.key(0), x), x).shape
    (5, 2)
    """

    def init(key: PRNGKey, x: Inputs) -> Variables:
        return _cast(Variables(**_parts(module.init({"params": key}, x, **eval_kwargs))), x)

    def evaluate(method, variables, x):
        return module.apply({"params": variables.params, **variables.state}, x, method=method, **eval_kwargs)

    def stochastic(key: PRNGKey, variables: Variables, x: Inputs) -> Array:
        def one(row):
            collections = {"params": variables.params, **variables.state}
            return module.apply(collections, row[None], rngs={"dropout": key}, **(stochastic_kwargs or {}))[0]

        return jax.vmap(one)(x)

    def train(key: PRNGKey, variables: Variables, x: Inputs) -> tuple[Array, PyTree]:
        collections, mutable = {"params": variables.params, **variables.state}, list(variables.state)
        outputs, state = module.apply(collections, x, rngs={"dropout": key}, mutable=mutable, **train_kwargs)
        return outputs, _like(_parts(state)["state"], variables.state)

    return Model(
        init=init,
        apply=functools.partial(evaluate, None),
        features=features and functools.partial(evaluate, features),
        taps=taps and functools.partial(evaluate, taps),
        stochastic=None if stochastic_kwargs is None else stochastic,
        train=train,
        head=head and _head(head),
    )


def _mode(module: nnx.Module, deterministic: bool, use_running_average: bool) -> nnx.Module:
    kwargs = {"deterministic": deterministic, "use_running_average": use_running_average}
    return nnx.view(module, raise_if_not_found=False, **kwargs)


def _random_state(key: PRNGKey, streams: PyTree) -> PyTree:
    """The random state of a module with fresh keys and counts of zero; ``streams`` has its structure."""
    leaves, structure = jax.tree.flatten(streams)
    keys = iter(jax.random.split(key, len(leaves) or 1))
    fresh = [
        next(keys) if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else jnp.zeros(leaf.shape, leaf.dtype)
        for leaf in leaves
    ]
    return jax.tree.unflatten(structure, fresh)


def _parts(collections: Mapping[str, PyTree]) -> dict[str, PyTree]:
    return {"params": collections.get("params", {}), "state": {k: v for k, v in collections.items() if k != "params"}}


def _head(name: str) -> Callable[[Variables], tuple[Array, Array]]:
    def head(variables):
        layer = variables.params[name]
        kernel = layer["kernel"]
        return kernel, layer["bias"] if "bias" in layer else jnp.zeros(kernel.shape[-1], kernel.dtype)

    return head


def _cast(variables: Variables, x: Inputs) -> Variables:
    """Floating leaves as float64 where ``x`` is, else as they are: Fisher information comes in the precision of x."""
    double = x.dtype == jnp.float64

    def cast(leaf):
        return leaf.astype(jnp.float64) if double and jnp.issubdtype(leaf.dtype, jnp.floating) else leaf

    return jax.tree.map(cast, variables)


def _like(state: PyTree, reference: PyTree) -> PyTree:
    """``state`` in the types of ``reference``: a scan wants what it was given."""
    return jax.tree.map(lambda new, old: new.astype(old.dtype), state, reference)
