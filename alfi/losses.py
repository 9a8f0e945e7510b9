"""What training descends: functions ``(outputs[n, *sites, c], y[n, ...]) -> [n]``, one number per example.

The default of ``alfi.training`` is the likelihood of which the Fisher information is taken, summed over the sites. A
loss of this file replaces it in training only: designs still go by the likelihood.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Shaped

from alfi.likelihoods.categorical import categorical
from alfi.typing import Likelihood, Outputs

LossFn = Callable[[Outputs, Shaped[Array, "n ..."]], Float[Array, " n"]]


def negative_log_likelihood(likelihood: Likelihood) -> LossFn:
    """``- sum_t log p(y_t | f_t)``, in nats: summed over the sites, as Fisher information is. Cost ``n t c``.

    Examples
    --------
    >>> import alfi
    >>> loss = negative_log_likelihood(alfi.likelihoods.categorical())
    >>> print(loss(jnp.zeros((1, 8, 8, 2)), jnp.zeros((1, 8, 8), int)).round(2))  # 64 log 2
    [44.36]
    """

    def loss(outputs: Outputs, y: Shaped[Array, "n ..."]) -> Float[Array, " n"]:
        return -_over_sites(jnp.sum, _each_site(likelihood.log_prob, outputs)(outputs, y))

    return loss


def cross_entropy(class_weights: Any = None) -> LossFn:
    """``mean_t - v_{y_t} log softmax(f_t)[y_t]``, v the class weights: averaged over the sites. Cost ``n t c``.

    With one site and no weights it is the categorical likelihood's. The average makes it comparable with ``dice``, and
    the same learning rate and weight decay serve images of any size.

    Parameters
    ----------
    class_weights
        [c], positive; ``class_weights`` of this module gives the usual ones. Default: all 1.

    Raises
    ------
    ValueError
        If the weights are not positive, or not one for each output.

    Examples
    --------
    >>> loss = cross_entropy(class_weights=[1.0, 3.0])
    >>> print(loss(jnp.zeros((2, 2)), jnp.array([0, 1])).round(4))
    [0.6931 2.0794]
    """
    host = None if class_weights is None else np.asarray(class_weights, float)
    if host is not None and (host.ndim != 1 or not (np.isfinite(host) & (host > 0)).all()):
        raise ValueError(f"class_weights must be one positive number for each class; got {class_weights}.")
    log_prob = categorical().log_prob

    def loss(outputs: Outputs, y: Int[Array, "n ..."]) -> Float[Array, " n"]:
        losses = -_each_site(log_prob, outputs)(outputs, y)
        if host is not None:
            if host.shape != outputs.shape[-1:]:
                raise ValueError(f"got {len(host)} class weights for {outputs.shape[-1]} outputs.")
            losses = jnp.asarray(host, losses.dtype)[y] * losses
        return _over_sites(jnp.mean, losses)

    return loss


def class_weights(y: Any, classes: int) -> np.ndarray:
    """``v_j = n / (c n_j)``: weights with which every class of ``y`` counts alike, and the mean loss keeps its scale.

    ``y`` are labels that are known, any shape, on the host. A class that does not occur gets the largest weight.

    Raises
    ------
    ValueError
        If there is no label, or one outside ``0 ... classes - 1``.

    Source: King & Zeng 2001, doi:10.1093/oxfordjournals.pan.a004868 (scikit-learn's "balanced").

    Examples
    --------
    >>> class_weights([0, 0, 0, 1], 2).round(4).tolist()
    [0.6667, 2.0]
    """
    y = np.asarray(y).reshape(-1)
    if not len(y) or y.min() < 0 or y.max() >= classes:
        raise ValueError(f"class_weights needs labels in 0 ... {classes - 1}; got {sorted(set(y.tolist()))}.")
    counts = np.bincount(y, minlength=classes)
    return len(y) / (classes * np.where(counts > 0, counts, counts[counts > 0].min()))


def dice(*, smoothing: float = 1.0) -> LossFn:
    r"""Soft Dice loss of each image, ``1 - (2 sum_t p_t g_t + s) / (sum_t p_t + sum_t g_t + s)``, in [0, 1].

    p are the predicted probabilities of the foreground and g its mask. One output: its sigmoid, y in {0, 1}. Several:
    the softmax, y in 0 ... c - 1; class 0 is the background, and the mean is over the others. Cost ``n t c``.

    Parameters
    ----------
    smoothing
        s > 0, in pixels; an image without foreground then asks for a prediction without any.

    Raises
    ------
    ValueError
        If the smoothing is not positive, or the outputs have no sites.

    Source: Milletari et al. 2016, arXiv 1606.04797 (there with squares in the denominator); per image, not per batch.

    Examples
    --------
    >>> mask = jnp.zeros((1, 4, 4), int).at[:, :2].set(1)
    >>> right = jnp.where(mask == 1, 20.0, -20.0)[..., None]
    >>> print(f"{dice()(right, mask)[0]:.3f} {dice()(-right, mask)[0]:.3f}")
    0.000 0.941
    """
    if not (np.isfinite(smoothing) and smoothing > 0):
        raise ValueError(f"dice needs smoothing > 0; got {smoothing}.")

    def loss(outputs: Outputs, y: Int[Array, "n ..."]) -> Float[Array, " n"]:
        if outputs.ndim < 3:
            raise ValueError(f"dice is for outputs with sites, [n, *sites, c]; got shape {outputs.shape}.")
        c = outputs.shape[-1]
        if c == 1:
            probabilities, mask = jax.nn.sigmoid(outputs), jnp.reshape(y, outputs.shape).astype(outputs.dtype)
        else:
            probabilities = jax.nn.softmax(outputs)[..., 1:]
            mask = jax.nn.one_hot(y, c, dtype=outputs.dtype)[..., 1:]
        sites = tuple(range(1, outputs.ndim - 1))
        both, sizes = jnp.sum(probabilities * mask, axis=sites), jnp.sum(probabilities + mask, axis=sites)
        return jnp.mean(1 - (2 * both + smoothing) / (sizes + smoothing), axis=-1)

    return loss


def gaussian_nll(*, beta: float = 0.0) -> LossFn:
    r"""Mean and log-variance predicted, ``f = [mu, rho]``: the negative log-likelihood of normal targets.

    ``1/2 sum_j ((y_j - mu_j)^2 exp(-rho_j) + rho_j + log 2 pi)``, averaged over the sites, summed over the m targets.
    Cost ``n t m``.

    Parameters
    ----------
    beta
        In [0, 1]: each term is weighted by ``exp(beta rho_j)``, held constant in the gradient. 0 is the likelihood of
        ``heteroscedastic_gaussian``; with it a network can explain bad means by a large variance and stop learning
        them. 1 learns the means as least squares does; 1/2 is a good middle.

    Raises
    ------
    ValueError
        If beta is outside [0, 1], or the number of outputs is odd.

    Source: Nix & Weigend 1994, doi:10.1109/ICNN.1994.374138; beta: Seitzer et al. 2022, arXiv 2203.09168.

    Examples
    --------
    >>> print(f"{gaussian_nll()(jnp.array([[1.0, 0.0]]), jnp.array([1.0]))[0]:.4f}")  # log(2 pi) / 2
    0.9189
    """
    if not 0 <= beta <= 1:
        raise ValueError(f"gaussian_nll needs beta in [0, 1]; got {beta}.")

    def loss(outputs: Outputs, y: Float[Array, "n ..."]) -> Float[Array, " n"]:
        m, odd = divmod(outputs.shape[-1], 2)
        if odd:
            raise ValueError(f"gaussian_nll needs as many log-variances as means; got {outputs.shape[-1]} outputs.")
        mean, log_variance = outputs[..., :m], outputs[..., m:]
        squares = (jnp.reshape(y, mean.shape) - mean) ** 2 * jnp.exp(-log_variance)
        terms = 0.5 * (squares + log_variance + jnp.log(2 * jnp.pi))
        terms = terms * jax.lax.stop_gradient(jnp.exp(beta * log_variance))
        return _over_sites(jnp.mean, jnp.sum(terms, axis=-1))

    return loss


def add(*losses: LossFn, weights: Any = None) -> LossFn:
    """``sum_k weights_k loss_k``, the weights 1 by default: ``add(dice(), cross_entropy())``.

    Raises
    ------
    ValueError
        If there is no loss, or not one weight for each.

    Examples
    --------
    >>> both = add(dice(), cross_entropy(), weights=(1.0, 0.5))
    >>> both(jnp.zeros((1, 4, 4, 2)), jnp.ones((1, 4, 4), int)).shape
    (1,)
    """
    weights = (1.0,) * len(losses) if weights is None else tuple(weights)
    if not losses or len(weights) != len(losses):
        raise ValueError(f"add needs one weight for each of its losses; got {len(losses)} losses, {weights=}.")

    def loss(outputs: Outputs, y: Shaped[Array, "n ..."]) -> Float[Array, " n"]:
        terms = [weight * loss(outputs, y) for weight, loss in zip(weights, losses, strict=True)]
        return jnp.sum(jnp.stack(terms), axis=0)

    return loss


def _each_site(log_prob: Callable, outputs: Outputs) -> Callable:
    for _ in range(outputs.ndim - 1):  # over rows and sites
        log_prob = jax.vmap(log_prob)
    return log_prob


def _over_sites(reduce: Callable, values: Float[Array, "n *sites"]) -> Float[Array, " n"]:
    return reduce(values, axis=tuple(range(1, values.ndim)))
