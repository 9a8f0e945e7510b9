"""What to label first, before there is a model: each file makes a function ``(key, x[n, ...], size) -> indices``."""

from alfi.initial.cold import Initial, cold
from alfi.initial.farthest import farthest
from alfi.initial.k_center import k_center
from alfi.initial.k_means import k_means
from alfi.initial.orb import descriptors, orb
from alfi.initial.prob_cover import prob_cover
from alfi.initial.random import random
from alfi.initial.stratified import stratified
from alfi.initial.typiclust import typiclust

__all__ = [
    "Initial",
    "cold",
    "descriptors",
    "farthest",
    "k_center",
    "k_means",
    "orb",
    "prob_cover",
    "random",
    "stratified",
    "typiclust",
]
