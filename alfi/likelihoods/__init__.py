"""Observation models: log-probability, sampling, the square root of the Fisher information in the outputs, entropy.

Each is for *one* site and is lifted by ``jax.vmap``. The Fisher information is the covariance of the score under the
model's own prediction, so it needs no label: ``B(f) B(f)^T = E_y[grad_f log p(y|f) grad_f log p(y|f)^T]``.
"""

from alfi.likelihoods.bernoulli import bernoulli
from alfi.likelihoods.categorical import categorical, full_root, reduced_root
from alfi.likelihoods.gaussian import gaussian
from alfi.likelihoods.heteroscedastic_gaussian import heteroscedastic_gaussian
from alfi.likelihoods.multi_label import multi_label
from alfi.likelihoods.ordinal import ordinal
from alfi.likelihoods.poisson import poisson
from alfi.likelihoods.segmentation import segmentation

__all__ = [
    "bernoulli",
    "categorical",
    "full_root",
    "gaussian",
    "heteroscedastic_gaussian",
    "multi_label",
    "ordinal",
    "poisson",
    "reduced_root",
    "segmentation",
]
