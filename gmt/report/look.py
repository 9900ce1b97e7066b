"""State how all figures look, and write them as files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gmt.files import replace_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe-Ito, told apart by marker and dash as well, so that a print in grey still reads.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (3, 3)), (0, (1, 1)))
STYLE: dict[Any, Any] = {
    "font.size": 8,
    "axes.titlesize": 9,
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
    "pdf.fonttype": 42,  # TrueType: many publishers refuse Type 3 fonts
    "svg.hashsalt": "gmt",
}
GREY = "#555555"


def router_label(router: str) -> str:
    """Return the name of a router as figures write it."""
    return router.replace("_", " ").replace("bradley terry", "Bradley–Terry")


def line_of(place: int) -> dict[str, Any]:
    """Return colour, marker and dash of the line at a place, told apart in grey too."""
    return {
        "color": COLOURS[place % len(COLOURS)],
        "marker": MARKERS[place % len(MARKERS)],
        "linestyle": DASHES[place % len(DASHES)],
    }


def shared_legend(figure: Figure) -> None:
    """Put the legend of the first panel below all panels."""
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False, handlelength=3.2)


def draw_interval(axes: Any, place: float, metric: Mapping[str, float | None], ours: bool) -> None:
    """Draw a value with its interval as a dot on a row; ours stands out by colour and shape."""
    colour = COLOURS[0] if ours else GREY
    if metric["low"] is not None:
        axes.plot([metric["low"], metric["high"]], [place, place], color=colour, linewidth=2.2 if ours else 1.2)
    face = colour if ours else "white"
    shape = "D" if ours else "o"
    axes.plot([metric["value"]], [place], shape, color=colour, markerfacecolor=face, markersize=4.5)


def save_figure(figure: Figure, stem: Path) -> list[Path]:
    """Write a figure as PNG and PDF beside each other; equal figures give equal files."""
    written = []
    # Versions and dates are left out, so that a figure changes only where its numbers do.
    for kind, metadata in (("png", {"Software": None}), ("pdf", {"CreationDate": None})):
        path = stem.with_name(f"{stem.name}.{kind}")
        replace_file(path, lambda part: figure.savefig(part, format=kind, dpi=200, metadata=metadata))  # noqa: B023
        written.append(path)
    return written
