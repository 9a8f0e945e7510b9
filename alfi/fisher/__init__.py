"""Per-example Fisher information as factors, and what is computed from it."""

from alfi.fisher.embedding import embedding
from alfi.fisher.factors import DenseFactors, LastLayerFactors
from alfi.fisher.hypothesised import hypothesised
from alfi.fisher.jacobian import jacobian
from alfi.fisher.last_layer import last_layer
from alfi.fisher.prior import evidence, maximise_evidence, prior, weight_decay
from alfi.fisher.spectrum import effective_dimension, spectrum

__all__ = [
    "DenseFactors",
    "LastLayerFactors",
    "effective_dimension",
    "embedding",
    "evidence",
    "hypothesised",
    "jacobian",
    "last_layer",
    "maximise_evidence",
    "prior",
    "spectrum",
    "weight_decay",
]
