"""Draw how far routers are ahead of a reference, measured on the same people, over the votes known of a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gmt.report.curve_panels import draw_curves
from gmt.report.look import NARROW, WIDE
from gmt.report.result_values import NAMES, OURS
from gmt.report.router_looks import router_label

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_LINES = 6
FIRST = (OURS, "paper", "hierarchical_bradley_terry", "knn", "user_bradley_terry", "graph_router")
"""Who is drawn where more were measured than can be told apart."""


def draw_gains(
    sets: Sequence[Mapping[str, Any]],
    metrics: Sequence[str] = ("auc", "accuracy"),
    routers: Sequence[str] | None = None,
    axis: str = "rated rounds known of a new person (shots)",
    width: float = WIDE,
) -> Figure:
    """Draw paired gains over a reference router with their intervals: a row per data set, a column per metric.

    A gain is taken person by person, so how much people differ from each other cancels; bands around the values
    themselves hide every difference between routers.

    Args:
        sets: Each with `label`, `over` (the reference) and `gains`: shots -> router -> metric -> `value`,
            `low`, `high`.
        metrics: Names of metrics; one column of a page shows the first.
        routers: Which to draw; by default those of `FIRST` that were measured.
        axis: What the shots are.
        width: Inches.
    """
    panels = []
    for one in sets:
        shots = list(one["gains"])
        there = list(dict.fromkeys(name for found in one["gains"].values() for name in found))
        drawn = [name for name in (routers or FIRST) if name in there]
        drawn += [name for name in there if routers is None and name not in drawn][: MOST_LINES - len(drawn)]
        for metric in metrics if width > NARROW else metrics[:1]:
            panels.append(
                {
                    "name": one["label"] if metric == metrics[0] else "",
                    "axis": axis,
                    "measure": f"gain in {NAMES.get(metric, metric)}",
                    "points": shots,
                    "lines": {name: [one["gains"][shot].get(name, {}).get(metric) for shot in shots] for name in drawn},
                    "references": [{"value": 0.0, "label": router_label(one["over"])}],
                }
            )
    return draw_curves(panels, len(metrics) if width > NARROW else 1, width)
