"""Class-stratified random: random examples, the same number of each predicted class."""

import jax

from alfi.criteria.score import score
from alfi.selection.greedy import greedy
from alfi.selection.in_turn import in_turn
from alfi.strategies.compose import compose
from alfi.typing import Likelihood, Model, Strategy


def stratified_random(model: Model, likelihood: Likelihood) -> Strategy:
    """A random example of one predicted class after the other, those with the fewest labels first.

    Tasks: classification; of several sites, by their mean output. Needs: a trained model.

    Labels of the pool are not known, so the strata are predictions; for labelled examples too, so that a class that the
    model confuses is not taken for one that it knows. A draw by true labels, for benchmarks, is ``initial.stratified``.

    Source: stratified sampling; Cochran 1977, Sampling Techniques.
    """
    if likelihood.mode is None:
        raise ValueError("stratified_random needs classes: a likelihood of discrete labels, with a `mode`.")
    mode = likelihood.mode

    def read(key, fitted, pool, /):
        outputs = model.apply(fitted.variables, pool.x)
        sites = outputs.reshape(outputs.shape[0], -1, outputs.shape[-1])
        classes = jax.vmap(mode)(sites.mean(axis=1))
        return classes.reshape(classes.shape[0]).astype(int), jax.random.uniform(key, classes.shape[:1], outputs.dtype)

    return compose(read, score(), in_turn(greedy()))
