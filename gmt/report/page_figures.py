"""Draw the figures of one run for a page, each with a caption that says what is seen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gmt.data.interactions import InteractionTable
from gmt.errors import UserError
from gmt.report.inline_svg import DRAWING, inline_svg
from gmt.report.look import STYLE
from gmt.report.result_values import shots_of
from gmt.report.router_figures import cold_start_figure, results_figure
from gmt.report.run_facts import RunFacts
from gmt.report.training_curve import training_figure
from gmt.report.user_graph import longest_talk, picture_of, user_graph_figure
from gmt.runs import read_jsonl

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LARGEST = 600_000
"""Characters of a figure that still stands on a page."""


@dataclass(frozen=True)
class PageFigure:
    """Hold a figure of a page.

    Args:
        caption: What is seen.
        svg: The drawing; empty where there is none, and the caption says why.
        wide: Whether it needs the width of the page.
    """

    caption: str
    svg: str
    wide: bool


def page_figures(facts: RunFacts, history: InteractionTable, name: str, with_people: bool) -> list[PageFigure]:
    """Draw what a run's folder allows.

    Args:
        facts: The run.
        history: What it was trained on.
        name: Begins the ids of all its figures.
        with_people: Draw what shows a user's texts and name.
    """
    import matplotlib

    out = []
    # In a context: a notebook that draws figures of its own keeps its look.
    with matplotlib.rc_context({**STYLE, **DRAWING, "svg.hashsalt": name}):
        for caption, figure, wide in _drawings(facts, history if with_people else None):
            svg = inline_svg(figure, f"{name}-figure-{len(out) + 1}", caption)
            if len(svg) > LARGEST:
                caption, svg = f"{caption} It is too large for this page; gmt figures draws it.", ""
            out.append(PageFigure(caption, svg, wide))
    return out


def _drawings(facts: RunFacts, history: InteractionTable | None) -> Iterator[tuple[str, Figure, bool]]:
    """Yield caption, figure and whether it is wide."""
    for label in facts.results:
        result = facts.summary(label)
        shots = shots_of(result)
        yield (
            f"Routers on {label}, the best on top: AUC and accuracy over pairs of different ratings, with 95 % "
            "intervals over users.",
            results_figure([result]),
            True,
        )
        if len(shots) > 1:  # one number of shots is a point and not a curve
            yield (
                f"Cold start on {label}: what routers reach after {', '.join(shots)} rated rounds of a user they never "
                "met.",
                cold_start_figure(result),
                True,
            )
    if lines := list(read_jsonl(facts.folder.metrics)):
        yield "Training of the network: loss and validation AUC over its steps.", training_figure(lines), False
    if history is not None and len(history):
        try:
            figure = user_graph_figure(picture_of(history, longest_talk(history)))
        except UserError:
            return
        yield "The longest conversation in the training part, as the graph that the network reads.", figure, True
