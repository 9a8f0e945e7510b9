"""Expected gradient length: the examples that would change the parameters most, whatever their label."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from alfi.criteria.score import score
from alfi.fisher.factors import LastLayerFactors, write_out
from alfi.fisher.last_layer import last_layer
from alfi.fisher.probabilities import label_probabilities
from alfi.fisher.sketch import sketched_jacobian
from alfi.selection.top_k import top_k
from alfi.strategies.compose import compose
from alfi.typing import Factors, Likelihood, Model, Strategy


def expected_gradient_length(
    model: Model,
    likelihood: Likelihood,
    *,
    sketch: int | None = None,
    chunk_size: int | None = None,
    classes: int | None = None,
) -> Strategy:
    """Largest ``sum_y p(y) |grad log p(y | x)|`` over the last layer, the label expected under the model itself.

    Tasks: any. Needs: a trained model with features.

    For likelihoods without a ``mode`` (real-valued labels, counts) the root mean square of that length,
    ``sqrt(tr F_i)``. Of several sites the lengths are added. Blind to redundancy in the batch, and drawn to inputs of
    large features; ``d_optimal`` is neither.

    Parameters
    ----------
    sketch
        Size of a sketch of the gradient of *all* parameters, whose length it estimates to about ``1 / sqrt(2 sketch)``;
        default: the last layer alone, exactly.
    chunk_size
        Examples differentiated at once, for a sketch.
    classes
        Number of labels, where it is not that of the outputs (grades).

    Source: Settles 2009, Active learning literature survey, section 3.3; Settles, Craven & Ray 2007 (NeurIPS).
    """
    expected = likelihood
    if likelihood.mode is not None:
        expected = likelihood._replace(
            fisher_factor=lambda f: _weighted_scores(likelihood, f, classes), contrasts=None, effective_sites=None
        )
    if sketch is None:
        factor_fn = last_layer(model, expected)
    else:
        factor_fn = sketched_jacobian(model.apply, expected, sketch, chunk_size=chunk_size)

    def lengths(key, fitted, pool, /):
        factors = factor_fn(key, fitted, pool)
        return jnp.sqrt(factors.squared_norms()) if likelihood.mode is None else _row_lengths(factors)

    return compose(lengths, score(), top_k())


def _weighted_scores(likelihood: Likelihood, f: Float[Array, " c"], classes: int | None) -> Float[Array, "c y"]:
    """``p(y) grad_f log p(y | f)``, one column for each label: its image in the parameters is as long as wanted."""
    weights = label_probabilities(likelihood, f, classes)
    scores = jax.vmap(jax.grad(likelihood.log_prob), (None, 0))(f, jnp.arange(weights.shape[0]))
    return (weights[:, None] * scores).T


def _row_lengths(factors: Factors) -> Float[Array, " n"]:
    if isinstance(factors, LastLayerFactors):
        each = jnp.linalg.norm(factors.roots, axis=3) * jnp.linalg.norm(factors.features, axis=2)[:, :, None]
        return each.sum(axis=(1, 2))
    return jnp.linalg.norm(write_out(factors), axis=2).sum(axis=1)
