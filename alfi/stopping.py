"""When to stop: what the best next batch would still tell, and how much surer it would make the predictions."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from alfi.criteria.bald import mutual_information
from alfi.criteria.batch_bald import batch_bald
from alfi.criteria.v_optimal import v_optimal
from alfi.fisher.last_layer import last_layer, outputs_and_features
from alfi.fisher.posterior import posterior
from alfi.fisher.predictive import linearised, sample_outputs
from alfi.fisher.prior import prior
from alfi.selection.greedy import greedy
from alfi.selection.sequential import pickable
from alfi.typing import Fitted, Likelihood, Model, Pool, State

# Candidates for the best batch: this many times its size, by what each is worth alone.
CANDIDATES = 8


class Stopping(NamedTuple):
    """Of the best next batch, found greedily among the 8 times as many examples that are worth most alone.

    batch_information   mutual information of its labels, jointly, and samples of the last layer's posterior, in nats;
                        at most log(members), and nan where labels are no finite choice or there are several sites
    variance            V = tr(M^-1 F_pool), the mean predictive variance of the linearised outputs in units of their
                        noise, before the batch
    variance_decrease   the share of V that the batch is predicted to remove
    """

    batch_information: Float[Array, ""]
    variance: Float[Array, ""]
    variance_decrease: Float[Array, ""]


def stopping(
    model: Model,
    likelihood: Likelihood,
    batch_size: int,
    *,
    members: int = 128,
    configurations: int = 512,
    prior_precision: Any = "evidence",
) -> Callable[[Fitted, Pool], Stopping]:
    """A function ``(fitted, pool) -> Stopping``: stop when both are below what a batch of labels is worth to you.

    A design's efficiency is no reason to stop: an optimal design may still be far too few examples. Nor is linearised
    information gain, which can exceed what a label can tell. These are information of actual labels, and variance.

    Parameters
    ----------
    members
        Samples of the posterior; information is at most ``log(members)``, so look at small values only.
    configurations
        Of labels, kept by ``criteria.batch_bald``.
    prior_precision
        "evidence", a positive number, or a function, as in the strategies.

    Raises
    ------
    ValueError
        If a number is not positive, or the model lacks ``features``, or ``head`` for "evidence".

    Cost: that of starting a V-optimal selection, and ``8 batch_size^2 configurations members c``.

    Source: mutual information by samples as in BatchBALD, Kirsch et al. 2019, arXiv 1906.08158; V-optimality.

    Examples
    --------
    >>> import alfi
    >>> model, likelihood = alfi.models.linear(2), alfi.likelihoods.categorical()
    >>> pool = alfi.pool(jnp.array([[1.0], [1.0], [-2.0]]), labelled=[0])
    >>> fitted = alfi.Fitted(model.init(jax.random.key(0), pool.x))
    >>> report = jax.jit(stopping(model, likelihood, 1, prior_precision=1.0))(fitted, pool)
    >>> bool(0 < report.batch_information < jnp.log(2)), bool(0 < report.variance_decrease < 1)
    (True, True)
    """
    if min(batch_size, members, configurations) < 1:
        raise ValueError(f"stopping needs positive numbers; got {batch_size=}, {members=}, {configurations=}.")
    factor_fn, precision_of = last_layer(model, likelihood), prior(prior_precision, model, likelihood)
    jacobian_fn, read = last_layer(model, linearised(likelihood)), outputs_and_features(model)
    classes = likelihood.mode is not None and likelihood.contrasts is not None

    def report(fitted: Fitted, pool: Pool) -> Stopping:
        key_factors, key_samples, key_select = jax.random.split(jax.random.key(0), 3)
        factors = factor_fn(key_factors, fitted, pool)
        precision = precision_of(factors, fitted, pool)
        labelled = pool.labelled.astype(factors.features.dtype)
        population = pool.population.astype(labelled.dtype)

        criterion = v_optimal(prior_precision=precision)
        size = min(batch_size, factors.n)
        state = criterion.init(factors, labelled, population)
        variance = -criterion.value(state)
        rows = _best(criterion.gain(factors, state), pool.available, CANDIDATES * size)
        few = State(state.shared, jax.tree.map(lambda leaf: jnp.take(leaf, rows, axis=-1), state.local))
        begun = criterion._replace(init=lambda *_: few)  # the target stays the whole pool
        nothing = jnp.zeros(rows.shape[0], labelled.dtype)
        free, search = pool.available[rows], greedy()
        decrease = search(key_select, begun, factors.take(rows), nothing, free, size, population=nothing + 1).gains
        decrease = _total(decrease) / variance

        outputs, _ = read(fitted.variables, pool.x)
        if not classes or outputs.shape[1] > 1:
            return Stopping(jnp.full((), jnp.nan, labelled.dtype), variance, decrease)
        after = posterior(factors, labelled, precision)
        drawn = sample_outputs(key_samples, after, outputs, jacobian_fn(key_factors, fitted, pool), members)
        probabilities = jnp.moveaxis(jax.nn.softmax(drawn[:, :, 0]), 0, 1)  # [n, members, c]
        rows = _best(mutual_information(probabilities), pool.available, CANDIDATES * size)
        criterion, free = batch_bald(configurations=configurations), pool.available[rows]
        told = search(key_select, criterion, probabilities[rows], nothing, free, size, population=nothing + 1).gains
        return Stopping(_total(told), variance, decrease)

    return report


def _best(scores: Float[Array, " n"], available: Bool[Array, " n"], number: int) -> Int[Array, " m"]:
    return jax.lax.top_k(pickable(scores, available), min(number, scores.shape[0]))[1]


def _total(gains: Float[Array, " k"]) -> Float[Array, ""]:
    return jnp.sum(jnp.where(jnp.isfinite(gains), gains, 0))
