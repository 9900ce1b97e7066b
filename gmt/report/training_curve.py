"""Draw how a network learned."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gmt.report.look import COLOURS, GREY
from gmt.report.result_values import number

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def training_figure(lines: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw the loss and the validation AUC over the steps, the best step marked.

    Args:
        lines: The objects of `metrics.jsonl`, one per evaluation.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.4, 3.2), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True)
    steps = [line["step"] for line in lines]
    for axes, key, colour, marker in ((upper, "loss", COLOURS[1], "s"), (lower, "valid_auc", COLOURS[0], "o")):
        axes.plot(
            steps, [number(line.get(key)) for line in lines], color=colour, marker=marker, markersize=3, linewidth=1.3
        )
    upper.set_ylabel("training loss")
    lower.set_ylabel("validation AUC")
    lower.set_xlabel("step")
    scored = [(number(line.get("valid_auc")), line["step"]) for line in lines]
    # Without a pair to validate on there is no AUC, and no best step to mark.
    scored = [pair for pair in scored if not math.isnan(pair[0])]
    if scored:
        auc, step = max(scored, key=lambda pair: pair[0])
        lower.axvline(step, color=GREY, linestyle=":", linewidth=1.0)
        # The label goes to the side of the line on which the figure has more room.
        side = "right" if step > sum(steps[:1] + steps[-1:]) / 2 else "left"
        text = f" best {auc:.3f} at step {step} "
        lower.text(step, min(pair[0] for pair in scored), text, ha=side, va="bottom", fontsize=8)
    return figure
