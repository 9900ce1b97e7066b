"""Read one person's history as the graph that the network sees: user, query, turn, response and model nodes."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from gmt.data.interactions import InteractionTable
from gmt.errors import DataError

KINDS = ("user", "turn", "query", "response", "llm")


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
        edges: Pairs of node numbers; a pair of turns runs from the earlier to the later.

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

    @classmethod
    def of(cls, nodes: Any, edges: Any) -> GraphPicture:
        """Read what `to_json` wrote."""
        return cls(tuple(Node(**node) for node in nodes), tuple((int(a), int(b)) for a, b in edges))

    def to_json(self) -> dict[str, Any]:
        """Return plain values, the arguments of `draw_user_graph`."""
        return {"nodes": [asdict(node) for node in self.nodes], "edges": [list(edge) for edge in self.edges]}

    def joined(self, node: int, kind: str) -> list[int]:
        """Return the nodes of a kind that share an edge with a node, in order."""
        ends = [b if a == node else a for a, b in self.edges if node in (a, b)]
        return sorted({end for end in ends if self.nodes[end].kind == kind})


def longest_talk(table: InteractionTable) -> str:
    """Return the user with the longest conversation, the one whose graph shows most."""
    if not len(table):
        raise DataError("the table holds no comparison to draw; expected at least one")
    # The highest turn number ends the longest conversation.
    return table.users[table.user[int(np.argmax(table.turn))]]


def picture_of(table: InteractionTable, user: str, rounds: int = 3, answers: int = 8) -> GraphPicture:
    """Return the graph of the user's longest conversation, cut after some rounds and answers.

    The user is drawn as "the user": whose graph it is stays out of a figure.

    Raises:
        DataError: The table holds nothing of that user.
    """
    own = np.flatnonzero(table.user == table.users.index(user)) if user in table.users else np.zeros(0, np.int64)
    if not len(own):
        raise DataError(f"the table holds no comparison of {user!r}; expected one of its {len(table.users)} users")
    talk = table.conversation[own[np.argmax(table.turn[own])]]
    chosen = own[table.conversation[own] == talk]
    chosen = chosen[np.argsort(table.turn[chosen], kind="stable")][:rounds]
    nodes, edges = [Node("user", "the user")], []
    # Models are shared by all turns, so each is one node; the last turn of each is where its next one is joined.
    llms: dict[str, int] = {}
    last: dict[str, int] = {}
    for c in chosen:
        # Two answers of a round at least, however many rounds there are; of more than fit the first are drawn.
        fit = max(2, answers // len(chosen))
        query = _put(nodes, "query", table.texts[table.query[c]])
        for row in range(table.start[c], min(table.start[c + 1], table.start[c] + fit)):
            rating, name = table.rating[row], table.models[table.model[row]]
            rated = "unrated" if np.isnan(rating) else f"rated {rating:.2g}"
            turn = _put(nodes, "turn", f"round {table.turn[c] + 1}\n{rated}")
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
