"""Complete query strategies, one file each: ``NAME(model, likelihood, **hyperparameters) -> Strategy``."""

from alfi.strategies.badge import badge
from alfi.strategies.bait import bait
from alfi.strategies.compose import compose
from alfi.strategies.confident_coreset import confident_coreset
from alfi.strategies.core_set import core_set
from alfi.strategies.d_optimal import d_optimal
from alfi.strategies.entropy import entropy
from alfi.strategies.margin import margin
from alfi.strategies.medal import medal
from alfi.strategies.random import random
from alfi.strategies.v_optimal import v_optimal
from alfi.strategies.vaal import vaal

__all__ = [
    "badge",
    "bait",
    "compose",
    "confident_coreset",
    "core_set",
    "d_optimal",
    "entropy",
    "margin",
    "medal",
    "random",
    "v_optimal",
    "vaal",
]
