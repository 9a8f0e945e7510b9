"""Complete query strategies, one file each: ``NAME(model, likelihood, **hyperparameters) -> Strategy``."""

from alfi.strategies.badge import badge
from alfi.strategies.bait import bait
from alfi.strategies.compose import compose
from alfi.strategies.core_set import core_set
from alfi.strategies.d_optimal import d_optimal
from alfi.strategies.entropy import entropy
from alfi.strategies.gs_x import gs_x
from alfi.strategies.gs_y import gs_y
from alfi.strategies.igs import igs
from alfi.strategies.margin import margin
from alfi.strategies.max_herding import max_herding
from alfi.strategies.prob_cover import prob_cover
from alfi.strategies.random import random
from alfi.strategies.stratified_random import stratified_random
from alfi.strategies.typiclust import typiclust
from alfi.strategies.v_optimal import v_optimal

__all__ = [
    "badge",
    "bait",
    "compose",
    "core_set",
    "d_optimal",
    "entropy",
    "gs_x",
    "gs_y",
    "igs",
    "margin",
    "max_herding",
    "prob_cover",
    "random",
    "stratified_random",
    "typiclust",
    "v_optimal",
]
