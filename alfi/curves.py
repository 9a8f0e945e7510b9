"""Statistics of learning curves, on the host in NumPy: areas, paired tests over seeds, labels saved.

All functions raise ValueError where shapes do not fit. Import them from here or from ``alfi.metrics``.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

# scipy.stats takes two seconds to import, so the functions that need it import it themselves.


def area(labels: ArrayLike, values: ArrayLike) -> np.ndarray | np.floating:
    """Area under learning curves, divided by the range of labels: a constant curve of .1 has area .1.

    ``sum_j (v_j + v_{j+1}) (l_{j+1} - l_j) / 2 / (l_k - l_1)`` for ``labels[k]``, ``values[..., k]``; gives ``[...]``
    in the unit of the values. Spacing may be uneven. A single round has no area: its value is given. ValueError where
    labels do not increase. Cost linear.

    >>> area([10, 20, 40], [[.1, .1, .1], [0., .4, .4]]).round(4).tolist()
    [0.1, 0.3333]
    """
    labels, values = _curves(labels, values)
    return values[..., 0] if labels.size == 1 else np.trapezoid(values, labels) / (labels[-1] - labels[0])


class Paired(NamedTuple):
    """Mean difference, its standard error, confidence interval and two-sided p value."""

    mean: float
    se: float
    low: float
    high: float
    p: float


def paired(differences: ArrayLike, level: float = 0.95) -> Paired:
    """Paired t test and interval of differences between two strategies, one per seed: the primary statistic.

    ``mean +- t_{n-1} s / sqrt(n)`` for ``differences[n]``, in their unit. One seed has a mean but no interval (NaN).
    Where all differences are equal the interval is a point, and p is 1 for zero and 0 for anything else. ValueError
    without any seed. Source: Student 1908, doi:10.1093/biomet/6.1.1.

    >>> [round(x, 3) for x in paired([.1, .2, .3])]
    [0.2, 0.058, -0.048, 0.448, 0.074]
    """
    from scipy import stats

    differences = _sample(differences)
    n, mean = differences.size, float(np.mean(differences))
    if n == 1:
        return Paired(mean, np.nan, np.nan, np.nan, np.nan)
    if np.all(differences == differences[0]):  # the computed variance would be rounding, not zero
        mean = float(differences[0])
        return Paired(mean, 0.0, mean, mean, float(mean == 0))
    se = float(np.std(differences, ddof=1) / np.sqrt(n))
    half = float(stats.t.ppf((1 + level) / 2, n - 1)) * se
    return Paired(mean, se, mean - half, mean + half, float(2 * stats.t.sf(abs(mean) / se, n - 1)))


def wilcoxon(differences: ArrayLike) -> float:
    """Two-sided p value of Wilcoxon's signed-rank test, which assumes no normality: the secondary statistic.

    ``differences[n]``, one per seed; zeros are dropped, and p is 1 where nothing is left. Below six seeds p cannot fall
    under .05. NaN where a difference is NaN; ValueError without any seed. Source: Wilcoxon 1945, doi:10.2307/3001968.

    >>> wilcoxon([.1, .2, .3, .4, .5, .6])
    0.03125
    """
    from scipy import stats

    differences = _sample(differences)
    if np.isnan(differences).any():
        return np.nan
    return float(stats.wilcoxon(differences).pvalue) if np.any(differences) else 1.0


def holm(p_values: ArrayLike) -> np.ndarray:
    """Holm's step-down adjustment: the family-wise error of ``m`` declared contrasts.

    ``adjusted_(j) = max_{i <= j} min(1, (m - i + 1) p_(i))`` for ``p_values[m]`` in ascending order. A contrast that
    could not be tested (NaN) stays NaN but counts in m: the family was declared beforehand. Source: Holm 1979,
    Scandinavian Journal of Statistics 6:65-70.

    >>> holm([.01, .04, .03]).round(4).tolist()
    [0.03, 0.06, 0.06]
    """
    p_values = np.asarray(p_values, float)
    order = np.argsort(p_values)  # NaN comes last, so it spoils no running maximum
    steps = np.maximum.accumulate((p_values.size - np.arange(p_values.size)) * p_values[order])
    adjusted = np.empty_like(p_values)
    adjusted[order] = np.minimum(steps, 1)
    return adjusted


class LabelRatio(NamedTuple):
    """Labels needed, relative to random: per seed (inf: never reached), quartiles, and the number of ``never``."""

    ratios: np.ndarray
    median: float
    lower: float
    upper: float
    never: int


def label_ratio(labels: ArrayLike, random_values: ArrayLike, values: ArrayLike, fraction: float = 0.97) -> LabelRatio:
    """Labels a strategy needs to be nearly as good as random is in the end, relative to what random needs.

    ``n(tau) / n_random(tau)`` per seed, ``tau = fraction * mean over seeds of random's final value``; ``n(tau)`` is
    where the running maximum of the curve, interpolated linearly between rounds, first reaches tau. ``labels[k]``, both
    values ``[seeds, k]`` of a metric of which more is better. Both sides are single seeds because the running maximum
    of a noisy curve is early: against random's *mean* curve even random would seem to save labels.

    Censoring is never to the strategy's advantage. Where it does not reach tau the ratio is inf, and the quartiles
    count that as larger than anything (also between a number and inf); where only random does not, random is taken to
    need all labels, which the true ratio can only undercut. A seed with a NaN has ratio NaN and is left out of the
    summary. Source: the label savings of the MedAL paper, doi:10.1109/ICMLA.2018.00078.

    >>> random = [[.5, .9, 1.]] * 3
    >>> label_ratio([10, 20, 30], random, [[.5, 1., 1.], [.9, 1., 1.], [.5, .6, .7]], fraction=.9)
    LabelRatio(ratios=array([0.9, 0.5, inf]), median=0.9, lower=0.7, upper=inf, never=1)
    """
    labels, values = _curves(labels, values)
    _, random_values = _curves(labels, random_values)
    if values.ndim != 2 or values.shape != random_values.shape:
        raise ValueError(f"expected two arrays [seeds, k], got {random_values.shape} and {values.shape}")
    failed = np.isnan(values).any(axis=1) | np.isnan(random_values).any(axis=1)
    target = fraction * np.mean(random_values[~failed, -1]) if not failed.all() else np.nan
    needed = np.array([_labels_to(target, labels, curve) for curve in values])
    needed_by_random = np.array([_labels_to(target, labels, curve) for curve in random_values])
    ratios = np.where(failed, np.nan, needed / np.minimum(needed_by_random, labels[-1]))
    ordered = np.sort(ratios[~failed])
    lower, median, upper = (_quantile(ordered, q) for q in (0.25, 0.5, 0.75))
    return LabelRatio(ratios, median, lower, upper, int(np.isinf(ordered).sum()))


def _labels_to(target, labels, curve):
    best = np.maximum.accumulate(curve)
    reached = best >= target
    if not reached.any():
        return np.inf
    j = int(np.argmax(reached))
    if j == 0:
        return labels[0]
    return labels[j - 1] + (labels[j] - labels[j - 1]) * (target - best[j - 1]) / (best[j] - best[j - 1])


def _quantile(ordered, q):
    # np.quantile makes inf - inf = nan of censored seeds; here anything between a number and inf is inf.
    if ordered.size == 0:
        return float("nan")
    position = q * (ordered.size - 1)
    below, above = ordered[int(np.floor(position))], ordered[int(np.ceil(position))]
    return float(above if below == above or np.isinf(above) else below + (position % 1) * (above - below))


def _curves(labels, values):
    labels, values = np.asarray(labels, float), np.asarray(values, float)
    if labels.ndim != 1 or labels.size == 0 or values.shape[-1:] != labels.shape:
        raise ValueError(f"expected labels [k] and values [..., k], got {labels.shape} and {values.shape}")
    if not np.all(np.diff(labels) > 0):
        raise ValueError(f"expected increasing numbers of labels, got {labels.tolist()}")
    return labels, values


def _sample(differences):
    differences = np.asarray(differences, float)
    if differences.ndim != 1 or differences.size == 0:
        raise ValueError(f"expected differences [seeds] of at least one seed, got shape {differences.shape}")
    return differences
