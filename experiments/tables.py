"""The statistics of a report: a summary per strategy, and the tables made of them."""

import json
from typing import NamedTuple

import numpy as np

from alfi import curves
from experiments.records import Records

FRACTION = 0.97  # of random's final value: the target of the label ratio
PERCENT = f"{100 * FRACTION:.0f} %"
LOWER_IS_BETTER = ("nll", "brier", "ece", "rmse", "mae", "mse")


class Summary(NamedTuple):
    """One strategy in one metric. `difference` is in area, to the baseline, paired by seed; None for the baseline."""

    strategy: str
    area: curves.Paired
    final: curves.Paired
    difference: curves.Paired | None
    holm: float  # nan: not a declared contrast, or not testable
    wilcoxon: float
    ratio: curves.LabelRatio | None  # None where less is better


class Table(NamedTuple):
    """Cells as text, ready for Markdown, the console and HTML alike."""

    title: str
    header: list[str]
    rows: list[list[str]]


def summarise(records: Records, metric: str | None = None) -> list[Summary]:
    """A summary per strategy of a metric (default: the primary one), over the seeds where all strategies have it."""
    metric = metric or records.config["metric"]
    values = records.values["metrics"][metric]
    values = values[:, np.isfinite(values).all(axis=(0, 2))]
    if not values.shape[1]:
        raise ValueError(f"{metric} is complete for no seed")
    areas = np.asarray(curves.area(records.labels, values))  # [strategy, seed]
    reference = records.strategies.index(records.baseline)
    differences = {name: areas[i] - areas[reference] for i, name in enumerate(records.strategies) if i != reference}
    paired = {name: curves.paired(difference) for name, difference in differences.items()}
    contrasts = [name for name in dict.fromkeys(records.config["contrasts"]) if name != records.baseline]
    p_values = [paired[name].p if name in paired else np.nan for name in contrasts]
    adjusted = dict(zip(contrasts, curves.holm(p_values), strict=True))

    def ratio(i):
        return curves.label_ratio(records.labels, values[reference], values[i], FRACTION)

    return [
        Summary(
            strategy=name,
            area=curves.paired(areas[i]),
            final=curves.paired(values[i, :, -1]),
            difference=paired.get(name),
            holm=float(adjusted.get(name, np.nan)),
            wilcoxon=curves.wilcoxon(differences[name]) if name in differences and areas.shape[1] > 1 else np.nan,
            ratio=None if metric in LOWER_IS_BETTER else ratio(i),
        )
        for i, name in enumerate(records.strategies)
    ]


def primary(records: Records) -> Table:
    """The table of the primary metric."""
    metric, base = records.config["metric"], records.baseline
    seconds = records.values["seconds"].get("select")
    header = ["strategy", f"area under {_words(metric)}", f"final {_words(metric)}", f"area minus {base}"]
    header += ["95 % interval", "p (Holm)", "p (Wilcoxon)", "label ratio, median [quartiles]", "never reached"]
    header += ["selection, s per round"]
    rows = []
    for i, each in enumerate(summarise(records, metric)):
        difference, ratio = each.difference, each.ratio
        rows.append(
            [
                each.strategy,
                _estimate(each.area),
                _estimate(each.final),
                _estimate(difference, "+") if difference else "–",
                f"[{_number(difference.low, '+')}, {_number(difference.high, '+')}]" if difference else "–",
                _p(each.holm),
                _p(each.wilcoxon),
                f"{_ratio(ratio.median)} [{_ratio(ratio.lower)}, {_ratio(ratio.upper)}]" if ratio else "–",
                f"{ratio.never} of {len(ratio.ratios)}" if ratio else "–",
                _seconds(_median(seconds, i)),
            ]
        )
    return Table(_words(metric).capitalize(), header, rows)


def secondary(records: Records) -> Table | None:
    """Areas and paired differences of all other metrics that are complete for at least one seed; None without any."""
    names = [name for name in sorted(records.values["metrics"]) if name != records.config["metric"]]
    names = [name for name in names if np.isfinite(records.values["metrics"][name]).all(axis=(0, 2)).any()]
    if not names:
        return None
    header, rows = ["strategy"], [[name] for name in records.strategies]
    for name in names:
        complete = np.isfinite(records.values["metrics"][name]).all(axis=(0, 2))
        remarks = ["less is better"] * (name in LOWER_IS_BETTER)
        remarks += [f"{complete.sum()} of {len(complete)} seeds"] * (not complete.all())
        remark = f" ({', '.join(remarks)})" if remarks else ""
        header += [f"area under {_words(name)}{remark}", f"minus {records.baseline}"]
        for row, each in zip(rows, summarise(records, name), strict=True):
            row += [_estimate(each.area), _estimate(each.difference, "+") if each.difference else "–"]
    return Table("Other metrics", header, rows)


