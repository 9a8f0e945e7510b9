"""alfi: active learning with Fisher information, in JAX. A strategy is factors x criterion x selection rule."""

from alfi import (
    augment,
    criteria,
    data,
    design,
    fisher,
    likelihoods,
    loop,
    losses,
    metrics,
    models,
    selection,
    strategies,
    training,
    typing,
)
from alfi.interactive import score, select, spectrum
from alfi.pool import pool
from alfi.typing import (
    Criterion,
    Dataset,
    Design,
    Fitted,
    Known,
    Likelihood,
    Model,
    Pool,
    Selection,
    State,
    Strategy,
    Variables,
)

__version__ = "0.1.0"

__all__ = [
    "Criterion",
    "Dataset",
    "Design",
    "Fitted",
    "Known",
    "Likelihood",
    "Model",
    "Pool",
    "Selection",
    "State",
    "Strategy",
    "Variables",
    "augment",
    "criteria",
    "data",
    "design",
    "fisher",
    "likelihoods",
    "loop",
    "losses",
    "metrics",
    "models",
    "pool",
    "score",
    "select",
    "selection",
    "spectrum",
    "strategies",
    "training",
    "typing",
]
