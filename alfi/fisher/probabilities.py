"""Predictions of posterior samples: linearised Laplace, a deep ensemble or Monte Carlo dropout; what BALD reads."""

from collections.abc import Callable
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from alfi.fisher.last_layer import last_layer
from alfi.fisher.posterior import last_layer_posterior
from alfi.fisher.predictive import linearised, sample_outputs
from alfi.typing import FactorFn, Fitted, Likelihood, Model, Pool, PRNGKey

# (key, fitted, pool) -> outputs[members, n, *sites, c]
OutputsFn = Callable[[PRNGKey, Fitted, Pool], Array]

SOURCES = ("laplace", "members", "dropout")


def sampled_outputs(
    model: Model,
    likelihood: Likelihood,
    *,
    posterior: Any = "laplace",
    samples: int = 64,
    prior_precision: Any = "evidence",
) -> OutputsFn:
    """Outputs of networks drawn from a posterior, each drawn network the same for all inputs.

    Parameters
    ----------
    posterior
        ``"laplace"``: the last layer's linearised-Laplace posterior after the labelled set, for any model with
        ``features``; ``"members"``: ``fitted.members``, a deep ensemble, say; ``"dropout"``: ``model.stochastic``. Or
        your own function ``(key, fitted, pool) -> outputs[members, n, *sites, c]``, which is returned as it is.
    samples
        How many are drawn; of members, all are taken.
    prior_precision
        Of the Laplace posterior: "evidence", a positive number, or a function ``(factors, fitted, pool) -> number``.

    Returns
    -------
    Function ``(key, fitted, pool) -> outputs[members, n, *sites, c]``.

    Raises
    ------
    ValueError
        For another word, samples that are not positive, or a model without ``stochastic`` (dropout) or ``features``
        (Laplace; without ``head`` for "evidence"); in use, if there are no ``fitted.members``.

    Cost: for dropout and members that many forward passes, one after another. For Laplace one forward pass, the
    posterior, and ``samples n c d``.

    Source: Immer, Korzepa & Bauer 2021, arXiv 2008.08400 (linearised Laplace); Lakshminarayanan et al. 2017, arXiv
    1612.01474 (ensembles); Gal & Ghahramani 2016, arXiv 1506.02142 (dropout).

    Examples
    --------
    >>> import alfi
    >>> model = alfi.models.mlp(3, hidden=(4,))
    >>> pool = alfi.pool(jnp.ones((5, 2)), labelled=[0])
    >>> fitted = alfi.Fitted(model.init(jax.random.key(0), pool.x))
    >>> outputs_of = sampled_outputs(model, alfi.likelihoods.categorical(), samples=7)
    >>> outputs_of(jax.random.key(1), fitted, pool).shape
    (7, 5, 3)
    """
    if callable(posterior):
        return cast(OutputsFn, posterior)
    if posterior not in SOURCES:
        raise ValueError(f"posterior must be one of {', '.join(SOURCES)}, or a function; got {posterior!r}.")
    if samples < 1:
        raise ValueError(f"samples, the networks drawn from the posterior, must be at least 1; got {samples}.")
    if posterior == "members":
        return _of_members(model)
    if posterior == "dropout":
        return _of_dropout(model, samples)
    return _of_laplace(model, likelihood, samples, prior_precision)


def _of_laplace(model: Model, likelihood: Likelihood, samples: int, prior_precision: Any) -> OutputsFn:
    after = last_layer_posterior(model, likelihood, prior_precision=prior_precision)
    jacobians_of = last_layer(model, linearised(likelihood._replace(effective_sites=None)))

    def outputs_of(key: PRNGKey, fitted: Fitted, pool: Pool) -> Array:
        key_posterior, key_jacobians, key_samples = jax.random.split(key, 3)
        outputs, jacobians = model.apply(fitted.variables, pool.x), jacobians_of(key_jacobians, fitted, pool)
        return sample_outputs(key_samples, after(key_posterior, fitted, pool), outputs, jacobians, samples)

    return outputs_of


def _of_members(model: Model) -> OutputsFn:
    def outputs_of(key: PRNGKey, fitted: Fitted, pool: Pool) -> Array:
        del key
        if fitted.members is None:
            raise ValueError(
                "posterior='members' needs `fitted.members`, variables with a leading axis: use "
                "`strategies.deep_ensemble`, which trains them, or posterior='laplace'."
            )
        return jax.lax.map(lambda variables: model.apply(variables, pool.x), fitted.members)

    return outputs_of


