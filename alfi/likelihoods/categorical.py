"""One of c classes."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from alfi.typing import Likelihood


def reduced_root(f: Float[Array, " c"]) -> Float[Array, "c r"]:
    r"""Root of ``diag(p) - p p^T``, ``p = softmax(f)``, with c - 1 columns: its exact rank.

    With ``q = sqrt(p)`` and the Householder reflection H that maps q to the axis m of the most probable class,
    ``B = diag(q) H`` without column m. Nothing is subtracted from nearly equal numbers, no jitter is added, and
    logits of +-80 are harmless in float32.

    Raises
    ------
    ValueError
        If there are fewer than two logits.

    Source: derived here from the c-column form.

    Examples
    --------
    >>> reduced_root(jnp.array([2.0, 0.0, -1.0])).shape
    (3, 2)
    """
    c = f.shape[0]
    if c < 2:
        raise ValueError(f"a categorical likelihood needs at least two logits, got {c}; for one logit use `bernoulli`.")
    q = jnp.exp(0.5 * jax.nn.log_softmax(f))
    top = jnp.argmax(f)
    others = (top + 1 + jnp.arange(c - 1)) % c
    scaled = q / (1 + q[top])  # H e_j = e_j - (q + e_top) q_j / (1 + q_top)
    root = jnp.diag(q) - jnp.outer(q * q, scaled)
    root = root.at[top].set(-q[top] * q)
    return root[:, others]


def full_root(f: Float[Array, " c"]) -> Float[Array, "c c"]:
    r"""Root of ``diag(p) - p p^T``, ``p = softmax(f)``, with one column for each class.

    Column y is ``sqrt(p_y) (e_y - p)``, the score of label y weighted by its probability: the Fisher information of an
    example is then the sum of what each label would tell. One column more than the rank; ``1 - p_y`` is the sum of the
    other probabilities, so nothing cancels.

    Source: Martens & Grosse 2015, arXiv 1503.05671.

    Examples
    --------
    >>> f = jnp.array([2.0, 0.0, -1.0])
    >>> bool(jnp.allclose(full_root(f) @ full_root(f).T, reduced_root(f) @ reduced_root(f).T, atol=1e-6))
    True
    """
    q = jnp.exp(0.5 * jax.nn.log_softmax(f))
    p, same = q * q, jnp.eye(f.shape[0], dtype=f.dtype)
    rest = jnp.sum((1 - same) * p[None], axis=1)
    return same * (q * rest)[:, None] - (1 - same) * jnp.outer(p, q)


def categorical(root: Callable[[Float[Array, " c"]], Float[Array, "c r"]] = reduced_root) -> Likelihood:
    r"""One of c classes from c logits, ``p = softmax(f)``.

    The Fisher information in the logits is ``diag(p) - p p^T``, of rank c - 1.

    Parameters
    ----------
    root
        Its root: ``reduced_root`` with c - 1 columns, or ``full_root`` with one column for each class.

    Returns
    -------
    Likelihood with ``fisher_factor(f[c]) -> [c, c - 1]``; y is an integer in 0 ... c - 1. The softmax does not see the
    mean of its logits, which ``contrasts`` says: c - 1 orthonormal contrasts of the outputs span all that it sees.

    Examples
    --------
    >>> f = jnp.array([2.0, 0.0, -1.0])
    >>> p = jax.nn.softmax(f)
    >>> B = categorical().fisher_factor(f)
    >>> B.shape, bool(jnp.allclose(B @ B.T, jnp.diag(p) - jnp.outer(p, p), atol=1e-6))
    ((3, 2), True)
    """
    return Likelihood(_log_prob, jax.random.categorical, root, _entropy, contrasts=_helmert, mode=jnp.argmax)


def _log_prob(f: Float[Array, " c"], y: Array) -> Float[Array, ""]:
    return jax.nn.log_softmax(f)[y]


def _entropy(f: Float[Array, " c"]) -> Float[Array, ""]:
    # log p = f - f_top - log1p(the other classes' odds): the top class's -log p is as accurate as the others' odds.
    top = jnp.argmax(f)
    centred = f - f[top]
    odds = jnp.where(jnp.arange(f.shape[0]) == top, 0, jnp.exp(centred))
    log_p = centred - jnp.log1p(jnp.sum(odds))
    return -jnp.sum(jnp.exp(log_p) * log_p)


def _helmert(c: int) -> Float[Array, "c q"]:
    """Orthonormal contrasts: c - 1 columns orthogonal to the constant vector and to each other."""
    columns = [np.r_[np.ones(k), -k, np.zeros(c - k - 1)] / np.sqrt(k * (k + 1)) for k in range(1, c)]
    return jnp.asarray(np.stack(columns, axis=1))
