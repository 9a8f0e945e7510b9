"""What a good design is: one file for each criterion."""

from alfi.criteria.blockwise import blockwise
from alfi.criteria.d_optimal import d_optimal
from alfi.criteria.from_matrix import from_matrix
from alfi.criteria.min_distance import min_distance
from alfi.criteria.score import score
from alfi.criteria.v_optimal import v_optimal

__all__ = ["blockwise", "d_optimal", "from_matrix", "min_distance", "score", "v_optimal"]
