"""Draw one person's history as a graph whose edges show which answer came from which model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gmt.report.drawn_text import MISSING_NOTE, drawable, font_families, is_replaced, masked, wrapped
from gmt.report.graph_layout import COLUMNS, Box, GraphLayout
from gmt.report.look import GREY, INK, NARROW, WIDE
from gmt.report.router_looks import SPARE, plain
from gmt.report.user_graph import GraphPicture

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NAMES = {"user": "user", "query": "question", "turn": "turn", "response": "answer", "llm": "model"}
CORNERS = {"user": "round,pad=0,rounding_size=0.18", "turn": "round,pad=0,rounding_size=0.08"}


def draw_user_graph(nodes: Sequence[Mapping[str, str]], edges: Sequence[Sequence[int]], width: float = WIDE) -> Figure:
    """Draw a graph of nodes in five columns, a row for every answer.

    An edge to a model runs in the free lane under its answer, in the model's own colour and dash, so that no box hides
    it. E-mail addresses are masked, and letters without a font are replaced and counted.

    Args:
        nodes: Each with `kind` and `label`, from top to bottom within a kind.
        edges: Pairs of node numbers; of two turns of one model the earlier stands first.
        width: Inches.
    """
    from matplotlib.figure import Figure

    picture = GraphPicture.of(nodes, edges)
    layout = GraphLayout.of(picture, width)
    missing = any(is_replaced(node.label) for node in picture.nodes)
    foot = 0.17 if missing else 0.0
    size = 8.0 if width > NARROW else 5.6
    figure = Figure(figsize=(width, layout.height + foot))
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set_xlim(0, width)
    axes.set_ylim(-foot, layout.height)
    axes.axis("off")
    models = [n for n, node in enumerate(picture.nodes) if node.kind == "llm"]
    looks = {number: SPARE[place % len(SPARE)] for place, number in enumerate(models)}
    _draw_edges(axes, picture, layout, looks)
    for number, node in enumerate(picture.nodes):
        colour = looks[number][0] if number in looks else GREY
        _draw_box(axes, layout.boxes[number], node.kind, node.label, colour, size)
    for kind in COLUMNS:
        there = [layout.boxes[n] for n, node in enumerate(picture.nodes) if node.kind == kind]
        if there:
            axes.text(there[0].x, layout.height - 0.16, NAMES[kind], ha="center", fontsize=size, fontweight="bold")
    if missing:
        axes.text(0.04, -foot + 0.04, MISSING_NOTE, fontsize=min(size, 7), color=GREY)
    return figure


def _draw_edges(
    axes: Axes, picture: GraphPicture, layout: GraphLayout, looks: Mapping[int, tuple[str, str, Any]]
) -> None:
    for turn in layout.rows:
        box = layout.boxes[turn]
        llm = next(iter(picture.joined(turn, "llm")), None)
        colour, _, dash = looks[llm] if llm is not None else (GREY, "", "-")
        for query in picture.joined(turn, "query"):
            of_query = layout.boxes[query]
            axes.plot([of_query.right, box.left], [of_query.y, box.y], color=GREY, linewidth=0.8, zorder=2)
        for user in picture.joined(turn, "user"):
            of_user = layout.boxes[user]
            _through(axes, [(of_user.right, of_user.y), (of_user.right + 0.1, box.y), (box.left, box.y)], "#999999")
        for response in picture.joined(turn, "response"):
            ends = [box.right, layout.boxes[response].left]
            axes.plot(ends, [box.y, layout.boxes[response].y], color=colour, linestyle=dash, linewidth=1.3, zorder=3)
        if llm is not None:
            # Down beside the turn, along the lane under its answer, and to the model: no box stands on this way.
            of_llm, lane = layout.boxes[llm], layout.lane(turn)
            gap = of_llm.left - max(
                (layout.boxes[r].right for r in picture.joined(turn, "response")), default=box.right
            )
            way = [(box.right, box.y - 0.06), (box.right + 0.09, lane), (of_llm.left - 0.7 * min(gap, 0.3), lane)]
            way.append((of_llm.left, of_llm.y))
            _through(axes, way, colour, dash, 1.3)
    for source, target in picture.edges:
        if picture.nodes[source].kind == picture.nodes[target].kind == "turn":
            llm = next(iter(picture.joined(source, "llm")), None)
            colour, _, _ = looks[llm] if llm is not None else (GREY, "", "-")
            # Each model's arrows swing out by a width of their own, or they would run into one line.
            place = list(looks).index(llm) if llm is not None else 0
            out = (0.10 + 0.07 * (place % 3)) * layout.width / WIDE
            _draw_next(axes, layout.boxes[source], layout.boxes[target], colour, out)


def _through(
    axes: Axes, points: Sequence[tuple[float, float]], colour: str, dash: Any = "-", linewidth: float = 0.8
) -> None:
    axes.plot(
        [x for x, _ in points],
        [y for _, y in points],
        color=colour,
        linestyle=dash,
        linewidth=linewidth,
        solid_joinstyle="round",
        zorder=3,
    )


def _draw_next(axes: Axes, earlier: Box, later: Box, colour: str, out: float) -> None:
    """Draw the arrow from a turn to the next one of its model, swung out to the left, where no text stands."""
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path

    start, end = (earlier.left, earlier.y - 0.1), (later.left, later.y + 0.1)
    bend = [start, (start[0] - out, start[1]), (end[0] - out, end[1]), end]
    path = Path(bend, [Path.MOVETO, Path.CURVE4, Path.CURVE4, Path.CURVE4])
    axes.add_patch(
        FancyArrowPatch(path=path, arrowstyle="-|>", mutation_scale=7, color=colour, linewidth=1.0, fill=True, zorder=5)
    )


def _draw_box(axes: Axes, box: Box, kind: str, label: str, colour: str, size: float) -> None:
    from matplotlib.patches import FancyBboxPatch

    corner = (box.left, box.y - box.half_height)
    strong = kind == "llm"
    axes.add_patch(
        FancyBboxPatch(
            corner,
            2 * box.half_width,
            2 * box.half_height,
            boxstyle=CORNERS.get(kind, "square,pad=0"),
            facecolor="white",
            edgecolor=colour,
            linewidth=1.6 if strong else 0.9,
            zorder=4,
        )
    )
    # 0.0075 inches a column and point: DejaVu Sans is about six tenths of its size wide.
    columns = max(4, int((2 * box.half_width - 0.06) / (0.0080 * size)))
    lines = max(1, int(2 * box.half_height / (0.0167 * size)))
    text = drawable(masked(label))
    if kind == "turn":
        said = "\n".join(wrapped(line, columns, 1) for line in text.split("\n"))
    else:
        said = wrapped(text, columns, lines)
    axes.text(
        box.x, box.y, plain(said), ha="center", va="center", fontsize=size, color=INK, zorder=6, family=font_families()
    )
