"""What a posterior of the parameters says of the outputs: their covariances, and samples of outputs and of networks."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from alfi.fisher.jacobian import choose
from alfi.fisher.posterior import Posterior
from alfi.typing import Factors, Likelihood, PRNGKey


def linearised(likelihood: Likelihood) -> Likelihood:
    """The likelihood with ``B = I``: factors made with it are the Jacobian of the outputs, not of what is told of them.

    So ``posterior.covariance(last_layer(model, linearised(likelihood))(...))`` are the predictive covariances [n, c, c]
    of the outputs, in the same parameters as ``last_layer(model, likelihood)``; where the likelihood has contrasts, of
    the outputs less their mean over the c, which is all that the likelihood sees.

    Examples
    --------
    >>> import alfi
    >>> apply = lambda w, x: x @ w
    >>> factor_fn = alfi.fisher.jacobian(apply, linearised(alfi.likelihoods.categorical()))
    >>> factor_fn(jax.random.key(0), alfi.Fitted(jnp.zeros((1, 2))), alfi.pool(jnp.array([[3.0]]))).array.tolist()
    [[[3.0, 0.0], [0.0, 3.0]]]
    """

    def identity(f: Float[Array, " c"]) -> Float[Array, "c c"]:
        return jnp.eye(f.shape[0], dtype=f.dtype)

    return likelihood._replace(fisher_factor=identity)


def sample_outputs(
    key: PRNGKey, posterior: Posterior, outputs: Float[Array, "n *sites c"], jacobians: Factors, num: int
) -> Float[Array, "num n *sites c"]:
    """Outputs of the linearised network, ``f + J delta`` with delta drawn from the posterior; one delta for all inputs.

    What BALD, BatchBALD and EPIG read as predictions of an ensemble, once it is put through the likelihood.

    Parameters
    ----------
    outputs
        Of the trained network.
    jacobians
        Factors made with ``linearised(likelihood)``.

    Cost: ``num n c p`` operations, for a last layer ``num n c d``.

    Examples
    --------
    >>> import alfi
    >>> wide = alfi.fisher.diagonal_posterior(jnp.zeros(2), 1.0)
    >>> jacobians = alfi.fisher.DenseFactors(jnp.ones((3, 1, 2)))
    >>> sample_outputs(jax.random.key(0), wide, jnp.zeros((3, 1)), jacobians, 5).shape
    (5, 3, 1)
    """
    deviations = posterior.sample(key, num)
    return outputs[None] + jnp.moveaxis(jacobians.project(deviations.T), -1, 0).reshape(num, *outputs.shape)


def sample_members(
    key: PRNGKey,
    posterior: Posterior,
    variables: Any,
    num: int,
    *,
    parameters: Callable[[str], bool] | None = None,
) -> Any:
    """Networks drawn from the posterior: ``variables`` with a leading axis, which ``Fitted.members`` takes.

    Parameters
    ----------
    parameters
        The predicate with which the factors were made; the other parameters are the same in all members.

    Examples
    --------
    >>> import alfi
    >>> narrow = alfi.fisher.diagonal_posterior(jnp.full(2, 1e8), 1.0)
    >>> sample_members(jax.random.key(0), narrow, {"kernel": jnp.ones((2, 1))}, 3)["kernel"].shape
    (3, 2, 1)
    """
    theta, rebuild = choose(variables, parameters)
    return jax.vmap(rebuild)(theta[None] + posterior.sample(key, num))
