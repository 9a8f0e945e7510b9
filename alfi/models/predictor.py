"""A network that also predicts its own loss: the module of Learning Loss and of Confident Coreset."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree, Shaped

from alfi.typing import Inputs, Model, Outputs, PRNGKey, Variables

PREDICTED_LOSS = "predicted_loss"


def predictor(
    model: Model,
    *,
    steps: int,
    stop_gradient_after: float = 0.6,
    width: int = 128,
    taps: Sequence[str] | None = None,
) -> Model:
    r"""The model with a module that predicts the loss of each example from the activations of several layers.

    The predictor: of each tap the mean over its sites, a linear layer of ``width`` units and ReLU; these concatenated,
    and a linear layer with one output. It is trained jointly: what ``train`` puts out has one output more, the
    predicted loss (the same at every site), which ``predictor_loss`` reads:

        ``fixed_steps(predictor(model, steps=200), likelihood, steps=200, loss=predictor_loss(loss))``

    Parameters
    ----------
    model
        With ``taps``. Where it has ``train_taps``, they are those of the same pass; else of evaluation mode.
    steps
        Training steps that ``stop_gradient_after`` is a part of. Steps are counted in ``Variables.state``, from init.
    stop_gradient_after
        Part of the training after which the ranking loss no longer reaches the network, only the predictor: 0 at once,
        1 never.
    width
        Units of each tap.
    taps
        Names of the taps read; default all.

    Returns
    -------
    Model. ``apply``, ``features``, ``stochastic`` and ``head`` are those of the network; ``taps`` has one more,
    ``"predicted_loss"`` [n]. Parameters are ``{"network": ..., "predictor": ...}``: for Fisher information of a whole
    network choose the former. The predictor travels with the variables, so all strategies compared train the same.

    Raises
    ------
    ValueError
        If the model has no taps, or not those named, or a number is out of its range.

    Cost: that of the network, and n d width multiplications for each tap of d channels.

    Source: Yoo & Kweon 2019, "Learning loss for active learning", arXiv 1905.03677; Kim et al. 2020, "Confident
    coreset", arXiv 2004.02200.

    Examples
    --------
    >>> import alfi
    >>> model, x = predictor(alfi.models.mlp(3), steps=100), jnp.ones((5, 4))
    >>> variables = model.init(jax.random.key(0), x)
    >>> model.apply(variables, x).shape, model.taps(variables, x)["predicted_loss"].shape
    ((5, 3), (5,))
    """
    if model.taps is None:
        raise ValueError("predictor needs a model with `taps`: it reads the activations of several layers.")
    if steps < 1 or width < 1 or not 0 <= stop_gradient_after <= 1:
        raise ValueError(
            f"predictor needs steps, width >= 1 and stop_gradient_after in [0, 1]; got {steps=}, {width=}, "
            f"{stop_gradient_after=}."
        )
    read = model.taps

    def chosen(activations: dict[str, Any]) -> dict[str, Any]:
        names = sorted(activations) if taps is None else list(taps)
        if missing := sorted(set(names) - set(activations)):
            raise ValueError(f"predictor reads the taps {names}; of these the model lacks {missing}.")
        return {name: activations[name] for name in names}

    def of_network(variables: Variables) -> Variables:
        return Variables(variables.params["network"], variables.state["network"])

    def init(key: PRNGKey, x: Inputs) -> Variables:
        key_network, key_predictor = jax.random.split(key)
        network = model.init(key_network, x)
        shapes = chosen(jax.eval_shape(read, network, x))
        params = {"network": network.params, "predictor": _init(key_predictor, shapes, width)}
        return Variables(params, {"network": network.state, "step": jnp.zeros((), jnp.int32)})

    def with_prediction(variables: Variables, x: Inputs) -> dict[str, Array]:
        activations = read(of_network(variables), x)
        return {**activations, PREDICTED_LOSS: _predict(variables.params["predictor"], chosen(activations))}

    def train(key: PRNGKey, variables: Variables, x: Inputs) -> tuple[Array, PyTree]:
        network = of_network(variables)
        if model.train_taps is None:
            outputs, state = model.train(key, network, x)
            activations = read(network, x)
        else:
            outputs, activations, state = model.train_taps(key, network, x)
        step = variables.state["step"]
        reaches = step < round(stop_gradient_after * steps)
        seen = jax.tree.map(lambda a: jnp.where(reaches, a, jax.lax.stop_gradient(a)), chosen(activations))
        predicted = _predict(variables.params["predictor"], seen)
        column = jnp.broadcast_to(
            predicted.reshape(-1, *(1 for _ in outputs.shape[1:])), (*outputs.shape[:-1], 1)
        ).astype(outputs.dtype)
        return jnp.concatenate([outputs, column], axis=-1), {"network": state, "step": step + 1}

    def of_inner(function: Callable | None) -> Callable | None:
        return function and (lambda *args: function(*args[:-2], of_network(args[-2]), args[-1]))

    return Model(
        init=init,
        apply=of_inner(model.apply),
        features=of_inner(model.features),
        taps=with_prediction,
        stochastic=of_inner(model.stochastic),
        train=train,
        head=model.head and (lambda variables: model.head(of_network(variables))),
    )


def predictor_loss(
    loss: Callable[[Outputs, Shaped[Array, "n ..."]], Float[Array, " n"]], *, weight: float = 1.0, margin: float = 0.5
) -> Callable[[Outputs, Shaped[Array, "n ..."]], Float[Array, " n"]]:
    r"""The loss of ``predictor``'s training: ``mean_i l_i + weight (2 / n) sum_pairs L``.

    Examples i and n - 1 - i are a pair, with true losses l and predicted ones p:
    ``L = max(0, -s (p_i - p_j) + margin)`` with s = 1 if ``l_i > l_j`` else -1. No gradient passes the true losses. An
    odd example in the middle has no pair.

    Parameters
    ----------
    loss
        ``(outputs[n, *sites, c], y) -> [n]``, of the network without the predictor.
    weight, margin
        lambda and xi of the papers.

    Returns
    -------
    ``(outputs[n, *sites, c + 1], y) -> [n]``, whose mean is the loss above.

    Raises
    ------
    ValueError
        If the weight or the margin is negative.

    Source: equations 3 and 4 of arXiv 2004.02200 (margin 0.5; arXiv 1905.03677 has 1).

    Examples
    --------
    Of two examples the one with the greater loss, 1, has the greater predicted loss, by 0.2: 0.3 short of the margin.

    >>> squares = lambda outputs, y: (outputs[:, 0] - y) ** 2
    >>> outputs = jnp.array([[1.0, 0.7], [0.0, 0.5]])  # output, predicted loss
    >>> [f"{x:.2f}" for x in predictor_loss(squares)(outputs, jnp.zeros(2))]
    ['1.30', '0.30']
    """
    if weight < 0 or margin < 0:
        raise ValueError(f"predictor_loss needs weight >= 0 and margin >= 0; got {weight=}, {margin=}.")

    def joint(outputs: Outputs, y: Shaped[Array, "n ..."]) -> Float[Array, " n"]:
        losses = loss(outputs[..., :-1], y)
        predicted = outputs[..., -1].reshape(outputs.shape[0], -1)[:, 0]
        half = losses.shape[0] // 2
        true = jax.lax.stop_gradient(losses)
        sign = jnp.where(true[:half] > true[::-1][:half], 1, -1)
        pairs = jnp.maximum(0, margin - sign * (predicted[:half] - predicted[::-1][:half]))
        middle = jnp.zeros(losses.shape[0] - 2 * half, pairs.dtype)
        return losses + weight * jnp.concatenate([pairs, middle, pairs[::-1]])

    return joint


def _init(key: PRNGKey, taps: dict[str, jax.ShapeDtypeStruct], width: int) -> PyTree:
    """He's normal initialisation of the layers with ReLU, Glorot's scale of the last one."""
    names = sorted(taps)
    *keys, last = jax.random.split(key, len(names) + 1)
    normal = jax.random.normal
    branches = {
        name: {
            "kernel": normal(key, (taps[name].shape[-1], width), taps[name].dtype) * (2 / taps[name].shape[-1]) ** 0.5,
            "bias": jnp.zeros(width, taps[name].dtype),
        }
        for name, key in zip(names, keys, strict=True)
    }
    dtype, units = taps[names[0]].dtype, len(names) * width
    head = {"kernel": normal(last, (units, 1), dtype) * units**-0.5, "bias": jnp.zeros(1, dtype)}
    return {"branches": branches, "head": head}


def _predict(params: PyTree, taps: dict[str, Array]) -> Float[Array, " n"]:
    units = []
    for name in sorted(params["branches"]):
        layer, tap = params["branches"][name], taps[name]
        pooled = tap.mean(axis=tuple(range(1, tap.ndim - 1)))
        units.append(jax.nn.relu(pooled @ layer["kernel"] + layer["bias"][None]))
    return (jnp.concatenate(units, axis=-1) @ params["head"]["kernel"] + params["head"]["bias"][None])[:, 0]
