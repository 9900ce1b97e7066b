"""State how all figures look: widths, type, legends and headings; `router_looks` says how a router does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDE, NARROW = 6.9, 3.35
"""Inches: across both columns of a page, and one column of it."""
STYLE: dict[Any, Any] = {
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "axes.linewidth": 0.7,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "pdf.fonttype": 42,  # TrueType: many publishers refuse Type 3 fonts
    "svg.fonttype": "none",
    "svg.hashsalt": "gmt",
}
INK, GREY, PALE = "#222222", "#555555", "#BBBBBB"


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure; heights are those that fit the width given."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def legend_rows(labels: Iterable[str], width: float) -> int:
    """Return how many rows a legend of these names takes below a figure."""
    names = list(dict.fromkeys(labels))
    return -(-len(names) // _legend_columns(names, width)) if names else 0


def _legend_columns(names: Sequence[str], width: float) -> int:
    # About 0.062 inches a letter of 8 points, and 0.55 for the sample of the line.
    return max(1, min(len(names), int(width / (max(map(len, names)) * 0.062 + 0.55))))


def shared_legend(figure: Figure, width: float) -> None:
    """Put one legend of all panels below them, as many names in a row as fit."""
    handles: dict[str, Any] = {}
    for axes in figure.axes:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    if not handles:
        return
    columns = _legend_columns([*handles], width)
    figure.legend(
        [*handles.values()], [*handles], loc="outside lower center", ncols=columns, frameon=False, handlelength=3.4
    )


def panel_name(axes: Any, text: str) -> None:
    """Write what a panel shows over its left corner; a figure itself has no title, for its caption says that."""
    axes.set_title(text, loc="left", fontsize=8, fontweight="bold")


def spread(places: Sequence[float], line: int, lines: int, step: float, logarithmic: bool = False) -> list[float]:
    """Shift the points of one of several lines a little sideways, so that equal values do not hide each other."""
    shift = step * (line - (lines - 1) / 2)
    return [place * 10**shift if logarithmic else place + shift for place in places]


def ends_of(cells: Sequence[Mapping[str, float | None] | None]) -> tuple[list[float], list[float], list[float]]:
    """Return values, lower and upper ends of intervals; NaN where something was not measured."""

    def one(cell: Mapping[str, float | None] | None, end: str) -> float:
        found = None if cell is None else cell.get(end)
        return float("nan") if found is None else float(found)

    return (
        [one(cell, "value") for cell in cells],
        [one(cell, "low") for cell in cells],
        [one(cell, "high") for cell in cells],
    )
