"""Draw routers beside each other as dots with their intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gmt.report.drawn_text import wrapped
from gmt.report.look import GREY, INK, NARROW, WIDE, new_figure
from gmt.report.result_values import CHANCE, NAMES, OURS, end_of, measured_on, routers_of, shots_of
from gmt.report.router_looks import ROUTERS, plain, router_label, router_look

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ROW = 0.165
"""Inches between two dots."""
INTERVALS = "bars: 95 % interval over people"


def draw_routers(
    results: Sequence[Mapping[str, Any]], metrics: Sequence[str] = ("auc", "accuracy"), width: float = WIDE
) -> Figure:
    """Draw every router as a dot with its 95 % interval, best on top: a row per result, a column per metric.

    Args:
        results: Objects in the shape of `results/<protocol>.json`, or of one protocol of `gmt summary`, with the name
            of the data set as `data`; of several shots the most are drawn.
        metrics: Names of metrics in those objects; one column of a page shows the first.
        width: Inches.
    """
    panels = []
    for result in results:
        table = routers_of(result, shots_of(result)[-1])
        # One order for all metrics, that of the first, so that a router is one row across the panels.
        order = sorted(table, key=lambda name, table=table: _or_least(end_of(table[name], metrics[0], "value")))
        for metric in metrics if width > NARROW else metrics[:1]:
            panels.append(
                {
                    "name": measured_on(result) if metric == metrics[0] else "",
                    "axis": NAMES.get(metric, metric),
                    "rows": {name: table[name].get(metric) for name in reversed(order)},
                    **({"reference": 0.5, "reference_label": "chance"} if metric in CHANCE else {}),
                }
            )
    return draw_dots(panels, len(metrics) if width > NARROW else 1, width)


def draw_dots(panels: Sequence[Mapping[str, Any]], columns: int = 1, width: float = WIDE) -> Figure:
    """Draw panels of dots with their intervals.

    Args:
        panels: Each with `rows` (name -> `value`, `low`, `high`, or null; the first on top), `axis` (what the dots
            measure), and where wanted `name`, `reference` with `reference_label` (a dotted line, such as chance), and
            `strong` (names of rows to make bold).
        columns: Panels beside each other; those of one row of a grid have the same rows, named once at the left.
        width: Inches.
    """
    columns = columns if width > NARROW else 1
    lines = [panels[start : start + columns] for start in range(0, len(panels), columns)]
    heights = [ROW * max(len(one["rows"]) for one in line) + 0.75 for line in lines]
    figure = new_figure(width, sum(heights))
    grid = figure.subplots(len(lines), columns, squeeze=False, gridspec_kw={"height_ratios": heights})
    for axes_of_line, line in zip(grid, lines, strict=True):
        names = sum(bool(one.get("name")) for one in line)
        for place, axes in enumerate(axes_of_line):
            if place < len(line):
                own = place == 0 or list(line[0]["rows"]) != list(line[place]["rows"])
                _dots(axes, line[place], own, width, columns)
                if line[place].get("name"):
                    # The first may begin over the names of its rows, where there is most room.
                    _heading(axes, line[place], width / names, at_left=place == 0)
            else:
                axes.set_visible(False)
    figure.supxlabel(INTERVALS, fontsize=7, color=GREY)
    return figure


def _dots(axes: Any, panel: Mapping[str, Any], named: bool, width: float, columns: int) -> None:
    rows = panel["rows"]
    places = range(len(rows) - 1, -1, -1)
    if panel.get("reference") is not None:
        axes.axvline(panel["reference"], color=GREY, linewidth=0.9, linestyle=(0, (1, 2)), zorder=1)
        # Over the frame of the panel: inside it the word would lie on a dot sooner or later.
        axes.annotate(
            plain(panel.get("reference_label", "")),
            (panel["reference"], 1.0),
            xycoords=("data", "axes fraction"),
            ha="center",
            va="bottom",
            fontsize=7,
            color=GREY,
        )
    for place, (name, cell) in zip(places, rows.items(), strict=True):
        draw_interval(axes, place, name, cell)
    strong = panel.get("strong", [OURS])
    # On one column names may take half of it at most.
    shown = [wrapped(router_label(name), 60 if width > NARROW else 28, 1) if named else "" for name in rows]
    axes.set_yticks(list(places), shown, fontsize=8 if width > NARROW else 7)
    for label, name in zip(axes.get_yticklabels(), rows, strict=True):
        label.set_fontweight("bold" if name in strong else "normal")
    axes.set_ylim(-0.7, len(rows) - 0.3)
    axes.set_xlabel(plain(wrapped(panel["axis"], int(8.5 * width / columns), 2)))
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0)
    axes.locator_params(axis="x", nbins=5 if width > NARROW else 3)


def _heading(axes: Any, panel: Mapping[str, Any], width: float, at_left: bool) -> None:
    """Write over a panel what it shows, from the left edge of the figure or of the panel on."""
    lines = wrapped(panel["name"], int((13 if at_left else 10.5) * width), 2)
    above = 13 if panel.get("reference") is not None else 4
    # A title without ink keeps the room free; the words themselves would push the panel aside to make room for theirs.
    axes.set_title(" " + "\n " * (lines.count("\n") + (above > 4)), fontsize=8, loc="left")
    places = ("figure fraction" if at_left else "axes fraction", "axes fraction")
    note = axes.annotate(
        plain(lines),
        (0.01 if at_left else 0.0, 1.0),
        xytext=(0, above),
        xycoords=places,
        textcoords="offset points",
        fontweight="bold",
        annotation_clip=False,
    )
    note.set_in_layout(False)


def draw_interval(axes: Any, place: float, router: str, cell: Mapping[str, float | None] | None) -> None:
    """Draw a value with its interval on a row, in the look of its router; what was not measured is left empty."""
    if cell is None or cell["value"] is None:
        axes.annotate("not measured", (0.02, place), xycoords=("axes fraction", "data"), va="center", fontsize=7)
        return
    look, ours = router_look(router), router == OURS
    colour = look.colour if router in ROUTERS else INK
    if cell["low"] is not None:
        ends = [cell["low"], cell["high"]]
        axes.plot(ends, [place, place], color=colour, linewidth=2.2 if ours else 1.2, solid_capstyle="butt")
    marker = look.marker if router in ROUTERS else "o"
    face = colour if ours else "white"
    axes.plot([cell["value"]], [place], marker, color=colour, markerfacecolor=face, markersize=4.8, markeredgewidth=1.2)


def _or_least(value: float) -> float:
    return -math.inf if math.isnan(value) else value
