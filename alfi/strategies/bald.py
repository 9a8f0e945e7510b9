"""BALD: the examples whose label tells most about which posterior sample is right."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from alfi import linalg
from alfi.criteria.bald import mutual_information
from alfi.criteria.score import score
from alfi.fisher.probabilities import label_probabilities, sampled_outputs
from alfi.selection.top_k import top_k
from alfi.strategies.compose import compose
from alfi.typing import FactorFn, Likelihood, Model, SelectFn, Strategy


def bald(
    model: Model,
    likelihood: Likelihood,
    *,
    posterior: Any = "laplace",
    samples: int = 64,
    prior_precision: Any = "evidence",
    classes: int | None = None,
    rule: SelectFn | None = None,
) -> Strategy:
    """Largest mutual information of the label and the posterior samples, in nats; summed over sites.

    Tasks: any. Needs: a trained model with features, or an ensemble, or dropout.

    Blind to redundancy within the batch: ``batch_bald``, or ``power_bald``, which is cheaper. For real-valued labels
    ``1/2 log det(I + B^T Cov_k(f_k) B)``, with the covariance of the outputs over the samples: exact where both are
    normal.

    Parameters
    ----------
    posterior, samples, prior_precision
        As for ``fisher.sampled_outputs``: "laplace", "members" (a deep ensemble) or "dropout".
    classes
        As for ``fisher.probabilities``.
    rule
        Default the top k; ``selection.power()``, ``softmax(beta)`` and ``softrank()`` are the stochastic batches.

    Source: Houlsby et al. 2011, arXiv 1112.5745; Gal, Islam & Ghahramani 2017, arXiv 1703.02910.
    """
    options = {"posterior": posterior, "samples": samples, "prior_precision": prior_precision}
    return compose(information_per_label(model, likelihood, classes, **options), score(), rule or top_k())


def information_per_label(model: Model, likelihood: Likelihood, classes: int | None, **options: Any) -> FactorFn:
    """Scores [n] of BALD, sites summed."""
    outputs_of = sampled_outputs(model, likelihood, **options)

    def factor_fn(key, fitted, pool, /) -> Float[Array, " n"]:
        outputs = outputs_of(key, fitted, pool)
        sites = outputs.reshape(*outputs.shape[:2], -1, outputs.shape[-1])  # [m, n, t, c]
        if likelihood.mode is None:
            return jax.lax.map(lambda rows: _normal(likelihood, rows), jnp.moveaxis(sites, 2, 0)).sum(axis=0)
        each = label_probabilities(likelihood, sites, classes)
        m, n, t, y = each.shape
        return mutual_information(jnp.moveaxis(each, 0, 2).reshape(n * t, m, y)).reshape(n, t).sum(axis=1)

    return factor_fn


def _normal(likelihood: Likelihood, outputs: Float[Array, "m n c"]) -> Float[Array, " n"]:
    """Of normal labels whose mean is normal, with the covariance of the samples."""
    mean = outputs.mean(axis=0)
    roots = jax.vmap(likelihood.fisher_factor)(mean)
    seen = jnp.einsum("mnc,ncr->rmn", outputs - mean[None], roots, precision="highest")
    s = jnp.sum(seen[:, None] * seen[None], axis=2) / outputs.shape[0]
    return linalg.logdet_plus(s, jnp.ones((), s.dtype)) / 2
