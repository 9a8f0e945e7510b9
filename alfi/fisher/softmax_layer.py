"""The last layer of a softmax network as probabilities and features: for so many classes that no root can be kept."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from alfi.fisher.last_layer import outputs_and_features, with_bias
from alfi.typing import FactorFn, Fitted, Likelihood, Model, Pool, PRNGKey


class SoftmaxLayer(NamedTuple):
    """``F_i = (diag p_i - p_i p_i^T) (x) x_i x_i^T`` of a kernel [c, d], never formed. Memory ``n (c + d)``.

    All c outputs, not their contrasts: a prior then sees ``d`` directions more, which no example does.
    """

    probabilities: Float[Array, "n c"]
    features: Float[Array, "n d"]

    def product(self, weights: Float[Array, " n"], v: Float[Array, "c d"]) -> Float[Array, "c d"]:
        """``sum_i w_i F_i v``."""
        p, seen = self.probabilities, self.project(v)
        back = weights[:, None] * p * (seen - jnp.sum(p * seen, axis=1, keepdims=True))
        return jnp.matmul(back.T, self.features, precision="highest")

    def project(self, v: Float[Array, "c d"]) -> Float[Array, "n c"]:
        """What a change v of the kernel does to the outputs."""
        return jnp.matmul(self.features, v.T, precision="highest")

    def form(self, v: Float[Array, "c d"]) -> Float[Array, " n"]:
        """``v^T F_i v``: the variance of the outputs' change over the labels; never negative."""
        p, seen = self.probabilities, self.project(v)
        mean = jnp.sum(p * seen, axis=1, keepdims=True)
        return jnp.sum(p * (seen - mean) ** 2, axis=1)

    def blocks(self, weights: Float[Array, " n"]) -> Float[Array, "c d d"]:
        """``sum_i w_i p_ik (1 - p_ik) x_i x_i^T`` for each class k: the blocks of the information on its diagonal."""

        def one(p: Float[Array, " n"]) -> Float[Array, "d d"]:
            scaled = self.features * (weights * p * (1 - p))[:, None]
            return jnp.matmul(scaled.T, self.features, precision="highest")

        return jax.lax.map(one, self.probabilities.T)

    def draw(self, key: PRNGKey, weights: Float[Array, " n"]) -> Float[Array, "c d"]:
        """A random kernel with covariance ``sum_i w_i F_i``: scores of labels drawn, times sqrt(w_i)."""
        p = self.probabilities
        label = jax.random.categorical(key, jnp.log(p), axis=1)
        score = jnp.sqrt(weights)[:, None] * (jax.nn.one_hot(label, p.shape[1], dtype=p.dtype) - p)
        return jnp.matmul(score.T, self.features, precision="highest")


def softmax_layer(model: Model, likelihood: Likelihood) -> FactorFn:
    """The last layer of a network with a softmax, with its bias as the last of the features.

    Returns
    -------
    FactorFn giving SoftmaxLayer [n, c], [n, d + 1].

    Raises
    ------
    ValueError
        If the likelihood is not categorical, the model has no ``features``; in use, if an example has several sites.

    Cost: one forward pass.

    Examples
    --------
    >>> import alfi
    >>> model = alfi.models.mlp(10, hidden=(4,))
    >>> pool = alfi.pool(jnp.ones((5, 3)))
    >>> fitted = alfi.Fitted(model.init(jax.random.key(0), pool.x))
    >>> layer = softmax_layer(model, alfi.likelihoods.categorical())(jax.random.key(1), fitted, pool)
    >>> layer.blocks(jnp.ones(5)).shape
    (10, 5, 5)
    """
    if likelihood.contrasts is None:
        raise ValueError("softmax_layer needs a categorical likelihood; for others use `fisher.last_layer`.")
    read = outputs_and_features(model)

    def factor_fn(key: PRNGKey, fitted: Fitted, pool: Pool, /) -> SoftmaxLayer:
        del key
        outputs, features = read(fitted.variables, pool.x)
        if outputs.shape[1] != 1:
            raise ValueError(f"softmax_layer needs one label for each example; these have {outputs.shape[1]} sites.")
        return SoftmaxLayer(jax.nn.softmax(outputs[:, 0]), with_bias(features[:, 0]))

    return factor_fn
