"""The twelve leads of the electrocardiogram: of a heart vector, of electrodes, and each of the others."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
# Leads I, II, V1 to V6 of a heart vector: Dower et al., Clin. Cardiol. 1980, doi 10.1002/clc.4960030202.
DOWER = np.array(
    [
        *([0.632, -0.235, 0.059], [0.235, 1.066, -0.132]),
        *([-0.515, 0.157, -0.917], [0.044, 0.164, -1.387], [0.882, 0.098, -1.277]),
        *([1.213, 0.127, -0.601], [1.125, 0.127, -0.086], [0.831, 0.076, 0.230]),
    ]
)
# The same leads of the potentials of the electrodes RA, LA, LL, V1 to V6; the chest's are against Wilson's terminal.
ELECTRODES = np.block(
    [
        [np.array([[-1, 1, 0], [-1, 0, 1]]), np.zeros((2, 6))],
        [np.full((6, 3), -1 / 3), np.eye(6)],
    ]
)


def twelve(independent: Float[Array, "*n 8"]) -> Float[Array, "*n 12"]:
    """All leads, in the order ``LEADS``, of I, II and V1 to V6: Einthoven's and Goldberger's.

    >>> twelve(jnp.array([[1.0, 3.0, 0, 0, 0, 0, 0, 0]]))[0, :6].tolist()
    [1.0, 3.0, 2.0, -2.0, -0.5, 2.5]
    """
    one, two, chest = independent[..., :1], independent[..., 1:2], independent[..., 2:]
    derived = [one, two, two - one, -(one + two) / 2, one - two / 2, two - one / 2]
    return jnp.concatenate([*derived, chest], axis=-1)
