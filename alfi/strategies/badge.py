"""BADGE: diverse and uncertain, by sampling gradient embeddings."""

from alfi.criteria.min_distance import min_distance
from alfi.fisher.hypothesised import hypothesised
from alfi.selection.sample import sample
from alfi.strategies.compose import compose
from alfi.typing import Likelihood, Model, Strategy


def badge(model: Model, likelihood: Likelihood) -> Strategy:
    """k-means++ seeding (true D^2 sampling, first point uniform) of the last layer's hypothesised gradients.

    Tasks: classification. Needs: a trained model.

    As in the paper; the authors' code starts with the largest gradient instead of a uniform draw.

    Source: Ash et al. 2020, arXiv 1906.03671.
    """
    return compose(hypothesised(model, likelihood), min_distance(), sample(), start="empty")
