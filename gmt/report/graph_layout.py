"""Place the nodes of a user's graph in columns, a row for every answer and a free lane under each row."""

from __future__ import annotations

from dataclasses import dataclass

from gmt.report.user_graph import GraphPicture

COLUMNS = ("user", "query", "turn", "response", "llm")
SHARES = {"user": 0.09, "query": 0.2, "turn": 0.14, "response": 0.24, "llm": 0.16}
"""Width of a column of boxes, as a share of the figure's; what is left is gaps for edges."""
ROW, LANE, HEAD = 0.42, 0.24, 0.3
"""Inches: height of a box, of the free lane under it, and of the names of the columns."""


@dataclass(frozen=True)
class Box:
    """Hold a box by its centre and its half width and height, in inches from the lower left corner."""

    x: float
    y: float
    half_width: float
    half_height: float

    @property
    def left(self) -> float:
        return self.x - self.half_width

    @property
    def right(self) -> float:
        return self.x + self.half_width


@dataclass(frozen=True)
class GraphLayout:
    """Hold where everything of a picture stands.

    Args:
        boxes: One for each node.
        rows: Turn -> its row, from the top.
        width, height: Inches.
    """

    boxes: tuple[Box, ...]
    rows: dict[int, int]
    width: float
    height: float

    @classmethod
    def of(cls, picture: GraphPicture, width: float) -> GraphLayout:
        """Lay a picture out at a width."""
        turns = [n for n, node in enumerate(picture.nodes) if node.kind == "turn"]
        rows = {turn: row for row, turn in enumerate(turns)}
        height = HEAD + max(len(turns), 1) * (ROW + LANE) + 0.05
        centres = _centres(width)

        def at_row(row: float) -> float:
            return height - HEAD - (row + 0.5) * (ROW + LANE) + LANE / 2

        llms = sorted(
            (n for n, node in enumerate(picture.nodes) if node.kind == "llm"),
            key=lambda n: sum(rows[t] for t in picture.joined(n, "turn")) / max(len(picture.joined(n, "turn")), 1),
        )
        boxes = []
        for number, node in enumerate(picture.nodes):
            near = [rows[turn] for turn in picture.joined(number, "turn")]
            half = ROW / 2
            if node.kind == "turn":
                row: float = rows[number]
            elif node.kind == "llm":
                # Spread over the whole height: models shared by many turns would fall on one spot.
                row = (llms.index(number) + 0.5) * max(len(turns), 1) / len(llms) - 0.5
            elif node.kind == "query":
                # Between two rows, so that edges from the user to both turns pass over and under it.
                row = sum(near) // len(near) + 0.5 if len(near) > 1 else (near[0] + 0.42 if near else 0.0)
                half = ROW / 2 - (0.0 if len(near) > 1 else 0.06)
            else:
                row = sum(near) / len(near) if near else 0.0
            boxes.append(Box(centres[node.kind], at_row(row), SHARES[node.kind] * width / 2, half))
        return cls(tuple(boxes), rows, width, height)

    def lane(self, turn: int) -> float:
        """Return the height of the free lane under a turn's row."""
        box = self.boxes[turn]
        return box.y - box.half_height - LANE / 2


def _centres(width: float) -> dict[str, float]:
    gap = width * (1 - sum(SHARES.values())) / (len(COLUMNS) - 1) - 0.02
    centres, x = {}, 0.04
    for kind in COLUMNS:
        centres[kind] = x + SHARES[kind] * width / 2
        x += SHARES[kind] * width + gap
    return centres
