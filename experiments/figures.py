"""The figures of a report, as PNG bytes. Agg canvases only, so nothing touches the global state of matplotlib."""

import io

import numpy as np

from experiments import tables
from experiments.records import Records

# Okabe & Ito's colours without yellow, then three dark ones of Paul Tol: told apart by colour-blind eyes, and on white.
PALETTE = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#882255", "#999933", "#332288"]
DASHES = ["-", (0, (5, 1.5)), (0, (1.5, 1.2)), (0, (5, 1.2, 1.2, 1.2))]  # a second sign from the tenth strategy on
BASELINE, INK, FAINT = "#666666", "#222222", "#D8D8D8"
STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 11,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 12,
    "axes.titleweight": "bold",
    "axes.axisbelow": True,
}


def learning_curves(records: Records) -> bytes:
    """Mean learning curves with standard errors, and the paired differences in area with their 95 % intervals."""
    import matplotlib as mpl

    config, metric = records.config, records.config["metric"]
    summaries = tables.summarise(records)
    sign = -1 if metric in tables.LOWER_IS_BETTER else 1
    values, n = records.values["metrics"][metric], len(records.seeds)
    mean = values.mean(axis=1)
    error = values.std(axis=1, ddof=1) / np.sqrt(n) if n > 1 else np.zeros_like(mean)
    styles = _styles(records)

    with mpl.rc_context(STYLE):
        figure = _figure(12.6, max(5.4, 2.2 + 0.36 * len(summaries)))
        left, right = figure.subplots(1, 2, width_ratios=[1.75, 1])
        for i, name in enumerate(records.strategies):
            color, dash, width = styles[name]
            front = 2 if name == records.baseline else 3
            band = (mean[i] - error[i], mean[i] + error[i])
            left.fill_between(records.labels, *band, color=color, alpha=0.16, linewidth=0, zorder=front)
            marker = "o" if len(records.labels) < 25 else None
            left.plot(records.labels, mean[i], color=color, ls=dash, lw=width, marker=marker, ms=3.2, zorder=front)
        left.set_xlabel("labels")
        left.set_ylabel(metric.replace("_", " ") + (" (less is better)" if sign < 0 else ""))
        left.grid(axis="y", color=FAINT, linewidth=0.7)
        left.set_title(f"{config['name']}: {n} seed{'s' * (n != 1)}" + (", mean ± standard error" if n > 1 else ""))
        left.margins(x=0.02)
        _direct_labels(left, records, mean[:, -1], styles)

        compared = [(each, each.difference) for each in summaries if each.difference]
        compared.sort(key=lambda pair: sign * pair[1].mean)
        right.axvline(0, color=BASELINE, linewidth=1.4, linestyle=(0, (4, 2)))
        for height, (each, (difference, _, low, high, _)) in enumerate(compared):
            color, significant = styles[each.strategy][0], each.holm < 0.05
            right.plot([low, high], [height, height], color=color, linewidth=2.4, solid_capstyle="round")
            face = color if significant else "white"
            right.plot(difference, height, "o", markersize=8.5, color=color, markerfacecolor=face, markeredgewidth=1.8)
            right.annotate(
                f"{difference:+z.3f}".replace("-", "\N{MINUS SIGN}"), (1, height), xycoords=("axes fraction", "data"),
                xytext=(6, 0), textcoords="offset points", va="center", color=color, fontweight="bold",
            )  # fmt: skip
        right.set_yticks(range(len(compared)), [each.strategy for each, _ in compared])
        for tick, (each, _) in zip(right.get_yticklabels(), compared, strict=True):
            tick.set_color(styles[each.strategy][0])
        right.tick_params(axis="y", length=0)
        right.set_ylim(-0.6, max(len(compared), 1) - 0.4)
        right.spines["left"].set_visible(False)
        right.grid(axis="x", color=FAINT, linewidth=0.7)
        right.set_title(f"Area under the curve, minus {records.baseline}")
        right.set_xlabel(
            "paired difference, 95 % interval"
            + ("\nfilled: p < .05 after Holm's adjustment" if config["contrasts"] else "")
        )
        return _png(figure)


