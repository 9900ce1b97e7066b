"""Draw how much each person gains by a router of their own, sorted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gmt.report.drawn_text import wrapped
from gmt.report.look import GREY, INK, NARROW, WIDE, new_figure, panel_name
from gmt.report.router_looks import plain, router_label

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GAIN, LOSS = "#0072B2", "#D55E00"


def draw_user_gains(
    sets: Sequence[Mapping[str, Any]],
    over: str = "bradley_terry",
    measure: str = "log loss saved per pair",
    width: float = WIDE,
) -> Figure:
    """Draw a bar for each person, from whom it harms to whom it helps most, with the uncertainty of each.

    Args:
        sets: Each with `label` and `users`: `gain`, `low` and `high` (null where there are too few votes) and `pairs`
            of every person; nobody is named.
        over: The router that treats all alike.
        measure: What a gain is counted in.
        width: Inches.
    """
    columns = len(sets) if width > NARROW else 1
    figure = new_figure(width, 2.5 * -(-len(sets) // columns) + 0.1)
    grid = figure.subplots(-(-len(sets) // columns), columns, squeeze=False)
    for axes, one in zip(grid.flat, sets, strict=True):
        users = sorted(one["users"], key=lambda user: user["gain"])
        gain = np.array([user["gain"] for user in users])
        places = np.arange(len(users))
        helped = gain > 0
        # Two tones and two patterns: in a print in grey the sign shows by the side of the line anyway.
        axes.bar(places[helped], gain[helped], width=0.8, color=GAIN, alpha=0.75, linewidth=0)
        axes.bar(places[~helped], gain[~helped], width=0.8, color=LOSS, alpha=0.75, linewidth=0)
        for place, user in zip(places, users, strict=True):
            if user["low"] is not None:
                axes.plot([place, place], [user["low"], user["high"]], color=INK, linewidth=0.5, alpha=0.6)
        axes.axhline(0.0, color=GREY, linewidth=0.9)
        mean = float(np.average(gain, weights=[user["pairs"] for user in users]))
        sure = sum(user["low"] is not None and user["low"] > 0 for user in users)
        harmed = sum(user["high"] is not None and user["high"] < 0 for user in users)
        said = (
            f"better for {int(helped.sum())} of {len(users)}; beyond doubt better for {sure} and worse for {harmed}; "
            f"mean over pairs {mean:+.3f}"
        )
        axes.set_xticks([])
        axes.grid(axis="x", visible=False)
        axes.set_xlabel("people, sorted by what they gain")
        axes.set_ylabel(plain(f"{measure}\nover {router_label(over)}"))
        letters = int(15 * width / columns)
        said = wrapped(said, int(1.1 * letters), 3)
        panel_name(axes, plain(wrapped(one["label"], letters, 2)) + "\n" * (said.count("\n") + 1))
        # Over the panel: within it there is always somebody's bar.
        axes.annotate(
            said,
            (0.0, 1.0),
            xytext=(0, 2),
            xycoords="axes fraction",
            textcoords="offset points",
            va="bottom",
            fontsize=7,
        )
        # Lone people with a handful of votes would stretch the axis until the others lie flat.
        low, high = np.quantile(gain, [0.0, 1.0])
        room = 0.35 * (high - low)
        axes.set_ylim(min(low, 0.0) - room, max(high, 0.0) + room)
    return figure
