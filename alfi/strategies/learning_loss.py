"""Learning Loss: the examples on which the network expects to be most wrong."""

from alfi.criteria.score import score
from alfi.models.predictor import PREDICTED_LOSS
from alfi.selection.top_k import top_k
from alfi.strategies.compose import compose
from alfi.typing import FactorFn, Likelihood, Model, Strategy


def learning_loss(model: Model, likelihood: Likelihood) -> Strategy:
    """Largest loss predicted by a module that the network was trained with. Blind to redundancy within the batch.

    Parameters
    ----------
    model
        ``models.predictor(model, ...)``, trained with ``models.predictor_loss``.

    Raises
    ------
    ValueError
        If the model does not predict its loss.

    Tasks: any. Needs: a loss predictor.

    Source: Yoo & Kweon 2019, "Learning loss for active learning", arXiv 1905.03677.
    """
    del likelihood
    return compose(predicted_losses(model), score(), top_k())


def predicted_losses(model: Model) -> FactorFn:
    """The scores [n] themselves, for strategies that combine them with something else."""
    if model.taps is None:
        raise ValueError("this model does not predict its loss: make it with alfi.models.predictor(model, ...).")

    def factor_fn(key, fitted, pool, /):
        del key
        taps = model.taps(fitted.variables, pool.x)
        if PREDICTED_LOSS not in taps:
            raise ValueError("this model does not predict its loss: make it with alfi.models.predictor(model, ...).")
        return taps[PREDICTED_LOSS]

    return factor_fn