def diagnostics(records: Records) -> bytes | None:
    """Diagnostics over rounds, median and quartiles over seeds, one panel each; None where none was recorded."""
    import matplotlib as mpl

    found = {name: values for name, values in records.values["diagnostics"].items() if np.isfinite(values).any()}
    panels = [[name] for name in sorted(found) if name not in ("trace_labelled", "trace_pool")]
    panels += [traces] if (traces := [name for name in ("trace_pool", "trace_labelled") if name in found]) else []
    if not panels:
        return None
    styles, titles = _styles(records), {"above_log_c": "fraction of gains above log c"}
    with mpl.rc_context(STYLE):
        columns = min(len(panels), 2)
        lines = -(-len(panels) // columns)
        figure = _figure(6.3 * columns, 3.3 * lines + 0.5)
        axes = figure.subplots(lines, columns, squeeze=False).ravel()
        seen = {}
        for axis, names in zip(axes, panels, strict=False):
            for name in names:
                dash = (0, (2, 1.2)) if name == "trace_labelled" else "-"
                for i, strategy in enumerate(records.strategies):
                    rounds = np.isfinite(found[name][i]).any(axis=0)
                    if not rounds.any():
                        continue
                    low, median, high = np.nanquantile(found[name][i][:, rounds], [0.25, 0.5, 0.75], axis=0)
                    x, color = records.labels[rounds], styles[strategy][0]
                    axis.fill_between(x, low, high, color=color, alpha=0.16, linewidth=0)
                    (line,) = axis.plot(x, median, color=color, linestyle=dash, linewidth=1.9)
                    seen.setdefault(strategy, line)
            if len(names) == 2:
                axis.set_yscale("log")
            title = "median trace: pool (solid), labelled (dashed)" if len(names) == 2 else names[0].replace("_", " ")
            axis.set_title(titles.get(names[0], title))
            axis.set_xlabel("labels")
            axis.grid(axis="y", color=FAINT, linewidth=0.7)
        for axis in axes[len(panels) :]:
            axis.set_visible(False)
        ordered = [name for name in records.strategies if name in seen]
        handles = [seen[name] for name in ordered]
        figure.legend(handles, ordered, loc="outside lower center", ncols=min(len(ordered), 5), frameon=False)
        return _png(figure)


def _styles(records):
    """Colours go by the configuration, not by what is complete: a strategy keeps its colour from report to report."""
    others = [name for name in records.config["strategies"] if name != records.baseline]
    styles = {records.baseline: (BASELINE, (0, (4, 2)), 2.4)}
    for i, name in enumerate(others):
        styles[name] = (PALETTE[i % len(PALETTE)], DASHES[i // len(PALETTE) % len(DASHES)], 2.0)
    return styles


def _direct_labels(axis, records, final, styles):
    """Names at the ends of the curves, in their order, pushed apart until they do not overlap."""
    low, high = axis.get_ylim()
    gap = (high - low) * 0.2 / (axis.figure.get_figheight() - 1.3)  # 0.2 inches; 1.3 are titles and axis labels
    order = np.argsort(final, kind="stable")
    heights = final[order].astype(float)
    for _ in range(500):  # neighbours too close move apart by equal amounts, so a group stays centred on its curves
        overlaps = gap - np.diff(heights)
        for j in np.flatnonzero(overlaps > 1e-3 * gap):
            move = max(gap - (heights[j + 1] - heights[j]), 0) / 2
            heights[j : j + 2] += [-move, move]
        heights -= max(heights[-1] - high, 0)
    for i, height in zip(order, heights, strict=True):
        color, dash, _ = styles[records.strategies[i]]
        axis.annotate(
            records.strategies[i], (records.labels[-1], final[i]), xytext=(1.06, height), va="center", color=color,
            textcoords=("axes fraction", "data"), fontweight="bold", annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": color, "ls": dash, "shrinkA": 1, "shrinkB": 4, "relpos": (0, 0.5)},
        )  # fmt: skip


def _figure(width, height):
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    figure = Figure(figsize=(width, height), layout=ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.1), facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def _png(figure):
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=160, metadata={"Software": None})  # the same bytes from the same numbers
    return buffer.getvalue()
