"""Metrics of predictions: pure JAX, made for vmap and jit. The statistics of learning curves come from ``alfi.curves``.

Metrics read logits ``outputs[n, c]`` and integer classes ``y[n]`` and give a scalar. ``weights[n]`` counts the rows; a
row of weight 0 is padding and is never read, whatever it holds. A NaN in a row that counts gives NaN: a failed training
must not pass for a bad classifier. All functions raise ValueError where shapes do not fit.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Shaped

from alfi.curves import LabelRatio, Paired, area, holm, label_ratio, paired, wilcoxon
from alfi.overlap import dice, jaccard

__all__ = ["accuracy", "auroc", "balanced_accuracy", "brier", "dice", "jaccard", "macro_f1", "mae", "nll", "rmse"]
__all__ += ["LabelRatio", "Paired", "area", "holm", "label_ratio", "paired", "wilcoxon"]

Logits = Float[Array, "n c"]
Classes = Int[Array, " n"]
Weights = Shaped[Array, " n"]
Scalar = Float[Array, ""]


def accuracy(outputs: Logits, y: Classes, weights: Weights | None = None) -> Scalar:
    """Fraction of the rows whose largest logit is the true class.

    ``sum_i w_i [argmax_j f_ij = y_i] / sum_i w_i``, in [0, 1]. Ties go to the first class. Cost ``n c``.

    >>> accuracy(jnp.array([[2., 1.], [0., 1.]]), jnp.array([0, 0])).item()
    0.5
    """
    outputs, weights = _checked(outputs, y, weights)
    return jnp.sum(weights * _hits(outputs, y)) / jnp.sum(weights)


def balanced_accuracy(outputs: Logits, y: Classes, weights: Weights | None = None) -> Scalar:
    """Mean over the classes of the recall: the accuracy in which every class counts alike.

    ``mean_j sum_i w_i [y_i = j] hit_i / sum_i w_i [y_i = j]`` over the classes that occur in ``y``; in [0, 1]. Cost
    ``n c``. Source: Brodersen et al. 2010, doi:10.1109/ICPR.2010.764.

    >>> balanced_accuracy(jnp.array([[1., 0.]] * 4), jnp.array([0, 0, 0, 1])).item()
    0.5
    """
    outputs, weights = _checked(outputs, y, weights)
    members = _one_hot(outputs, y) * weights[:, None]
    return _mean_present(members.T @ _hits(outputs, y), jnp.sum(members, axis=0))


def macro_f1(outputs: Logits, y: Classes, weights: Weights | None = None) -> Scalar:
    """Mean over the classes of the F1 score ``2 hits_j / (predicted_j + true_j)``, all of them weighted counts.

    Over the classes that occur in ``y`` or are predicted; in [0, 1]. Cost ``n c``.
    Source: Opitz & Burst 2019, arXiv 1911.03347 (their "averaged F1", which is scikit-learn's macro).

    >>> round(macro_f1(jnp.array([[1., 0.]] * 4), jnp.array([0, 0, 0, 1])).item(), 4)  # (6/7 + 0) / 2
    0.4286
    """
    outputs, weights = _checked(outputs, y, weights)
    members = _one_hot(outputs, y) * weights[:, None]
    predicted = _one_hot(outputs, jnp.argmax(outputs, axis=1)) * weights[:, None]
    sizes = jnp.sum(members, axis=0) + jnp.sum(predicted, axis=0)
    return _mean_present(2 * members.T @ _hits(outputs, y), sizes)


def nll(outputs: Logits, y: Classes, weights: Weights | None = None) -> Scalar:
    """Mean negative log-likelihood of the true classes, in nats.

    ``- sum_i w_i log softmax(f_i)[y_i] / sum_i w_i``. Cost ``n c``.

    >>> round(nll(jnp.zeros((3, 2)), jnp.array([0, 1, 1])).item(), 4)  # log 2
    0.6931
    """
    outputs, weights = _checked(outputs, y, weights)
    losses = -jnp.sum(jnp.where(_one_hot(outputs, y) > 0, jax.nn.log_softmax(outputs), 0), axis=1)
    losses = jnp.where((y >= 0) & (y < outputs.shape[1]), losses, jnp.inf)  # a class that no output stands for
    return jnp.sum(jnp.where(weights > 0, weights * losses, 0)) / jnp.sum(weights)


def brier(outputs: Logits, y: Classes, weights: Weights | None = None) -> Scalar:
    """Brier score: mean squared distance of the predicted distribution to the true class.

    ``sum_i w_i |softmax(f_i) - e_{y_i}|^2 / sum_i w_i``, summed over the classes as in the original, so in [0, 2]
    (scikit-learn halves it for two classes). Cost ``n c``. Source: Brier 1950,
    doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2.

    >>> brier(jnp.zeros((3, 2)), jnp.array([0, 1, 1])).item()
    0.5
    """
    outputs, weights = _checked(outputs, y, weights)
    distances = jnp.sum((jax.nn.softmax(outputs) - _one_hot(outputs, y)) ** 2, axis=1)
    return jnp.sum(weights * distances) / jnp.sum(weights)


def auroc(outputs: Logits, y: Classes, weights: Weights | None = None) -> Scalar:
    """Area under the ROC curve, each class against the rest, averaged over the classes (macro).

    ``AUROC_j = P(s_a > s_b) + P(s_a = s_b) / 2`` for a random member a and a random non-member b of class j, by
    weighted mid-ranks; in [0, 1]. A class that has no member or no non-member is left out; NaN where none is left. The
    score is the log-odds of class j: the same order as the probability, but it does not saturate at 1, where a well
    trained net has most of its test set. Cost ``n c (c + log n)``.
    Source: Hanley & McNeil 1982, doi:10.1148/radiology.143.1.7063747.

    >>> auroc(jnp.array([[0., 2.], [0., 1.], [0., 1.], [0., 0.]]), jnp.array([1, 1, 0, 0])).item()
    0.875
    """
    outputs, weights = _checked(outputs, y, weights)

    def one_against_rest(j):
        others = jnp.where(jnp.arange(outputs.shape[1])[None] == j, -jnp.inf, outputs)
        score = outputs[:, j] - jax.nn.logsumexp(others, axis=1)
        order = jnp.argsort(score)
        score, members = score[order], (y == j)[order]
        positive, negative = jnp.where(members, weights[order], 0), jnp.where(members, 0, weights[order])
        below = jnp.concatenate([jnp.zeros(1, negative.dtype), jnp.cumsum(negative)])
        strictly, at_most = (below[jnp.searchsorted(score, score, side=side)] for side in ("left", "right"))
        return jnp.sum(positive * (strictly + at_most) / 2), jnp.sum(positive) * jnp.sum(negative)

    area = _mean_present(*jax.vmap(one_against_rest)(jnp.arange(outputs.shape[1])))
    return jnp.where(jnp.any(jnp.isnan(outputs)), jnp.nan, area)  # sorting would hide a NaN


def rmse(outputs: Float[Array, "n ..."], y: Float[Array, "n ..."], weights: Weights | None = None) -> Scalar:
    """Root mean squared error of real predictions, ``sqrt(sum_i w_i |f_i - y_i|^2 / (m sum_i w_i))`` for m targets.

    >>> rmse(jnp.array([[1.], [3.]]), jnp.array([1., 2.])).round(4).item() ** 2 < 0.5001
    True
    """
    return jnp.sqrt(_mean_error(outputs, y, weights, jnp.square))


def mae(outputs: Float[Array, "n ..."], y: Float[Array, "n ..."], weights: Weights | None = None) -> Scalar:
    """Mean absolute error of real predictions, ``sum_i w_i |f_i - y_i| / (m sum_i w_i)`` for m targets.

    >>> mae(jnp.array([[1.], [3.]]), jnp.array([1., 2.])).item()
    0.5
    """
    return _mean_error(outputs, y, weights, jnp.abs)


def _mean_error(outputs, y, weights, size):
    if outputs.size != y.size or outputs.shape[0] != y.shape[0]:
        raise ValueError(f"expected predictions of the shape of y, {y.shape}, got {outputs.shape}")
    weights = jnp.ones(y.shape[0], outputs.dtype) if weights is None else weights.astype(outputs.dtype)
    errors = jnp.mean(size(jnp.reshape(outputs, (y.shape[0], -1)) - jnp.reshape(y, (y.shape[0], -1))), axis=1)
    return jnp.sum(jnp.where(weights > 0, weights * errors, 0)) / jnp.sum(weights)


def _checked(outputs, y, weights):
    if outputs.ndim != 2 or outputs.shape[1] < 2 or y.shape != outputs.shape[:1]:
        raise ValueError(f"expected outputs [n, c >= 2] and y [n], got {outputs.shape} and {y.shape}")
    if weights is not None and weights.shape != y.shape:
        raise ValueError(f"expected weights {y.shape}, one per row, got {weights.shape}")
    outputs = outputs.astype(jnp.promote_types(outputs.dtype, jnp.float32))  # bfloat16 cannot count to 1000
    weights = jnp.ones(y.shape, outputs.dtype) if weights is None else weights.astype(outputs.dtype)
    return jnp.where(weights[:, None] > 0, outputs, 0), weights  # padding may hold anything, NaN included


def _one_hot(outputs, y):
    return jax.nn.one_hot(y, outputs.shape[1], dtype=outputs.dtype)


def _hits(outputs, y):
    hits = (jnp.argmax(outputs, axis=1) == y).astype(outputs.dtype)
    return jnp.where(jnp.any(jnp.isnan(outputs), axis=1), jnp.nan, hits)


def _mean_present(numerators, denominators):
    present = denominators > 0
    ratios = jnp.where(present, numerators / jnp.where(present, denominators, 1), 0)
    return jnp.sum(ratios) / jnp.sum(present)
