"""Draw how often answers won that were promised to win."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gmt.report.drawn_text import wrapped
from gmt.report.look import GREY, NARROW, WIDE, new_figure, panel_name
from gmt.report.result_values import OURS
from gmt.report.router_looks import router_label, router_look

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_calibration(
    routers: Mapping[str, Sequence[Mapping[str, Any]]], errors: Mapping[str, float] | None = None, width: float = WIDE
) -> Figure:
    """Draw promised against observed wins of the favourite of every pair, a panel per router.

    Args:
        routers: Router -> its bins, each with `promised` (mean chance given to the favourite), `won` (how often it was
            preferred), `low` and `high` (its interval over people) and `pairs`.
        errors: Router -> mean gap between promised and observed wins.
        width: Inches.
    """
    columns = min(len(routers), 4 if width > NARROW else 2)
    rows = -(-len(routers) // columns)
    figure = new_figure(width, rows * (width / columns) * 1.02 + 0.25)
    grid = list(figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).flat)
    for place, (axes, (name, bins)) in enumerate(zip(grid, routers.items(), strict=False)):
        look = router_look(name)
        axes.plot([0.5, 1.0], [0.5, 1.0], color=GREY, linewidth=0.9, linestyle=(0, (1, 2)))
        promised, won = [one["promised"] for one in bins], [one["won"] for one in bins]
        axes.vlines(
            promised, [one["low"] for one in bins], [one["high"] for one in bins], color=look.colour, linewidth=1.2
        )
        axes.plot(promised, won, **look.line(name == OURS))
        panel_name(axes, wrapped(router_label(name), int(10.5 * width / columns), 2))
        if errors and name in errors:
            axes.text(0.97, 0.04, f"mean gap {errors[name]:.3f}", transform=axes.transAxes, ha="right", fontsize=7)
        axes.set_xlim(0.48, 1.02)
        axes.set_ylim(0.38, 1.02)
        axes.set_xticks([0.5, 0.75, 1.0], ["50 %", "75 %", "100 %"])
        axes.set_yticks([0.5, 0.75, 1.0], ["50 %", "75 %", "100 %"])
        axes.set_aspect("equal")
        if place % columns == 0:
            axes.set_ylabel("favourite preferred")
    for empty in grid[len(routers) :]:
        empty.set_visible(False)
    said = "chance promised to the favourite of a pair (dotted: promises kept)"
    figure.supxlabel(wrapped(said, int(13 * width), 2), fontsize=8)
    return figure
