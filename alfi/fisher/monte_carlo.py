"""Factors from labels that are drawn from the model's own prediction: unbiased, of a rank that is chosen."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from alfi.fisher.factors import DenseFactors, LastLayerFactors
from alfi.fisher.jacobian import choose
from alfi.fisher.last_layer import in_contrasts, outputs_and_features, with_bias
from alfi.fisher.roots import require_samples, site_scores
from alfi.typing import FactorFn, Fitted, Likelihood, Model, Pool, PRNGKey


def monte_carlo(
    apply: Callable,
    likelihood: Likelihood,
    *,
    samples: int = 1,
    parameters: Callable[[str], bool] | None = None,
    chunk_size: int | None = None,
) -> FactorFn:
    r"""Factors with rows ``grad_theta log p(y_s | x_i) / sqrt(m)`` for m labels ``y_s`` drawn from the prediction.

    ``E[A_i^T A_i]`` is the Fisher information of example i. The labels of all sites are drawn together, and as they
    are independent the gradient of their sum has the right covariance: the rank is m however many sites and outputs
    there are, where ``jacobian`` has t r rows.

    Parameters
    ----------
    apply, parameters, chunk_size
        As for ``jacobian``.
    samples
        m, labels drawn for each example. The standard error of an entry of the information of n examples falls with
        ``sqrt(n m)``.

    Returns
    -------
    FactorFn giving DenseFactors[n, m, p].

    Raises
    ------
    ValueError
        If ``samples`` is not positive, or no parameter's path satisfies the predicate.

    Cost: m vector-Jacobian products an example.

    Source: Kunstner, Balles & Hennig 2019, arXiv 1905.12558 (why not the labels observed).

    Examples
    --------
    >>> import alfi
    >>> apply = lambda params, x: x @ params
    >>> pool = alfi.pool(jnp.ones((5, 3)))
    >>> factor_fn = monte_carlo(apply, alfi.likelihoods.categorical(), samples=2)
    >>> factor_fn(jax.random.key(0), alfi.Fitted(jnp.zeros((3, 4))), pool).array.shape
    (5, 2, 12)
    """
    require_samples(samples)

    def factor_fn(key: PRNGKey, fitted: Fitted, pool: Pool, /) -> DenseFactors:
        theta, rebuild = choose(fitted.variables, parameters)
        n = pool.x.shape[0]

        def one(row: tuple[Array, Array]) -> Float[Array, "m p"]:
            key, x = row
            outputs, pull = jax.vjp(lambda values: apply(rebuild(values), x[None])[0], theta)
            scores = site_scores(likelihood, key, outputs.reshape(-1, outputs.shape[-1]), samples)
            return jax.vmap(pull)(scores.reshape(samples, *outputs.shape))[0]

        rows = jax.random.split(key, n), pool.x
        return DenseFactors(jax.lax.map(one, rows, batch_size=chunk_size or n))

    return factor_fn


def monte_carlo_last_layer(model: Model, likelihood: Likelihood, *, samples: int = 1) -> FactorFn:
    r"""``last_layer`` with m drawn labels in place of the exact root: rank m instead of c - 1 at each site.

    For many classes: 1000 of them have roots of 4 MB an example, 10 drawn labels of 40 kB.

    Returns
    -------
    FactorFn giving LastLayerFactors: roots [n, t, m, c - 1] in the likelihood's contrasts, features [n, t, d + 1].

    Raises
    ------
    ValueError
        If the model has no ``features``, or ``samples`` is not positive.

    Examples
    --------
    >>> import alfi
    >>> model = alfi.models.mlp(10, hidden=(16,))
    >>> pool = alfi.pool(jnp.ones((5, 64)))
    >>> fitted = alfi.Fitted(model.init(jax.random.key(0), pool.x))
    >>> factor_fn = monte_carlo_last_layer(model, alfi.likelihoods.categorical(), samples=2)
    >>> factor_fn(jax.random.key(1), fitted, pool).roots.shape
    (5, 1, 2, 9)
    """
    require_samples(samples)
    read = outputs_and_features(model)

    def root(key: Array, f: Float[Array, "t c"]) -> Float[Array, "t m q"]:
        scores = jnp.swapaxes(site_scores(likelihood, key, f, samples), 0, 1)
        return in_contrasts(likelihood, scores)

    def factor_fn(key: PRNGKey, fitted: Fitted, pool: Pool, /) -> LastLayerFactors:
        outputs, features = read(fitted.variables, pool.x)
        keys = jax.random.split(key, outputs.shape[0])
        return LastLayerFactors(jax.vmap(root)(keys, outputs), with_bias(features))

    return factor_fn
