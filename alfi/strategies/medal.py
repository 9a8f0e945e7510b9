"""MedAL: of the most uncertain examples, those farthest from what is labelled."""

import math

import jax

from alfi.criteria.distances import Distance, euclidean
from alfi.criteria.mean_distance import mean_distance
from alfi.criteria.min_distance import min_distance
from alfi.fisher.embedding import embedding
from alfi.selection.candidates import candidates
from alfi.selection.greedy import greedy
from alfi.selection.top_k import top_k
from alfi.strategies.compose import compose
from alfi.strategies.entropy import entropies
from alfi.typing import Likelihood, Model, Strategy

REDUCE = {"mean": mean_distance, "min": min_distance}


def medal(
    model: Model,
    likelihood: Likelihood,
    *,
    oversample: float = 2.5,
    layer: str | None = None,
    distance: Distance = euclidean,
    reduce: str = "mean",
    update: bool = True,
) -> Strategy:
    r"""Of the M pool examples of largest entropy, the one with the largest mean distance to the labelled set; repeat.

    ``x* = argmax_{x in top M} 1/N sum_i d(f(x_i), f(x))``, i over the N labelled and picked examples, f a layer's
    activations averaged over the image.

    Parameters
    ----------
    oversample
        M in batches, at least 1: ``M = ceil(oversample * batch_size)``. The paper has 50 for 20 (Messidor), 30 for 5
        (breast), 50 for 10 (skin).
    layer
        A name in ``model.taps`` (the paper's is ``mixed5`` of Inception-v3); default: the features of the last layer.
    distance
        As for ``criteria.mean_distance``.
    reduce
        ``"mean"`` is the paper's Eq. 1. ``"min"``, the distance to the nearest, is what code of the authors' does
        (k-center among the M).
    update
        Whether a pick counts as labelled for the next one.

    Raises
    ------
    ValueError
        If ``reduce`` is neither, ``oversample < 1``, or the model lacks the layer.

    Tasks: classification, segmentation. Needs: a trained model with features.

    Source: Smailagic et al. 2018, MedAL, doi 10.1109/ICMLA.2018.00078.
    """
    if reduce not in REDUCE:
        raise ValueError(f"reduce must be 'mean' or 'min'; got {reduce!r}.")
    if not oversample >= 1:
        raise ValueError(f"oversample must be at least 1: fewer candidates than picks; got {oversample}.")
    uncertain, positions = entropies(model, likelihood), embedding(model, layer)
    rule = greedy() if update else top_k()

    def factor_fn(key, fitted, pool, /):
        keys = jax.random.split(key)
        return uncertain(keys[0], fitted, pool), positions(keys[1], fitted, pool)

    def select(key, criterion, data, weights, available, batch_size, **options):
        few = candidates(rule, math.ceil(oversample * batch_size))
        return few(key, criterion, data, weights, available, batch_size, **options)

    return compose(factor_fn, REDUCE[reduce](distance), select)
