"""Say what a sweep changes, and lay out the figure of what it found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gmt.report.figure_file import FigureFile


@dataclass(frozen=True)
class Sweep:
    """Hold the points of a sweep: label -> what differs from `KNOWN` votes of 200 users each."""

    title: str
    points: Mapping[str, Mapping[str, Any]]
    logarithmic: bool = False


def sweep_figure(
    found: Mapping[str, Mapping[str, Any]], sweeps: Mapping[str, Sweep], routers: Sequence[str], made_by: str
) -> FigureFile:
    """Return the figure of all sweeps, a panel each: AUC of each router with its interval.

    Args:
        found: Sweep -> label of a point -> what was measured there.
        sweeps: What each sweep changes.
        routers: Which to draw, in order.
        made_by: The command that measured.
    """
    panels = [
        {
            "axis": sweeps[name].title,
            "measure": "AUC on clean votes",
            "points": list(points),
            "spaced": name != "feedback",
            "logarithmic": sweeps[name].logarithmic,
            "limits": [0.45, 1.0],
            "references": [{"value": 0.5, "label": "chance"}],
            "lines": {router: [point["routers"][router]["auc"] for point in points.values()] for router in routers},
        }
        for name, points in found.items()
    ]
    caption = (
        "Simulated people whose true preferences are known, one property changed at a time: how many votes are flipped "
        "at random, how many votes each person casts, how many people there are, and in what form they give feedback. "
        "AUC on eight clean votes of each person, 95 % intervals over people; equal points stand side by side."
    )
    return FigureFile("curves", "sweeps", {"panels": panels}, caption, made_by)
