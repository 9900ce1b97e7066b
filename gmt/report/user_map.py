"""Draw people by what they like: who stands near a model likes it more than others do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gmt.report.drawn_text import wrapped
from gmt.report.look import GREY, INK, NARROW, WIDE, new_figure
from gmt.report.router_looks import plain

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_MODELS = 8


def draw_user_map(
    users: Sequence[Mapping[str, float]],
    models: Sequence[Mapping[str, Any]],
    explained: Sequence[float] = (),
    width: float = WIDE,
) -> Figure:
    """Draw people as dots and models as arrows, in the plane in which people differ most.

    Args:
        users: `x`, `y` and `votes` of every person; nobody is named.
        models: `name`, `x` and `y`: where a person goes who likes that model more; the longest arrows are named.
        explained: Shares of what sets people apart that the two axes show.
        width: Inches.
    """
    x, y, votes = (np.array([one[key] for one in users], float) for key in ("x", "y", "votes"))
    # As high as the people need at one scale for both axes, within what a page bears.
    shape = np.ptp(np.append(y, 0.0)) / max(np.ptp(np.append(x, 0.0)), 1e-9)
    figure = new_figure(width, float(np.clip(0.85 * shape, 0.45, 0.8)) * width + 0.5)
    axes = figure.add_subplot()
    size = 8 + 42 * np.sqrt(votes / max(votes.max(), 1.0))
    axes.scatter(x, y, s=size, color="#56B4E9", edgecolor=INK, linewidth=0.5, alpha=0.85, zorder=3, label="a person")
    reach = 0.95 * max(np.abs(x).max(), np.abs(y).max(), 1e-9)
    longest = sorted(models, key=lambda one: -np.hypot(one["x"], one["y"]))[
        : MOST_MODELS if width > NARROW else MOST_MODELS - 3
    ]
    scale = reach / max(max((np.hypot(one["x"], one["y"]) for one in longest), default=1.0), 1e-9)
    taken: list[tuple[float, float]] = []
    for one in longest:
        tip = (scale * one["x"], scale * one["y"])
        arrow = {"arrowstyle": "-|>", "color": "#D55E00", "linewidth": 1.1, "shrinkA": 0, "shrinkB": 0}
        axes.annotate("", xy=tip, xytext=(0, 0), arrowprops=arrow, zorder=2)
        place = _free(tip, taken, 0.11 * reach)
        taken.append(place)
        axes.plot([tip[0], place[0]], [tip[1], place[1]], color="#D55E00", linewidth=0.4, zorder=2)
        axes.text(
            *place,
            plain(wrapped(one["name"], 22 if width > NARROW else 17, 1)),
            fontsize=7,
            color="#A04000",
            ha="left" if tip[0] >= 0 else "right",
            va="center",
            zorder=4,
            bbox={"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 0.6},
        )
    axes.axhline(0, color=GREY, linewidth=0.5, zorder=1)
    axes.axvline(0, color=GREY, linewidth=0.5, zorder=1)
    axes.plot(0, 0, "+", color=INK, markersize=8, zorder=5)
    shares = [f": {share:.0%} of what sets people apart" for share in explained] or ["", ""]
    if width <= NARROW:
        shares = [share.split(" of")[0] for share in shares]
    axes.set_xlabel(f"first direction{shares[0]}")
    axes.set_ylabel(f"second direction{shares[1]}")
    # One scale for both axes, or the first direction would look no wider than the second.
    axes.set_aspect("equal", adjustable="datalim")
    axes.margins(0.22 if width > NARROW else 0.34, 0.12)
    return figure


def _free(tip: tuple[float, float], taken: Sequence[tuple[float, float]], gap: float) -> tuple[float, float]:
    """Return a place at the tip of an arrow, moved up or down until no other name on its side is in the way."""
    x, y = 1.04 * tip[0], 1.04 * tip[1]
    side = 1 if y >= 0 else -1
    while any(abs(y - other[1]) < gap and (x >= 0) == (other[0] >= 0) for other in taken):
        y += side * gap / 2
    return x, y
