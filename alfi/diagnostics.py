"""What to look at every round: the prior, how sure the network has grown, and what the data determine."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from alfi.criteria.d_optimal import d_optimal
from alfi.fisher.last_layer import last_layer
from alfi.fisher.prior import evidence
from alfi.fisher.spectrum import effective_dimension, spectrum
from alfi.typing import Fitted, Likelihood, Model, Pool


class Diagnostics(NamedTuple):
    """Of the last layer's Fisher information, in one round.

    log_prior_precision  natural logarithm of the prior precision of largest evidence
    trace_labelled       median trace of the Fisher information over the labelled examples ...
    trace_pool           ... and over those that may be asked: far above it where a network is sure of its own examples
    effective_dimension  how many parameters the labelled set determines against that prior
    above_log_c          fraction of available examples whose linearised expected information gain exceeds log c, more
                         than a label of c classes can tell: near 0 where the linearised model is to be believed
    """

    log_prior_precision: Float[Array, ""]
    trace_labelled: Float[Array, ""]
    trace_pool: Float[Array, ""]
    effective_dimension: Float[Array, ""]
    above_log_c: Float[Array, ""]


def diagnostics(model: Model, likelihood: Likelihood) -> Callable[[Fitted, Pool], Diagnostics]:
    """A function ``(fitted, pool) -> Diagnostics`` of the last layer and prior that Fisher strategies use by default.

    Raises
    ------
    ValueError
        If the model has no ``features`` or no ``head``.

    Cost: that of starting a D-optimal selection, and the eigenvalues of the labelled set's information.
    """
    factor_fn, precision_of = last_layer(model, likelihood), evidence(model, likelihood)

    def diagnose(fitted: Fitted, pool: Pool) -> Diagnostics:
        factors = factor_fn(jax.random.key(0), fitted, pool)  # a last layer draws nothing at random
        traces = factors.squared_norms()
        labelled = pool.labelled.astype(traces.dtype)
        precision = precision_of(factors, fitted, pool)
        criterion = d_optimal(prior_precision=precision)
        information_gain = criterion.gain(factors, criterion.init(factors, labelled, pool.population)) / 2
        classes = factors.roots.shape[-1] + (0 if likelihood.contrasts is None else 1)
        above = jnp.where(pool.available, information_gain > jnp.log(classes), False)
        return Diagnostics(
            jnp.log(precision),
            _median(traces, pool.labelled),
            _median(traces, pool.available),
            effective_dimension(spectrum(factors, labelled), precision),
            jnp.sum(above) / jnp.maximum(jnp.sum(pool.available), 1),
        )

    return diagnose


def _median(values: Float[Array, " n"], members: Bool[Array, " n"]) -> Float[Array, ""]:
    return jnp.nanmedian(jnp.where(members, values, jnp.nan))
