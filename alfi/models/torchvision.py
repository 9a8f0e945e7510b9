"""Weights of torchvision's residual networks, mapped onto ``resnet`` and every model with its encoder."""

import re
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from alfi.typing import Variables

# Where a leaf of ours is in a state dict of torchvision: applied in this order to its path, joined by dots.
NAMES = (
    (r"^encoder\.", ""),
    (r"^head\.", "fc."),
    (r"^stem\.conv\.", "conv1."),
    (r"^stem\.norm\.", "bn1."),
    (r"^stages\.layer_(\d+)\.", r"layer\1."),
    (r"block_(\d+)\.", lambda match: f"{int(match[1]) - 1}."),
    (r"convs\.conv_(\d+)\.conv\.", r"conv\1."),
    (r"convs\.conv_(\d+)\.norm\.", r"bn\1."),
    (r"shortcut\.conv\.", "downsample.0."),
    (r"shortcut\.norm\.", "downsample.1."),
    (r"\.(kernel|scale)$", ".weight"),
    (r"\.mean$", ".running_mean"),
    (r"\.var$", ".running_var"),
)


def torchvision_weights(variables: Variables, weights: Mapping[str, np.ndarray], *, head: bool = True) -> Variables:
    """Variables of ``resnet``, or of another model with its ``encoder``, with the numbers of a torchvision state dict.

    Parameters
    ----------
    variables
        Of the model: ``model.init(key, x)``, or only its shapes, ``jax.eval_shape(model.init, key, x)``, where every
        leaf is replaced.
    weights
        Name -> array, as in the state dicts of torchvision's ``resnet18``, ``resnet34`` and ``resnet50``:
        ``alfi.data.read_weights(path)``. They expect three colours, scaled to [0, 1], minus (0.485, 0.456, 0.406), over
        (0.229, 0.224, 0.225).
    head
        False: the head stays as it is, for other classes than ImageNet's thousand; so does all that is outside of the
        encoder.

    Returns
    -------
    Variables like those given, in their dtypes.

    Raises
    ------
    ValueError
        If a weight is missing, not expected, or of another shape: all of them are listed.

    Source: the state dicts of torchvision 0.x, ``torchvision.models.resnet``.

    Examples
    --------
    >>> import alfi
    >>> model, x = alfi.models.resnet18(2, width=2), jnp.ones((1, 32, 32, 3))
    >>> variables = jax.eval_shape(model.init, jax.random.key(0), x)
    >>> torchvision_weights(variables, {"fc.bias": np.zeros(2, np.float32)})
    Traceback (most recent call last):
    ...
    ValueError: these weights do not fit the model. Missing (101): bn1.bias, bn1.running_mean, bn1.running_var, ...
    """
    leaves, structure = jax.tree_util.tree_flatten_with_path(variables)
    names = [_name(path) for path, _ in leaves]
    wanted = {
        name: _layout(leaf.shape)[0]
        for name, (path, leaf) in zip(names, leaves, strict=True)
        if path[1].key == "encoder" or (head and path[1].key == "head")
    }
    given = {
        name: array
        for name, array in weights.items()
        if not name.endswith("num_batches_tracked") and (head or not name.startswith("fc."))
    }
    faults = {
        "Missing": sorted(wanted.keys() - given.keys()),
        "Unexpected": sorted(given.keys() - wanted.keys()),
        "Of another shape": [
            f"{name} {tuple(given[name].shape)} where {shape} was expected"
            for name, shape in sorted(wanted.items())
            if name in given and tuple(given[name].shape) != shape
        ],
    }
    if any(faults.values()):
        listed = [f"{fault} ({len(names)}): {', '.join(names)}." for fault, names in faults.items() if names]
        advice = "" if not head else " With head=False the head is left as it is."
        raise ValueError(f"these weights do not fit the model. {' '.join(listed)}{advice}")

    def take(name: str, leaf: Array | jax.ShapeDtypeStruct) -> Array | jax.ShapeDtypeStruct:
        if name not in wanted:
            return leaf
        return jnp.asarray(np.transpose(given[name], _layout(leaf.shape)[1]), leaf.dtype)

    return jax.tree.unflatten(structure, [take(name, leaf) for name, (_, leaf) in zip(names, leaves, strict=True)])


def _name(path: tuple) -> str:
    """The name of a leaf of ``Variables`` in torchvision; the first key only tells params from state."""
    name = ".".join(str(part.key) for part in path[1:])
    for pattern, replacement in NAMES:
        name = re.sub(pattern, replacement, name)
    return name


def _layout(shape: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """PyTorch's shape of a leaf of ours, and the order of its axes that makes it ours: outputs are its first axis."""
    if len(shape) < 2:
        return shape, tuple(range(len(shape)))
    rank = len(shape)
    return (shape[-1], shape[-2], *shape[:-2]), (*range(2, rank), 1, 0)
