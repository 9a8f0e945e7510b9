"""Per-example Fisher information as factors, and what is computed from it."""

from alfi.fisher.blocks import BlockFactors, block, diagonal, layer_sizes
from alfi.fisher.condition import condition
from alfi.fisher.embedding import embedding
from alfi.fisher.ensemble import ensemble
from alfi.fisher.factors import DenseFactors, LastLayerFactors, write_out
from alfi.fisher.ggn import factor_vector_product, ggn_vector_product, information
from alfi.fisher.ghost import ghost_diagonal, ghost_traces
from alfi.fisher.hypothesised import hypothesised
from alfi.fisher.inspect import fisher_form, fisher_form_blocks, sensitivity_map
from alfi.fisher.jacobian import jacobian
from alfi.fisher.kernels import kernel
from alfi.fisher.krylov import (
    Eigenpairs,
    Estimate,
    Operator,
    Quadrature,
    lanczos_quadrature,
    log_determinant,
    spectral_density,
    top_eigenpairs,
    trace,
    trace_of,
)
from alfi.fisher.last_layer import last_layer
from alfi.fisher.monte_carlo import monte_carlo, monte_carlo_last_layer
from alfi.fisher.posterior import Posterior, diagonal_posterior, last_layer_posterior, low_rank_posterior, posterior
from alfi.fisher.predictive import linearised, sample_members, sample_outputs
from alfi.fisher.prior import evidence, maximise_evidence, prior, weight_decay
from alfi.fisher.probabilities import label_probabilities, probabilities, sampled_outputs
from alfi.fisher.roots import site_roots, site_scores
from alfi.fisher.sketch import sketch, sketch_above, sketched_jacobian
from alfi.fisher.softmax_layer import SoftmaxLayer, softmax_layer
from alfi.fisher.spectrum import effective_dimension, example_grams, example_spectra, gram, layers, spectrum
from alfi.fisher.summed_last_layer import summed_last_layer
from alfi.fisher.truncate import principal, truncate

__all__ = [
    "BlockFactors",
    "DenseFactors",
    "Eigenpairs",
    "Estimate",
    "LastLayerFactors",
    "Operator",
    "Posterior",
    "Quadrature",
    "SoftmaxLayer",
    "block",
    "condition",
    "diagonal",
    "diagonal_posterior",
    "effective_dimension",
    "embedding",
    "ensemble",
    "evidence",
    "example_grams",
    "example_spectra",
    "factor_vector_product",
    "fisher_form",
    "fisher_form_blocks",
    "ggn_vector_product",
    "ghost_diagonal",
    "ghost_traces",
    "gram",
    "hypothesised",
    "information",
    "jacobian",
    "kernel",
    "label_probabilities",
    "lanczos_quadrature",
    "last_layer",
    "last_layer_posterior",
    "layer_sizes",
    "layers",
    "linearised",
    "log_determinant",
    "low_rank_posterior",
    "maximise_evidence",
    "monte_carlo",
    "monte_carlo_last_layer",
    "posterior",
    "principal",
    "prior",
    "probabilities",
    "sample_members",
    "sample_outputs",
    "sampled_outputs",
    "sensitivity_map",
    "site_roots",
    "site_scores",
    "sketch",
    "sketch_above",
    "sketched_jacobian",
    "softmax_layer",
    "spectral_density",
    "spectrum",
    "summed_last_layer",
    "top_eigenpairs",
    "trace",
    "trace_of",
    "truncate",
    "weight_decay",
    "write_out",
]
