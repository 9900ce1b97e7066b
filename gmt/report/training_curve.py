"""Draw how a network learned, and say what became of it."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gmt.report.look import GREY, NARROW, WIDE, new_figure, panel_name
from gmt.report.result_values import number
from gmt.report.router_looks import plain

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LOSS, AUC = "#D55E00", "#0072B2"


def draw_training(
    lines: Sequence[Mapping[str, Any]], part: str = "the graph network", became: str = "", width: float = WIDE
) -> Figure:
    """Draw the loss and the validation AUC over the steps, the step whose weights are kept marked.

    Args:
        lines: The objects of `metrics.jsonl`, one for each evaluation.
        part: Which part of the router learned.
        became: What validation decided on it, such as that it was switched off; written into the figure, for the curve
            of a part that no score depends on must not pass for the router's.
        width: Inches.
    """
    beside = width > NARROW
    figure = new_figure(width, 2.3 if beside else 3.5)
    left, right = figure.subplots(1, 2) if beside else figure.subplots(2, 1, sharex=True)
    steps = [line["step"] for line in lines]
    for axes, key, colour, marker in ((left, "loss", LOSS, "s"), (right, "valid_auc", AUC, "o")):
        values = [number(line.get(key)) for line in lines]
        axes.plot(steps, values, color=colour, marker=marker, markersize=3, linewidth=1.3)
    left.set_ylabel("training loss")
    right.set_ylabel("validation AUC")
    for axes in (left, right) if beside else (right,):
        axes.set_xlabel("training step")
    panel_name(left, plain(textwrap.fill(part, int(7 * width) if beside else int(13 * width))))
    scored = [(number(line.get("valid_auc")), line["step"]) for line in lines]
    # Without a pair to validate on there is no AUC, and no step to keep.
    scored = [pair for pair in scored if not math.isnan(pair[0])]
    if scored:
        auc, step = max(scored, key=lambda pair: pair[0])
        right.axvline(step, color=GREY, linestyle=":", linewidth=1.0)
        # The label goes to the side of the line on which the figure has more room.
        side = "right" if step > sum(steps[:1] + steps[-1:]) / 2 else "left"
        text = f" kept: step {step}, AUC {auc:.3f} "
        right.text(step, min(pair[0] for pair in scored), text, ha=side, va="bottom", fontsize=8)
    if became:
        # About seventeen letters of 8 points an inch.
        figure.supxlabel(
            plain(textwrap.fill(became.replace(" ± ", "\u00a0±\u00a0"), int(15 * width))), fontsize=8, color=LOSS
        )
    return figure
