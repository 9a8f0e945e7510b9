"""The base kernels of batch-mode deep active learning, as factors: features, last layer, all parameters by a sketch."""

from typing import Any

from alfi.fisher.condition import condition
from alfi.fisher.embedding import embedding
from alfi.fisher.last_layer import last_layer
from alfi.fisher.sketch import sketch_above, sketched_jacobian
from alfi.typing import FactorFn, Likelihood, Model

KERNELS = ("gradient", "last_layer", "features")


def kernel(
    model: Model,
    likelihood: Likelihood,
    name: str = "gradient",
    *,
    sketch: int | None = 512,
    prior_precision: Any = None,
    chunk_size: int | None = None,
) -> FactorFn:
    """Factors whose inner products are the kernel ``k(i, j) = <A_i, A_j>``.

    Parameters
    ----------
    name
        ``"gradient"``: ``B_i^T J_i`` of all parameters, sketched without ever storing a gradient (for one output with
        known noise the neural tangent kernel, at its scale); ``"last_layer"``: of the last layer; ``"features"``: the
        last layer's features themselves, which know no likelihood.
    sketch
        Size of the random projection. A last layer or features with at most so many parameters stay exact; ``None``:
        always. A gradient is always sketched.
    prior_precision
        lambda: the kernel after the labelled set, ``A_i (lambda I + sum_labelled F)^-1 A_j^T``, by
        ``fisher.condition``; a number, or a function ``(factors, fitted, pool) -> number``. ``None``: as it is.
    chunk_size
        Examples differentiated at once, for a gradient.

    Returns
    -------
    FactorFn giving DenseFactors, or LastLayerFactors for an exact last layer.

    Raises
    ------
    ValueError
        For another name, a gradient without a size of its sketch, or a model without ``features`` where they are
        needed.

    Source: Holzmueller et al. 2023, arXiv 2203.09410: ``grad`` with ``rp-512``, ``ll``, ``lin`` on features.

    Examples
    --------
    >>> import alfi, jax, jax.numpy as jnp
    >>> model, likelihood = alfi.models.mlp(1, hidden=(8,)), alfi.likelihoods.gaussian()
    >>> pool = alfi.pool(jnp.ones((5, 2)))
    >>> fitted = alfi.Fitted(model.init(jax.random.key(0), pool.x))
    >>> [kernel(model, likelihood, name, sketch=16)(jax.random.key(1), fitted, pool).p for name in KERNELS]
    [16, 9, 8]
    """
    if name not in KERNELS:
        raise ValueError(f"kernel must be one of {', '.join(KERNELS)}; got {name!r}.")
    if name == "gradient":
        if sketch is None:
            raise ValueError("kernel 'gradient' needs the size of its sketch, 512, say; for the exact one `jacobian`.")
        factor_fn = sketched_jacobian(model.apply, likelihood, sketch, chunk_size=chunk_size)
    else:
        exact = last_layer(model, likelihood) if name == "last_layer" else embedding(model)
        factor_fn = sketch_above(exact, sketch)
    return factor_fn if prior_precision is None else condition(factor_fn, prior_precision)
