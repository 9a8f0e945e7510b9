"""Per-example Fisher information as factors, and what is computed from it."""

from alfi.fisher.blocks import BlockFactors, block, diagonal, layer_sizes
from alfi.fisher.condition import condition
from alfi.fisher.embedding import embedding
from alfi.fisher.ensemble import ensemble
from alfi.fisher.factors import DenseFactors, LastLayerFactors, write_out
from alfi.fisher.hypothesised import hypothesised
from alfi.fisher.jacobian import jacobian
from alfi.fisher.last_layer import last_layer
from alfi.fisher.monte_carlo import monte_carlo, monte_carlo_last_layer
from alfi.fisher.prior import evidence, maximise_evidence, prior, weight_decay
from alfi.fisher.roots import site_roots, site_scores
from alfi.fisher.sketch import sketch, sketched_jacobian
from alfi.fisher.spectrum import effective_dimension, spectrum
from alfi.fisher.summed_last_layer import summed_last_layer
from alfi.fisher.truncate import principal, truncate

__all__ = [
    "BlockFactors",
    "DenseFactors",
    "LastLayerFactors",
    "block",
    "condition",
    "diagonal",
    "effective_dimension",
    "embedding",
    "ensemble",
    "evidence",
    "hypothesised",
    "jacobian",
    "last_layer",
    "layer_sizes",
    "maximise_evidence",
    "monte_carlo",
    "monte_carlo_last_layer",
    "principal",
    "prior",
    "site_roots",
    "site_scores",
    "sketch",
    "sketched_jacobian",
    "spectrum",
    "summed_last_layer",
    "truncate",
    "weight_decay",
    "write_out",
]