def cost(records: Records) -> Table:
    """Training accuracy, steps and time. Medians, because the first call may compile."""
    seconds, training = records.values["seconds"], records.values["training"]
    phases = sorted(seconds, key=lambda phase: (phase != "train", phase))
    header = ["strategy", "lowest training accuracy", "steps per round", *(f"{phase}, s per round" for phase in phases)]
    rows = []
    for i, name in enumerate(records.strategies):
        accuracy = training["accuracy"][i] if "accuracy" in training else np.array(np.nan)
        lowest = np.nanmin(accuracy) if np.isfinite(accuracy).any() else np.nan
        steps = _median(training.get("steps"), i)
        rows.append([name, _number(lowest), f"{steps:.0f}" if np.isfinite(steps) else "–"])
        rows[-1] += [_seconds(_median(seconds[phase], i)) for phase in phases] + [_seconds(_total(seconds, i))]
    return Table("Training and time", [*header, "total, s"], rows)


def settings(title: str, content: dict) -> Table:
    """Nested settings as a table of two columns, keys joined by dots."""

    def flatten(prefix, value):
        if isinstance(value, dict) and value:
            for key, inner in value.items():
                yield from flatten(f"{prefix}.{key}" if prefix else str(key), inner)
        elif isinstance(value, list):
            yield [prefix, ", ".join(item if isinstance(item, str) else json.dumps(item) for item in value) or "–"]
        else:
            yield [prefix, value if isinstance(value, str) else json.dumps(value)]

    return Table(title, ["", ""], list(flatten("", content)))


def sentences(records: Records) -> list[str]:
    """What the numbers are, for a reader who has only the report, then what is missing."""
    base, n, metric = records.baseline, len(records.seeds), _words(records.config["metric"])
    lower = records.config["metric"] in LOWER_IS_BETTER
    family = [name for name in dict.fromkeys(records.config["contrasts"]) if name != base]
    declared = f"covers the contrasts declared beforehand ({', '.join(family)})" if family else "has nothing to cover"
    text = [
        f"{n} seed{'s' * (n != 1)}, {len(records.labels)} rounds, {records.labels[0]} to {records.labels[-1]} labels; "
        "comparisons are paired by seed. Numbers are mean ± standard error over seeds.",
        f"The area is the trapezoid under the curve of {metric} over the number of labels, divided by their range: "
        "a constant curve has its value as area." + " Less is better." * lower,
        f"The primary statistic is the difference in area to {base}, with the 95 % interval of the paired t test. "
        f"Holm's adjustment {declared}. Wilcoxon's signed-rank test is secondary and not adjusted.",
    ]
    if not lower:
        text.append(
            f"The label ratio compares, seed by seed, the labels needed to reach {PERCENT} of {base}'s mean final "
            f"{metric} (running maximum, linear between rounds) with those {base} needs. A seed that never gets there "
            f"counts as infinitely many labels; where only {base} does not get there, it counts as needing all."
        )
    if n == 1:
        text.append("One seed has no standard error, interval or test.")
    return text + records.notes


def _words(name):
    return name.replace("_", " ")


def _median(values, i):
    return np.nanmedian(values[i]) if values is not None and np.isfinite(values[i]).any() else np.nan


def _total(seconds, i):
    return sum(np.nansum(values[i]) for values in seconds.values()) if seconds else np.nan


def _number(x, sign=""):
    return "–" if np.isnan(x) else f"{x:{sign}z.4f}" if abs(x) < 100 else f"{x:{sign}.5g}"


def _estimate(estimate, sign=""):
    return f"{_number(estimate.mean, sign)} ± {_number(estimate.se)}"


def _ratio(x):
    return "–" if np.isnan(x) else "never" if np.isinf(x) else f"{x:.2f}"


def _p(p):
    return "–" if np.isnan(p) else "<0.001" if p < 0.001 else f"{p:.3f}"


def _seconds(x):
    return "–" if np.isnan(x) else f"{x:.3g}"
