"""Problems for alfi and its peers together: the same numbers, once as arrays of NumPy, once as a fitted model."""

import jax.numpy as jnp
import numpy as np
import pytest

import alfi
from alfi.typing import Variables


def softmax(logits):
    e = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


@pytest.fixture(scope="session")
def linear():
    """``x -> x @ W`` with the inputs themselves as features."""
    return alfi.models.from_function(
        lambda w, x: x @ w, features=lambda w, x: x, head=lambda w: (w, jnp.zeros(w.shape[1]))
    )


@pytest.fixture(scope="session")
def fitted():
    """``weights[d, c]`` or those of members ``[k, d, c]`` as what training would leave behind."""

    def make(weights):
        weights = jnp.asarray(weights)
        if weights.ndim == 2:
            return alfi.Fitted(Variables(weights))
        return alfi.Fitted(Variables(weights[0]), members=Variables(weights))

    return make


@pytest.fixture(scope="session")
def probabilities():
    """Of every class, ``softmax(x @ W)``: [n, c], or of members [n, k, c]."""

    def compute(x, weights):
        return softmax(np.einsum("nd,...dc->n...c", x, weights))

    return compute


@pytest.fixture(scope="session")
def draw():
    """Normal numbers, the same in every run."""
    return lambda seed, *shape: np.random.default_rng(seed).standard_normal(shape)
