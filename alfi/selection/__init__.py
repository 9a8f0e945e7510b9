"""How to search: one file for each rule."""

from alfi.selection.budgeted import affordable, budgeted
from alfi.selection.candidates import candidates
from alfi.selection.exchange import exchange
from alfi.selection.forward_backward import forward_backward
from alfi.selection.ftrl import ftrl
from alfi.selection.greedy import greedy
from alfi.selection.in_turn import in_turn
from alfi.selection.sample import sample
from alfi.selection.sequential import sequential, take
from alfi.selection.stochastic import power, softmax, softrank
from alfi.selection.top_k import top_k

__all__ = [
    "affordable",
    "budgeted",
    "candidates",
    "exchange",
    "forward_backward",
    "ftrl",
    "greedy",
    "in_turn",
    "power",
    "sample",
    "sequential",
    "softmax",
    "softrank",
    "take",
    "top_k",
]
