"""How to search: one file for each rule."""

from alfi.selection.forward_backward import forward_backward
from alfi.selection.greedy import greedy
from alfi.selection.sample import sample
from alfi.selection.sequential import sequential, take
from alfi.selection.top_k import top_k

__all__ = ["forward_backward", "greedy", "sample", "sequential", "take", "top_k"]
