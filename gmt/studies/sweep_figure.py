"""Say what a sweep changes, and draw what it found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gmt.report.look import COLOURS, DASHES, MARKERS, router_label, shared_legend

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Sweep:
    """Hold the points of a sweep: label -> what differs from `KNOWN` votes of 200 users each."""

    title: str
    points: Mapping[str, Mapping[str, Any]]
    logarithmic: bool = False


def sweep_figure(found: Mapping[str, Mapping[str, Any]], sweeps: Mapping[str, Sweep], routers: Sequence[str]) -> Figure:
    """Draw every sweep as a panel: AUC of each router with its interval.

    Args:
        found: Sweep -> label of a point -> what was measured there.
        sweeps: What each sweep changes.
        routers: Which to draw, in order.
    """
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(6.8, 2.5 * ((len(found) + 1) // 2) + 0.5), layout="constrained")
    panels = drawn.subplots((len(found) + 1) // 2, min(2, len(found)), squeeze=False, sharey=True).flat
    for axes, (name, points) in zip(panels, found.items(), strict=False):
        sweep, numeric = sweeps[name], name != "feedback"
        places = [float(label) for label in points] if numeric else list(range(len(points)))
        for i, router in enumerate(routers):
            aucs = [point["routers"][router]["auc"] for point in points.values()]
            values, low, high = ([auc[key] if auc else np.nan for auc in aucs] for key in ("value", "low", "high"))
            # The last colour is the oracle's in every figure, however many routers stand before it.
            look: dict[str, Any] = {"color": COLOURS[-1] if router == "oracle" else COLOURS[i], "markersize": 4}
            label = router_label(router)
            if numeric:
                axes.fill_between(places, low, high, color=look["color"], alpha=0.15 if i == 0 else 0.07, linewidth=0)
                axes.plot(places, values, marker=MARKERS[i], linestyle=DASHES[i], label=label, **look)
            else:
                at = [place + 0.12 * (i - 2) for place in places]  # side by side: equal values hide each other
                ends = [np.subtract(values, low), np.subtract(high, values)]
                axes.errorbar(at, values, ends, fmt=MARKERS[i], elinewidth=1, label=label, **look)
        if sweep.logarithmic:
            axes.set_xscale("log")
            # The points are the ticks; minor ones of a logarithm would be labelled between them.
            axes.minorticks_off()
        turned = {} if numeric else {"rotation": 35, "ha": "right"}
        axes.set_xticks(places, list(points), **turned)
        axes.set_xlabel(sweep.title)
    # An odd number of sweeps leaves a panel without one.
    for axes in drawn.axes[len(found) :]:
        axes.set_visible(False)
    for axes in drawn.axes[::2]:
        axes.set_ylabel("AUC on clean votes")
    shared_legend(drawn)
    return drawn
