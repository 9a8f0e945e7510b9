"""Inception-v3 of Keras, on its JAX backend, as a ``Model``: the network of MedAL. An optional extra."""

import math
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree

from alfi.typing import Inputs, Model, Outputs, PRNGKey, Variables

TAPS = tuple(f"mixed{i}" for i in range(11))


def inception_v3(outputs: int, *, shape: tuple[int, int, int] = (299, 299, 3)) -> Model:
    """Inception-v3 as in MedAL: Keras's convolutional part, global average pooling, and a fully connected ``head``.

    Parameters
    ----------
    outputs
        c, of the ``head``. With 1000 of them there are 23,817,352 parameters and 34,432 batch statistics, together the
        23,851,784 that Keras counts.
    shape
        Of an image: height and width from 75, and colours. Pixels are expected in [-1, 1].

    Returns
    -------
    Model. ``taps`` are ``mixed0`` ... ``mixed10``, of which ``mixed5`` is the paper's layer; ``features`` [n, 2048] the
    mean over the last. There is no dropout, hence no ``stochastic``. Everything is float32. Random initial weights are
    Keras's (Glorot, uniform); ``inception_weights`` reads trained ones.

    Raises
    ------
    ValueError
        If Keras is absent or has another backend, or an image is too small.

    Cost: on a CPU its convolutions are XLA's own, which are slow inside loops: meant for a GPU.

    Source: Szegedy et al. 2016, arXiv 1512.00567; Smailagic et al. 2018, arXiv 1809.09287.

    Example: ``alfi.models.inception_v3(2, shape=(75, 75, 3))``, with ``pip install keras`` and ``KERAS_BACKEND=jax``.
    """
    if outputs < 1 or min(shape[:2]) < 75:
        raise ValueError(f"inception_v3 needs outputs >= 1 and images from 75 pixels a side; got {outputs=}, {shape=}.")
    keras = _keras()
    base = _base(shape)
    network = keras.Model(base.inputs, [base.get_layer(name).output for name in TAPS])
    learnt, fixed = network.trainable_variables, network.non_trainable_variables
    names = _names(learnt), _names(fixed)

    def call(variables: Variables, x: Inputs, training: bool) -> tuple[dict[str, Array], PyTree]:
        params = [variables.params["backbone"][name] for name in names[0]]
        state = [variables.state[name] for name in names[1]]
        activations, state = network.stateless_call(params, state, x.astype(jnp.float32), training=training)
        return dict(zip(TAPS, activations, strict=True)), dict(zip(names[1], state, strict=True))

    def head(variables: Variables) -> tuple[Array, Array]:
        return variables.params["head"]["kernel"], variables.params["head"]["bias"]

    def outputs_of(variables: Variables, activations: dict[str, Array]) -> Outputs:
        kernel, bias = head(variables)
        return activations[TAPS[-1]].mean(axis=(1, 2)) @ kernel + bias[None]

    def init(key: PRNGKey, x: Inputs) -> Variables:
        del x
        keys = jax.random.split(key, len(learnt) + 1)
        pieces = zip(names[0], learnt, keys[:-1], strict=True)
        backbone = {name: _glorot(key, tuple(variable.shape)) for name, variable, key in pieces}
        top = {"kernel": _glorot(keys[-1], (2048, outputs)), "bias": jnp.zeros(outputs, jnp.float32)}
        state = {
            name: jnp.full(variable.shape, 1.0 if name.endswith("variance") else 0.0, jnp.float32)
            for name, variable in zip(names[1], fixed, strict=True)
        }
        return Variables({"backbone": backbone, "head": top}, state)

    def train_taps(key: PRNGKey, variables: Variables, x: Inputs) -> tuple[Outputs, dict[str, Array], PyTree]:
        del key
        activations, state = call(variables, x, True)
        return outputs_of(variables, activations), activations, state

    def train(key: PRNGKey, variables: Variables, x: Inputs) -> tuple[Outputs, PyTree]:
        result, _, state = train_taps(key, variables, x)
        return result, state

    return Model(
        init=init,
        apply=lambda variables, x: outputs_of(variables, call(variables, x, False)[0]),
        features=lambda variables, x: call(variables, x, False)[0][TAPS[-1]].mean(axis=(1, 2)),
        taps=lambda variables, x: call(variables, x, False)[0],
        train=train,
        head=head,
        train_taps=train_taps,
    )


def inception_weights(variables: Variables, path: str | Path) -> Variables:
    """Variables of ``inception_v3`` with the weights of a file of Keras, all but the head's.

    Parameters
    ----------
    path
        ``.weights.h5`` or ``.h5``, of ``keras.applications.InceptionV3(include_top=False)``, three colours.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If its layers are not those of the network; Keras says which.

    Example: ``inception_weights(variables, "inception_v3_weights_tf_dim_ordering_tf_kernels_notop.h5")``
    """
    path = Path(path)
    with path.open("rb"):  # so that what is wrong with the file itself is said by the system, with its name
        pass
    base = _base((75, 75, 3))
    try:
        base.load_weights(path)
    except Exception as error:  # what Keras and h5py raise for a damaged or foreign file has no common type
        raise ValueError(f"{path} does not hold the weights of Inception-v3 without its top: {error}") from error

    def values(variables: list[Any]) -> dict[str, Array]:
        return {name: jnp.asarray(v.value) for name, v in zip(_names(variables), variables, strict=True)}

    params = {**variables.params, "backbone": values(base.trainable_variables)}
    return Variables(params, values(base.non_trainable_variables))


def _keras() -> Any:
    try:
        import keras  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise ValueError("Inception-v3 needs Keras 3: install `alfi[keras]`, and set KERAS_BACKEND=jax.") from error
    if keras.backend.backend() != "jax":
        raise ValueError(
            f"Inception-v3 needs Keras on JAX; got the backend {keras.backend.backend()!r}: set KERAS_BACKEND=jax "
            "before anything imports keras."
        )
    return keras


def _base(shape: tuple[int, int, int]) -> Any:
    return _keras().applications.InceptionV3(include_top=False, weights=None, input_shape=shape)


def _names(variables: list[Any]) -> list[str]:
    """By place and kind: Keras's own names count on from network to network."""
    return [f"{i:03d}_{variable.path.split('/')[-1]}" for i, variable in enumerate(variables)]


def _glorot(key: PRNGKey, shape: tuple[int, ...]) -> Array:
    """Uniform in +- sqrt(6 / (inputs + outputs)) for kernels; zero for biases."""
    if len(shape) < 2:
        return jnp.zeros(shape, jnp.float32)
    places, matrix = math.prod(shape[:-2]), (math.prod(shape[:-1]), shape[-1])
    bound = math.sqrt(6 / (places * (shape[-2] + shape[-1])))
    return jax.random.uniform(key, matrix, jnp.float32, -bound, bound).reshape(shape)
