"""Draw routers beside each other: dots with intervals, and how they gain from the first votes of a user."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gmt.report.look import draw_interval, line_of, router_label, shared_legend
from gmt.report.result_values import NAMES, OURS, end_of, routers_of, shots_of, title_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def results_figure(results: Sequence[Mapping[str, Any]], metrics: Sequence[str] = ("auc", "accuracy")) -> Figure:
    """Draw every router as a dot with its 95 % interval, best on top: a row per result, a column per metric.

    Args:
        results: Objects in the shape of `results/<protocol>.json`; of several shots the most are drawn.
        metrics: Names of metrics in those objects.
    """
    from matplotlib.figure import Figure

    tables = [routers_of(result, shots_of(result)[-1]) for result in results]
    # Inches: a row for each router, and room for the title and the axis.
    heights = [0.19 * len(table) + 0.55 for table in tables]
    figure = Figure(figsize=(6.8, sum(heights)), layout="constrained")
    grid = figure.subplots(len(results), len(metrics), squeeze=False, gridspec_kw={"height_ratios": heights})
    for row, result, table in zip(grid, results, tables, strict=True):
        # One order for all metrics, that of the first, so that a router is one row across the panels.
        order = sorted(table, key=lambda name: end_of(table[name], metrics[0], "value"))
        for column, (axes, metric) in enumerate(zip(row, metrics, strict=True)):
            for place, name in enumerate(order):
                ends = {end: end_of(table[name], metric, end) for end in ("value", "low", "high")}
                draw_interval(axes, place, ends, name == OURS)
            axes.set_yticks(
                range(len(order)), [router_label(name) for name in order] if column == 0 else [""] * len(order)
            )
            axes.set_ylim(-0.6, len(order) - 0.4)
            axes.set_xlabel(f"{NAMES.get(metric, metric)} (95 % interval over users)")
            axes.grid(axis="y", visible=False)
            axes.tick_params(axis="y", length=0)
        if OURS in order:
            row[0].get_yticklabels()[order.index(OURS)].set_fontweight("bold")
        row[0].set_title(title_of(result), loc="left")
    return figure


def cold_start_figure(
    result: Mapping[str, Any], metrics: Sequence[str] = ("auc", "accuracy"), routers: Sequence[str] | None = None
) -> Figure:
    """Draw how routers gain from the first votes of a cold-start user: a line per router, a panel per metric.

    Args:
        result: A result with several shots.
        metrics: Names of metrics.
        routers: Which routers to draw; by default gmt and the five strongest rivals at the most shots.
    """
    from matplotlib.figure import Figure

    shots = shots_of(result)
    tables = [routers_of(result, shot) for shot in shots]
    if routers is None:
        # The strongest at the most shots: with all rivals drawn the lines could not be told apart.
        strength = {name: end_of(tables[-1][name], metrics[0], "value") for name in tables[-1] if name != OURS}
        rivals = sorted((name for name in strength if not math.isnan(strength[name])), key=lambda n: -strength[n])[:5]
        routers = [OURS] * (OURS in tables[-1]) + rivals
    figure = Figure(figsize=(6.8, 2.9), layout="constrained")
    grid = figure.subplots(1, len(metrics), squeeze=False)[0]
    for axes, metric in zip(grid, metrics, strict=True):
        for i, name in enumerate(routers):
            # A few hundredths apart, so that equal values do not hide each other.
            places = [place + 0.05 * (i - (len(routers) - 1) / 2) for place in range(len(shots))]
            value, low, high = (
                [end_of(table.get(name, {}), metric, end) for table in tables] for end in ("value", "low", "high")
            )
            look, ours = line_of(i), name == OURS
            axes.fill_between(places, low, high, color=look["color"], alpha=0.18 if ours else 0.07, linewidth=0)
            weight: dict[str, Any] = {"linewidth": 2.0 if ours else 1.1, "zorder": 3 if ours else 2}
            axes.plot(places, value, markersize=4, label=router_label(name), **look, **weight)
        axes.set_xticks(range(len(shots)), shots)
        axes.set_xlabel("rated comparisons known (shots)")
        axes.set_ylabel(NAMES.get(metric, metric))
    shared_legend(figure)
    grid[0].set_title(title_of(result, with_shots=False), loc="left")
    return figure
