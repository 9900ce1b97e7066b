"""Draw what one user's history looks like as a graph: user, turn, query, response and model nodes in columns."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gmt.data.interactions import InteractionTable
from gmt.errors import DataError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

KINDS = ("user", "turn", "query", "response", "llm")
# Okabe-Ito tints; the shape of the frame repeats the kind for prints without colour.
LOOKS = {
    "user": ("#CC79A7", "circle,pad=0.3"),
    "turn": ("#E69F00", "round,pad=0.25"),
    "query": ("#56B4E9", "square,pad=0.25"),
    "response": ("#009E73", "round4,pad=0.25"),
    "llm": ("#999999", "sawtooth,pad=0.25"),
}
COLUMNS = {"user": 0.0, "turn": 1.1, "query": 2.45, "response": 4.15, "llm": 5.8}


@dataclass(frozen=True)
class Node:
    """Hold a node: its kind, one of `KINDS`, and what is written in it."""

    kind: str
    label: str


@dataclass(frozen=True)
class GraphPicture:
    """Hold the nodes of one user's graph and the edges between them.

    Args:
        nodes: In drawing order, from top to bottom within a kind.
        edges: Pairs of node numbers; a pair of turns is drawn as an arrow from the earlier to the later.

    Raises:
        DataError: A kind is unknown or an edge leads nowhere.
    """

    nodes: tuple[Node, ...]
    edges: tuple[tuple[int, int], ...]

    def __post_init__(self) -> None:
        unknown = [node.kind for node in self.nodes if node.kind not in KINDS]
        if unknown:
            raise DataError(f"node kind is {unknown[0]!r}; expected one of {', '.join(KINDS)}")
        if any(not 0 <= end < len(self.nodes) for edge in self.edges for end in edge):
            raise DataError(f"an edge leads outside the {len(self.nodes)} nodes of the picture; number nodes from 0")


def longest_talk(table: InteractionTable) -> str:
    """Return the user with the longest conversation, the one whose graph shows most."""
    if not len(table):
        raise DataError("the table holds no comparison to draw; expected at least one")
    # The highest turn number ends the longest conversation.
    return table.users[table.user[int(np.argmax(table.turn))]]


def picture_of(table: InteractionTable, user: str, rounds: int = 3) -> GraphPicture:
    """Return the graph of the user's longest conversation, cut after some rounds.

    Raises:
        DataError: The table holds nothing of that user.
    """
    own = np.flatnonzero(table.user == table.users.index(user)) if user in table.users else np.zeros(0, np.int64)
    if not len(own):
        raise DataError(f"the table holds no comparison of {user!r}; expected one of its {len(table.users)} users")
    talk = table.conversation[own[np.argmax(table.turn[own])]]
    chosen = own[table.conversation[own] == talk]
    chosen = chosen[np.argsort(table.turn[chosen], kind="stable")][:rounds]
    nodes, edges = [Node("user", user)], []
    # Models are shared by all turns, so each is one node; the last turn of each is where its next one is joined.
    llms: dict[str, int] = {}
    last: dict[str, int] = {}
    for c in chosen:
        query = _put(nodes, "query", table.texts[table.query[c]])
        for row in range(table.start[c], table.start[c + 1]):
            rating, name = table.rating[row], table.models[table.model[row]]
            rated = "unrated" if np.isnan(rating) else f"rated {rating:g}"
            turn = _put(nodes, "turn", f"turn {table.turn[c]}\n{rated}")
            if name not in llms:
                llms[name] = _put(nodes, "llm", name)
            edges += [(0, turn), (turn, query), (turn, llms[name])]
            if table.response[row] >= 0:
                edges.append((turn, _put(nodes, "response", table.texts[table.response[row]])))
            # Turns of one model are joined forward in time only.
            if name in last:
                edges.append((last[name], turn))
            last[name] = turn
    return GraphPicture(tuple(nodes), tuple(edges))


def _put(nodes: list[Node], kind: str, label: str) -> int:
    """Add a node and return its number."""
    nodes.append(Node(kind, label))
    return len(nodes) - 1


def user_graph_figure(picture: GraphPicture) -> Figure:
    """Draw a graph in five columns, turns from top to bottom."""
    from matplotlib.figure import Figure

    turns = sum(node.kind == "turn" for node in picture.nodes)
    figure = Figure(figsize=(6.8, max(1.8, 0.5 * turns + 0.5)), layout="constrained")
    axes = figure.add_subplot()
    places = _places(picture)
    for source, target in picture.edges:
        _draw_edge(axes, picture.nodes[source].kind == picture.nodes[target].kind, places[source], places[target])
    for node, (x, y) in zip(picture.nodes, places, strict=True):
        colour, frame = LOOKS[node.kind]
        width = {"query": 22, "response": 22}.get(node.kind, 16)
        axes.text(
            x,
            y,
            _short(node.label, width),
            ha="center",
            va="center",
            fontsize=8,
            zorder=3,
            bbox={"boxstyle": frame, "facecolor": _tint(colour), "edgecolor": colour, "linewidth": 1.0},
        )
    present = {node.kind for node in picture.nodes}
    for kind in (kind for kind in KINDS if kind in present):  # a set has another order in each process
        axes.text(COLUMNS[kind], 0.55, kind, ha="center", va="bottom", fontsize=9, fontweight="bold")
    axes.set_xlim(-0.35, 6.35)
    axes.set_ylim(-max(turns, 1) + 0.4, 0.85)
    axes.axis("off")
    return figure


def _places(picture: GraphPicture) -> list[tuple[float, float]]:
    """Return (x, y) of every node: turns on a row each, the others beside the turns they belong to."""
    kinds = [node.kind for node in picture.nodes]
    rows = {node: -float(row) for row, node in enumerate(n for n, kind in enumerate(kinds) if kind == "turn")}
    heights = []
    for number in range(len(kinds)):
        others = [b if a == number else a for a, b in picture.edges if number in (a, b)]
        near = [rows[node] for node in others if node in rows]
        heights.append(rows[number] if number in rows else float(np.mean(near)) if near else 0.0)
    llms = sorted((n for n, kind in enumerate(kinds) if kind == "llm"), key=lambda n: -heights[n])
    for place, node in enumerate(llms):
        # Models shared by many turns would fall on one spot; spread them over the whole height.
        heights[node] = -(place + 0.5) * max(len(rows), 1) / len(llms) + 0.5
    return [(COLUMNS[kind], height) for kind, height in zip(kinds, heights, strict=True)]


def _draw_edge(axes: Axes, between_turns: bool, start: tuple[float, float], end: tuple[float, float]) -> None:
    if between_turns:
        arrow = {"arrowstyle": "-|>", "connectionstyle": "arc3,rad=0.35", "color": "#D55E00", "linewidth": 1.2}
        # The arrow swings out beside the boxes, where no other edge runs along it.
        ends = [(x - 0.36, y) for x, y in (start, end)]
        axes.annotate("", xy=ends[1], xytext=ends[0], arrowprops={**arrow, "shrinkA": 0, "shrinkB": 0}, zorder=2)
    else:
        axes.plot([start[0], end[0]], [start[1], end[1]], color="#777777", linewidth=0.7, zorder=1)


def _short(label: str, width: int) -> str:
    if "\n" in label and len(label) < width:
        return label
    return "\n".join(textwrap.wrap(" ".join(label.split()), width, max_lines=2, placeholder=" …")).replace("$", r"\$")


def _tint(colour: str) -> tuple[float, float, float]:
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return (1 - 0.25 * (1 - red), 1 - 0.25 * (1 - green), 1 - 0.25 * (1 - blue))