def _of_dropout(model: Model, samples: int) -> OutputsFn:
    if model.stochastic is None:
        raise ValueError(
            "posterior='dropout' needs a model with `stochastic`, and this one has no dropout: give it some "
            "(`models.mlp(..., dropout=0.5)`), or use posterior='laplace', which works with every model."
        )
    stochastic = model.stochastic

    def outputs_of(key: PRNGKey, fitted: Fitted, pool: Pool) -> Array:
        return jax.lax.map(lambda key: stochastic(key, fitted.variables, pool.x), jax.random.split(key, samples))

    return outputs_of


def label_probabilities(
    likelihood: Likelihood, outputs: Float[Array, "*any c"], classes: int | None = None
) -> Float[Array, "*any y"]:
    """Probability of each label 0, 1 ... for a likelihood with a finite choice of labels.

    Parameters
    ----------
    classes
        Number of labels of a site. Default: one for each output, two where there is one output; grades
        (``likelihoods.ordinal``) need it.

    Raises
    ------
    ValueError
        If these are not all labels that the likelihood has.

    Examples
    --------
    >>> import alfi
    >>> label_probabilities(alfi.likelihoods.bernoulli(), jnp.zeros((2, 1))).tolist()
    [[0.5, 0.5], [0.5, 0.5]]
    """
    c = outputs.shape[-1]
    labels = np.arange(max(c, 2) if classes is None else classes)

    def probability(f: Float[Array, " c"], y: Array) -> Float[Array, ""]:
        return jnp.exp(likelihood.log_prob(f, y))

    each = jax.vmap(jax.vmap(probability, (None, 0)), (0, None))
    with jax.ensure_compile_time_eval():  # at the neutral outputs, whatever is traced
        neutral = jnp.zeros((1, c))
        complete = likelihood.mode is not None and jax.eval_shape(likelihood.mode, neutral[0]).shape == ()
        complete = complete and abs(float(jnp.sum(each(neutral, jnp.asarray(labels)))) - 1) < 1e-3
    if not complete:
        raise ValueError(
            f"need a likelihood whose labels are 0 ... {len(labels) - 1}: the probabilities of these do not sum to 1. "
            "For grades give `classes`; for real or several labels use a strategy of Fisher information (d_optimal)."
        )
    return each(outputs.reshape(-1, c), jnp.asarray(labels)).reshape(*outputs.shape[:-1], len(labels))


def probabilities(
    model: Model,
    likelihood: Likelihood,
    *,
    posterior: Any = "laplace",
    samples: int = 64,
    prior_precision: Any = "evidence",
    classes: int | None = None,
) -> FactorFn:
    """Label probabilities by each of the networks drawn from a posterior, for ``bald``, ``batch_bald`` and ``epig``.

    Parameters
    ----------
    posterior, samples, prior_precision
        As for ``sampled_outputs``.
    classes
        As for ``label_probabilities``.

    Returns
    -------
    FactorFn giving probabilities [n, members, c], which sum to 1 over classes.

    Raises
    ------
    ValueError
        As for those two; in use, if an example has several sites.

    Examples
    --------
    >>> import alfi
    >>> model, likelihood = alfi.models.mlp(3, hidden=(4,), dropout=0.5), alfi.likelihoods.categorical()
    >>> pool = alfi.pool(jnp.ones((5, 2)))
    >>> fitted = alfi.Fitted(model.init(jax.random.key(0), pool.x))
    >>> factor_fn = probabilities(model, likelihood, posterior="dropout", samples=7)
    >>> factor_fn(jax.random.key(1), fitted, pool).shape
    (5, 7, 3)
    """
    outputs_of = sampled_outputs(
        model, likelihood, posterior=posterior, samples=samples, prior_precision=prior_precision
    )

    def factor_fn(key: PRNGKey, fitted: Fitted, pool: Pool, /) -> Float[Array, "n members c"]:
        outputs = outputs_of(key, fitted, pool)
        if outputs.ndim != 3:
            raise ValueError(f"need one label for each example; these outputs have sites: {outputs.shape[2:-1]}.")
        return jnp.swapaxes(label_probabilities(likelihood, outputs, classes), 0, 1)

    return factor_fn
