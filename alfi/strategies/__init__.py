"""Complete query strategies, one file each: ``NAME(model, likelihood, **hyperparameters) -> Strategy``."""

from alfi.strategies.a_optimal import a_optimal
from alfi.strategies.approx_firal import approx_firal
from alfi.strategies.badge import badge
from alfi.strategies.bait import bait
from alfi.strategies.bald import bald
from alfi.strategies.batch_bald import batch_bald
from alfi.strategies.compose import compose
from alfi.strategies.confident_coreset import confident_coreset
from alfi.strategies.core_set import core_set
from alfi.strategies.d_optimal import d_optimal
from alfi.strategies.deep_ensemble import deep_ensemble
from alfi.strategies.e_optimal import e_optimal
from alfi.strategies.entropy import entropy
from alfi.strategies.epig import epig
from alfi.strategies.expected_gradient_length import expected_gradient_length
from alfi.strategies.firal import firal
from alfi.strategies.gs_x import gs_x
from alfi.strategies.gs_y import gs_y
from alfi.strategies.hybrid import hybrid
from alfi.strategies.igs import igs
from alfi.strategies.lcmd import lcmd
from alfi.strategies.learning_loss import learning_loss
from alfi.strategies.least_confidence import least_confidence
from alfi.strategies.margin import margin
from alfi.strategies.max_det import max_det
from alfi.strategies.max_herding import max_herding
from alfi.strategies.mean_std import mean_std
from alfi.strategies.medal import medal
from alfi.strategies.phi_p import phi_p
from alfi.strategies.power_bald import power_bald
from alfi.strategies.prob_cover import prob_cover
from alfi.strategies.random import random
from alfi.strategies.stratified_random import stratified_random
from alfi.strategies.typiclust import typiclust
from alfi.strategies.v_optimal import v_optimal
from alfi.strategies.vaal import vaal
from alfi.strategies.variation_ratio import variation_ratio

__all__ = [
    "a_optimal",
    "approx_firal",
    "badge",
    "bait",
    "bald",
    "batch_bald",
    "compose",
    "confident_coreset",
    "core_set",
    "d_optimal",
    "deep_ensemble",
    "e_optimal",
    "entropy",
    "epig",
    "expected_gradient_length",
    "firal",
    "gs_x",
    "gs_y",
    "hybrid",
    "igs",
    "lcmd",
    "learning_loss",
    "least_confidence",
    "margin",
    "max_det",
    "max_herding",
    "mean_std",
    "medal",
    "phi_p",
    "power_bald",
    "prob_cover",
    "random",
    "stratified_random",
    "typiclust",
    "v_optimal",
    "vaal",
    "variation_ratio",
]
