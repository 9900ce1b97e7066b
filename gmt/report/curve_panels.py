"""Draw panels of lines with an interval at every point."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gmt.report.drawn_text import wrapped
from gmt.report.look import GREY, NARROW, WIDE, ends_of, legend_rows, new_figure, panel_name, shared_legend, spread
from gmt.report.result_values import OURS
from gmt.report.router_looks import looks_of, plain

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HEIGHT = 1.95
"""Inches of a panel."""
REFERENCES = ((0, (1, 2)), (0, (7, 3)), (0, (4, 2, 1, 2)))
"""Dashes of the reference lines of a panel, in order."""


def draw_curves(panels: Sequence[Mapping[str, Any]], columns: int = 2, width: float = WIDE) -> Figure:
    """Draw lines over numbers or words, every point with its interval, points of equal value side by side.

    Args:
        panels: Each with `axis` and `measure` (what runs to the right and upwards), `points` (numbers or words in
            order) and `lines` (name -> `value`, `low`, `high` or null at every point). Where wanted `name`;
            `logarithmic`, `logarithmic_measure`; `spaced` (points stand at their numbers and not evenly); `limits`
            (lowest and highest value); `references` (dashed lines, each with `value` and `label`); and `ours` (the
            line to draw strong).
        columns: Panels beside each other on a wide figure.
        width: Inches.
    """
    columns = min(columns, len(panels)) if width > NARROW else 1
    rows = -(-len(panels) // columns)
    words = any(not _spaced(panel) and max(map(len, map(str, panel["points"]))) > 8 for panel in panels)
    # One look for a name in all panels, whichever of them it stands in.
    looks = looks_of(dict.fromkeys(name for panel in panels for name in panel["lines"]))
    named = [
        *(look.label for look in looks.values()),
        *(one["label"] for p in panels for one in p.get("references", ())),
    ]
    legend = 0.17 * legend_rows(named, width) + 0.1
    figure = new_figure(width, rows * (HEIGHT + (0.45 if words else 0.0)) + legend)
    grid = figure.subplots(rows, columns, squeeze=False).flat
    for axes, panel in zip(grid, panels, strict=False):
        _draw_panel(axes, panel, looks, width / columns)
    for empty in list(grid)[len(panels) :]:
        empty.set_visible(False)
    for empty in figure.axes[len(panels) :]:
        empty.set_visible(False)
    shared_legend(figure, width)
    return figure


def _spaced(panel: Mapping[str, Any]) -> bool:
    return bool(panel.get("logarithmic") or panel.get("spaced"))


def _draw_panel(axes: Any, panel: Mapping[str, Any], looks: Mapping[str, Any], width: float) -> None:
    logarithmic = bool(panel.get("logarithmic"))
    labels = [str(point) for point in panel["points"]]
    places = [float(point) for point in panel["points"]] if _spaced(panel) else list(map(float, range(len(labels))))
    for dash, reference in zip(REFERENCES, panel.get("references", ()), strict=False):
        # Named in the legend: a word on the line would lie on the others sooner or later.
        label = plain(reference["label"])
        axes.axhline(reference["value"], color=GREY, linewidth=0.9, linestyle=dash, zorder=1, label=label)
    # 1. A tenth of the way to the next point for the whole bundle, so that it still reads as one point.
    span = np.log10(places[-1] / places[0]) if logarithmic and len(places) > 1 else places[-1] - places[0]
    step = min(0.32 / max(len(panel["lines"]), 3) / max(len(places) - 1, 1), 0.016) * (span or 1.0)
    ours = panel.get("ours", OURS)
    for number, (name, cells) in enumerate(panel["lines"].items()):
        at = spread(places, number, len(panel["lines"]), step, logarithmic)
        value, low, high = ends_of(cells)
        look = looks[name]
        # 2. A bar at every point and no bands: five bands over each other are one grey mud.
        axes.vlines(at, low, high, color=look.colour, linewidth=1.6 if name == ours else 0.9, alpha=0.8, zorder=2)
        style = look.line(name == ours)
        # Words have no order that a line between them could follow.
        style |= {} if _numbers(labels) else {"linestyle": "none"}
        axes.plot(at, value, label=plain(look.label), **style)
    if logarithmic:
        axes.set_xscale("log")
        # The points are the ticks; minor ones of a logarithm would be labelled between them.
        axes.minorticks_off()
    _ticks(axes, places, labels, width)
    if panel.get("logarithmic_measure"):
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:g}")
    if panel.get("limits"):
        axes.set_ylim(*panel["limits"])
    axes.set_xlabel(plain(panel["axis"]))
    axes.set_ylabel(plain(panel["measure"]))
    if panel.get("name"):
        panel_name(axes, plain(panel["name"]))


def _numbers(labels: Sequence[str]) -> bool:
    return all(label.replace(".", "", 1).isdigit() for label in labels if label != "all")


def _ticks(axes: Any, places: Sequence[float], labels: Sequence[str], width: float) -> None:
    """Name the points: below each other's words where these fit between two points, turned where they do not."""
    labels = [f"{int(label):,}" if label.isdigit() else label for label in labels]
    letters = int(11 * width / len(labels))
    if max(map(len, " ".join(labels).split())) <= letters:
        axes.set_xticks(places, [plain(wrapped(label, letters, 4)) for label in labels])
    else:
        axes.set_xticks(places, [plain(label) for label in labels], rotation=35, ha="right", rotation_mode="anchor")
