"""Networks as pure functions (``Model``), and adapters that make them from Flax modules or plain functions."""

from alfi.models.adapters import from_linen, from_nnx
from alfi.models.chunked import chunked
from alfi.models.cnn import cnn
from alfi.models.for_shape import for_shape
from alfi.models.function import from_function
from alfi.models.linear import linear
from alfi.models.mlp import mlp

__all__ = ["chunked", "cnn", "for_shape", "from_function", "from_linen", "from_nnx", "linear", "mlp"]
