"""Core-set: cover the feature space."""

from alfi.criteria.min_distance import min_distance
from alfi.fisher.embedding import embedding
from alfi.selection.greedy import greedy
from alfi.strategies.compose import compose
from alfi.typing import Likelihood, Model, Strategy


def core_set(model: Model, likelihood: Likelihood) -> Strategy:
    """Greedy k-center: always the example farthest from everything labelled or picked, in the last layer's features.

    Tasks: any. Needs: a trained model with features.

    Source: Sener & Savarese 2018, arXiv 1708.00489.
    """
    del likelihood
    return compose(embedding(model), min_distance(), greedy())
