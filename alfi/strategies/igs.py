"""iGS: improved greedy sampling, in the inputs and the outputs together, for regression."""

from alfi.selection.greedy import greedy
from alfi.strategies.compose import compose
from alfi.strategies.gs_x import centrality, z_scored
from alfi.strategies.gs_y import after, outputs, require_first
from alfi.typing import FactorFn, Fitted, Likelihood, Model, Pool, PRNGKey, Strategy


def igs(model: Model, likelihood: Likelihood, *, embedding: FactorFn | None = None, first: int = 1) -> Strategy:
    """The example of largest ``min_j |x - x_j| |f(x) - y_j|`` over all labelled j, and picks with their predictions.

    Tasks: regression. Needs: a trained model.

    Parameters
    ----------
    embedding, first
        As for GSy.

    Inputs are z-scored over the pool, outputs by the labels. ``Selection.gains`` are the squares of the products.

    Source: Wu, Lin & Huang 2019, doi 10.1016/j.ins.2018.09.060.
    """
    del likelihood
    require_first(first)
    read_points, read_outputs = z_scored(embedding), outputs(model)

    def read(key: PRNGKey, fitted: Fitted, pool: Pool, /):
        points = read_points(key, fitted, pool)
        return centrality(points, pool), points, (points, read_outputs(fitted, pool))

    return compose(read, lambda data, fitted, pool: after(first, pool, data), greedy())
