"""Draw the figures of one run for a page, each with a caption that says what is seen."""

from __future__ import annotations

from dataclasses import dataclass

from gmt.report.inline_svg import DRAWING, inline_svg
from gmt.report.look import NARROW, STYLE, WIDE
from gmt.report.run_facts import RunFacts
from gmt.report.run_figures import files_of_run

LARGEST = 600_000
"""Characters of a figure that still stands on a page."""
PRIVATE = ("user-graph", "decision")
"""Kinds of figures that show somebody's texts."""
SLIM = ("training",)
"""Kinds that one column of the page holds."""


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


def page_figures(facts: RunFacts, name: str, with_people: bool) -> list[PageFigure]:
    """Draw what a run's folder allows, and say what it does not.

    Args:
        facts: The run.
        name: Begins the ids of all its figures.
        with_people: Draw what shows a user's texts.
    """
    import matplotlib

    files, notes = files_of_run(facts.folder.root)
    out: list[PageFigure] = []
    # In a context: a notebook that draws figures of its own keeps its look.
    with matplotlib.rc_context({**STYLE, **DRAWING, "svg.hashsalt": name}):
        for one in files:
            if one.kind in PRIVATE and not with_people:
                continue
            wide, caption = one.kind not in SLIM, one.caption
            svg = inline_svg(one.draw(WIDE if wide else NARROW), f"{name}-figure-{len(out) + 1}", caption)
            if len(svg) > LARGEST:
                caption, svg = f"{caption} It is too large for this page; gmt figures draws it.", ""
            out.append(PageFigure(caption, svg, wide))
    return out + [PageFigure(note, "", True) for note in notes]
