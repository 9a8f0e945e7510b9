"""Confident Coreset: uncertain and far from what is labelled, as one product."""

from typing import Any

import jax
import jax.numpy as jnp

from alfi.criteria.combine import combine, mean_rank, normalised_sum, product
from alfi.criteria.distances import euclidean
from alfi.criteria.min_distance import min_distance
from alfi.criteria.score import score
from alfi.fisher.embedding import embedding
from alfi.selection.greedy import greedy
from alfi.selection.top_k import top_k
from alfi.strategies.compose import compose
from alfi.strategies.entropy import entropies
from alfi.typing import FactorFn, Likelihood, Model, Selection, Strategy


def confident_coreset(
    model: Model,
    likelihood: Likelihood,
    *,
    alpha: Any = 0.25,
    uncertainty: FactorFn | None = None,
    fusion: str = "product",
    layer: str | None = None,
) -> Strategy:
    r"""``argmax_i N(min_j ||f_i - f_j||)^alpha N(G_i)^(1 - alpha)``, j over the labelled and picked examples; repeat.

    G is the predicted uncertainty, N takes the unlabelled set at each step to 0 ... 1 (a constant counts as 1).
    ``alpha = 1`` is k-center (core-set), ``alpha = 0`` the examples of largest G.

    Parameters
    ----------
    alpha
        Weight of the distance, between 0 and 1. The paper: .25 for classification, .5 for segmentation.
    uncertainty
        Scores [n] of a fitted model and a pool. Default: predictive entropy. The paper's is the predicted loss,
        ``alfi.strategies.learning_loss.predicted_losses(model)`` with ``model = alfi.models.predictor(...)``.
    fusion
        ``"product"``: Eq. 5. ``"sum"``: ``N(distance) + N(G)``, Eq. 6. ``"rank"``: the mean of the two ranks, once for
        the whole batch. ``"sequential"``: half of the batch by G, then half by k-center. Only the product reads alpha.
    layer
        A name in ``model.taps``; default: the features of the last layer.

    Raises
    ------
    ValueError
        If alpha is not between 0 and 1, the fusion is none of these, or the model lacks the layer.

    Tasks: classification, segmentation. Needs: a trained model with features, or a loss predictor.

    Source: Confident Coreset for Active Learning in Medical Image Analysis, arXiv 2004.02200.
    """
    if not isinstance(alpha, jax.core.Tracer) and not 0 <= alpha <= 1:
        raise ValueError(f"alpha must be between 0 and 1; got {alpha}.")
    far = min_distance(euclidean)
    fusions = {
        "product": (combine(score(), far, weights=(1 - alpha, alpha), fuse=product), greedy()),
        "sum": (combine(score(), far, fuse=normalised_sum), greedy()),
        "rank": (combine(score(), far, fuse=mean_rank), top_k()),
        "sequential": (far, half_and_half),
    }
    if fusion not in fusions:
        raise ValueError(f"fusion must be one of {', '.join(fusions)}; got {fusion!r}.")
    uncertain = entropies(model, likelihood) if uncertainty is None else uncertainty
    positions = embedding(model, layer)

    def factor_fn(key, fitted, pool, /):
        keys = jax.random.split(key)
        return uncertain(keys[0], fitted, pool), positions(keys[1], fitted, pool)

    return compose(factor_fn, *fusions[fusion])


def half_and_half(key, criterion, data, weights, available, batch_size, *, groups=None, **options) -> Selection:
    """Half of the batch (rounded down) by the scores, then the rest greedily by the criterion, from there on."""
    scores, rest = data
    first = batch_size // 2
    if first == 0:
        return greedy()(key, criterion, rest, weights, available, batch_size, groups=groups, **options)
    certain = top_k()(key, score(), scores, weights, available, first, groups=groups, **options)
    picked = jnp.zeros(available.shape, bool).at[certain.indices].set(True, mode="drop")
    # Where the first half ran out, an index is n: no row, and no group.
    taken = picked if groups is None else jnp.isin(groups, jnp.where(picked, groups, groups.min() - 1))
    others = greedy()(
        key, criterion, rest, weights + picked, available & ~taken, batch_size - first, groups=groups, **options
    )
    return Selection(*(jnp.concatenate(pair) for pair in zip(certain, others, strict=True)))
