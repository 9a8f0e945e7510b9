"""Points in which distances mean something, from inputs alone: ``(key, x[n, ...], population[n]) -> [n, d]``."""

from alfi.embeddings.as_factors import Embedding, as_factors
from alfi.embeddings.inputs import inputs
from alfi.embeddings.network import network
from alfi.embeddings.pca import pca

__all__ = ["Embedding", "as_factors", "inputs", "network", "pca"]
