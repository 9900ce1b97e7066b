"""Draw what quality routers get at what cost, under the hull that an oracle could reach."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gmt.report.drawn_text import wrapped
from gmt.report.look import GREY, INK, NARROW, WIDE, new_figure, shared_legend
from gmt.report.result_values import OURS
from gmt.report.router_looks import plain, router_look

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_quality_cost(
    routers: Mapping[str, Sequence[Mapping[str, float]]],
    models: Sequence[Mapping[str, Any]] = (),
    oracle: Sequence[Mapping[str, float]] = (),
    cost: str = "mean cost of an answer (0: cheapest model, 1: dearest)",
    quality: str = "mean quality of an answer",
    width: float = WIDE,
) -> Figure:
    """Draw a line per router through its points, from people who mind cost to people who mind quality.

    Args:
        routers: Router -> points with `cost` and `quality`.
        models: Single models that everybody would get: `name`, `cost`, `quality`.
        oracle: Points of a router that knows every outcome before it chooses; their upper hull bounds all.
        cost, quality: What the axes measure.
        width: Inches.
    """
    every = [*models, *oracle, *(one for points in routers.values() for one in points)]
    low, high = (f(one["quality"] for one in every) for f in (min, max))
    dearest = max(one["cost"] for one in every)
    figure = new_figure(width, 3.6 if width > NARROW else 4.3)
    axes = figure.add_subplot()
    if oracle:
        points = upper_hull([(one["cost"], one["quality"]) for one in oracle])
        # To the dearest answer of all: whoever may pay more than the oracle needs still gets no more than it.
        hull = np.array([*points, (max(dearest, points[-1][0]), points[-1][1])])
        axes.plot(
            hull[:, 0], hull[:, 1], color=INK, linewidth=1.2, zorder=2, label="hull of the oracle: out of reach above"
        )
        axes.fill_between(hull[:, 0], hull[:, 1], high + (high - low), color=GREY, alpha=0.12, linewidth=0)
    if models:
        places = [[one[key] for one in models] for key in ("cost", "quality")]
        axes.plot(*places, linestyle="none", marker="o", markersize=3.2, color=GREY, label="one model for everybody")
        for one in _named(models, width):
            right = one["cost"] > dearest / 3
            axes.annotate(
                plain(wrapped(one["name"], 24 if width > NARROW else 16, 1)),
                (one["cost"], one["quality"]),
                xytext=(-4 if right else 4, -7),
                textcoords="offset points",
                ha="right" if right else "left",
                fontsize=6,
                color=GREY,
            )
    for name, points in routers.items():
        ordered = sorted(points, key=lambda one: one["cost"])
        look = router_look(name)
        style = look.line(name == OURS)
        axes.plot([one["cost"] for one in ordered], [one["quality"] for one in ordered], label=look.label, **style)
    # Prices of models lie tens of times apart; on an even axis all but the dearest stand in one corner.
    if min(one["cost"] for one in every) > 0:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
    axes.set_ylim(low - 0.08 * (high - low), high + 0.08 * (high - low))
    axes.set_xlabel(plain(wrapped(cost, int(13 * width), 2)))
    axes.set_ylabel(plain(quality))
    shared_legend(figure, width)
    return figure


def _named(models: Sequence[Mapping[str, Any]], width: float) -> list[Mapping[str, Any]]:
    """Return the models that have room for a name: all, or on one column those that no cheaper one beats."""
    if width > NARROW:
        return list(models)
    return [
        one
        for one in models
        if not any(other["cost"] <= one["cost"] and other["quality"] > one["quality"] for other in models)
    ]


def upper_hull(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the upper convex hull of (cost, quality) points, from the cheapest to the best."""
    hull: list[tuple[float, float]] = []
    for point in sorted(set(points)):
        if hull and point[1] <= hull[-1][1]:
            continue
        # A point under the line between its neighbours can be beaten by tossing a coin between them.
        while len(hull) > 1 and _turn(hull[-2], hull[-1], point) >= 0:
            hull.pop()
        hull.append(point)
    return hull


def _turn(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
