"""Augmentation as pure functions ``(key, x[n, ...], y[n, ...]) -> (x, y)``, each example by random numbers of its own.

They go into ``augment=`` of the rules of ``alfi.training``, which apply them to minibatches and never to what is
evaluated. A mask (y with the height and width of x) is moved with its image.
"""

from alfi.augment.balance import balance, balanced
from alfi.augment.combine import chain, only
from alfi.augment.images import crop, flip, rotate, shift
from alfi.augment.signals import amplitude, noise, time_shift

__all__ = [
    "amplitude",
    "balance",
    "balanced",
    "chain",
    "crop",
    "flip",
    "noise",
    "only",
    "rotate",
    "shift",
    "time_shift",
]
