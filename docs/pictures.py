"""Draw the two pictures of docs/concepts.md: a conversation as a graph, and how a score comes about.

Run from anywhere: `python docs/pictures.py --out docs`.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

INK, PAPER = "#24343d", "#ffffff"
# Okabe-Ito colours, lightened; kinds also differ by their place and their words, for prints without colour.
FILLS = {"user": "#f0d3e3", "turn": "#fae3b0", "query": "#cfe8f8", "response": "#c4e8da", "model": "#dcdcdc"}
PARTS = {"input": "#ffffff", "closed form": "#fae3b0", "learned": "#cfe8f8", "answer": "#c4e8da"}


@dataclass(frozen=True)
class Box:
    """Hold a box of a picture: its middle, size, words and colour."""

    x: float
    y: float
    words: str
    fill: str
    width: float = 1.5
    height: float = 0.56

    def side(self, name: str) -> tuple[float, float]:
        """Return the middle of its left, right, top or bottom."""
        across = {"left": -self.width / 2, "right": self.width / 2}.get(name, 0.0)
        up = {"bottom": -self.height / 2, "top": self.height / 2}.get(name, 0.0)
        return self.x + across, self.y + up


class Sheet:
    """Draw boxes and the lines between them, and write the same file each time.

    Args:
        size: Width and height in inches; the units of all places are those of `limits`.
        limits: Left, right, bottom and top.
    """

    def __init__(self, size: tuple[float, float], limits: tuple[float, float, float, float]) -> None:
        import matplotlib

        matplotlib.use("Agg")
        import matplotlib.pyplot as plt

        # Letters as shapes: a reader's own font would be wider than its box. The salt makes equal pictures equal files.
        plt.rcParams.update(
            {"font.family": "DejaVu Sans", "font.size": 8, "svg.hashsalt": "gmt", "svg.fonttype": "path"}
        )
        self.figure: Any
        self.axes: Any
        self.figure, self.axes = plt.subplots(figsize=size, facecolor=PAPER)
        self.axes.set(xlim=limits[:2], ylim=limits[2:])
        self.axes.axis("off")
        self.figure.subplots_adjust(0, 0, 1, 1)

    def box(self, box: Box) -> None:
        """Draw a box with its words."""
        from matplotlib.patches import FancyBboxPatch

        corner = (box.x - box.width / 2, box.y - box.height / 2)
        look = {"boxstyle": "round,pad=0,rounding_size=0.1", "fc": box.fill, "ec": INK, "lw": 0.9, "zorder": 3}
        self.axes.add_patch(FancyBboxPatch(corner, box.width, box.height, **look))
        self.axes.text(box.x, box.y, box.words, ha="center", va="center", color=INK, zorder=4, linespacing=1.3)

    def line(self, start: tuple[float, float], end: tuple[float, float], **look: Any) -> None:
        """Draw a line, or with `arrow` one that points; `bend` curves it."""
        from matplotlib.patches import FancyArrowPatch

        kind = "-|>" if look.pop("arrow", False) else "-"
        bend = f"arc3,rad={look.pop('bend', 0.0)}"
        style = {"arrowstyle": kind, "mutation_scale": 9, "color": INK, "lw": 0.9, "shrinkA": 0, "shrinkB": 0} | look
        self.axes.add_patch(FancyArrowPatch(start, end, connectionstyle=bend, zorder=2, **style))

    def note(self, x: float, y: float, words: str, **look: Any) -> None:
        """Write words without a box."""
        self.axes.text(x, y, words, color=INK, zorder=4, **{"ha": "center", "va": "center", "fontsize": 7.5} | look)

    def save(self, path: Path) -> None:
        """Write the picture and forget it."""
        import matplotlib.pyplot as plt

        self.figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None, dpi=150)
        plt.close(self.figure)


def draw_graph(path: Path) -> None:
    """Draw one conversation of two rounds, two answers each, as nodes and edges."""
    sheet = Sheet((7.6, 4.1), (-1.0, 9.6, -0.95, 5.35))
    user = Box(0, 2.2, "user\nana", FILLS["user"])
    models = [Box(0, y, f"model\n{name}", FILLS["model"]) for y, name in ((4.2, "atlas"), (0.2, "bolt"))]
    # 1. A turn stands for one answer of one round: what was asked, who answered what, how it was rated.
    turns, answers, queries = [], [], []
    for round_, (middle, question) in enumerate(((3.6, "“Reverse a list\nin Python?”"), (0.8, "“Shorter,\nplease.”"))):
        queries.append(Box(5.35, middle, f"query {round_ + 1}: {question}", FILLS["query"], 2.1))
        # The second round stands upside down, so that the arrows between rounds lie inside each other and never cross.
        for shift, who in ((0.6, round_), (-0.6, 1 - round_)):
            y = middle + shift
            turns.append((who, Box(2.75, y, f"turn {round_ + 1}\n{('won', 'lost')[who]}", FILLS["turn"])))
            answers.append(Box(8.35, y, f"response of\n{('atlas', 'bolt')[who]}", FILLS["response"], 1.8))
    # 2. Each turn joins what it is about; nothing lies between, so that every line is seen whole.
    for number, ((who, turn), answer) in enumerate(zip(turns, answers, strict=True)):
        sheet.line(user.side("right"), turn.side("left"), color="#a3457f")
        sheet.line(models[who].side("right"), turn.side("left"), color="#7a7a7a")
        sheet.line(turn.side("right"), queries[number // 2].side("left"), color="#2f7fb5")
        sheet.line(turn.side("right"), answer.side("left"), color="#1f8a63")
    for (_, earlier), (_, later), at, bend in ((turns[1], turns[2], 0.0, 0.0), (turns[0], turns[3], 0.6, -0.32)):
        start, end = (earlier.x + at, earlier.y - 0.28), (later.x + at, later.y + 0.28)
        sheet.line(start, end, arrow=True, ls="--", bend=bend)
    for box in (user, *models, *(turn for _, turn in turns), *queries, *answers):
        sheet.box(box)
    sheet.note(
        4.3, 5.05, "A turn joins the user, the query, one model and its response; its rating stands on it alone."
    )
    sheet.note(4.3, -0.65, "Dashed: the turn after it in the same conversation (GMTRouter's design).")
    sheet.save(path)


def draw_model(path: Path) -> None:
    """Draw how a score comes about: two posteriors in closed form, and what a network may tell them."""
    sheet = Sheet((7.6, 4.3), (0, 11.4, -0.35, 6.1))
    told = Box(1.45, 5.0, "everybody's\nvotes, stars, words", PARTS["input"], 2.3, 0.8)
    own = Box(1.45, 3.1, "this user's\nown rounds", PARTS["input"], 2.3, 0.8)
    seen = Box(1.45, 1.2, "texts of queries,\nanswers, models:\nno rating", PARTS["input"], 2.3, 1.0)
    quality = Box(5.3, 5.0, "answer quality f(q, m)\none posterior for all", PARTS["closed form"], 3.2, 0.8)
    effects = Box(
        5.3,
        3.1,
        "user effects: what they prefer,\nwhere the query matters, how\nsharply they tell answers apart",
        PARTS["closed form"],
        3.2,
        1.1,
    )
    traits = Box(5.3, 1.2, "graph network (HGT)\ntraits φ(q, m, r) of answers", PARTS["learned"], 3.2, 0.8)
    query = Box(9.6, 5.75, "query, its conversation, candidates", PARTS["input"], 3.3, 0.5)
    score = Box(9.6, 4.05, "score = quality\n+ personal part", PARTS["answer"], 2.6, 0.8)
    ranking = Box(
        9.6,
        1.8,
        "ranking: score and ±,\nchance to win, margin\nover an unknown user,\nand which rounds moved it",
        PARTS["answer"],
        2.9,
        1.35,
    )
    for one, other in ((told, quality), (own, effects), (seen, traits), (quality, score), (effects, score)):
        sheet.line(one.side("right"), other.side("left"), arrow=True)
    sheet.line(quality.side("bottom"), effects.side("top"), arrow=True)
    sheet.line(query.side("bottom"), score.side("top"), arrow=True)
    sheet.line(score.side("bottom"), ranking.side("top"), arrow=True)
    sheet.line(traits.side("top"), effects.side("bottom"), arrow=True, ls="--")
    sheet.note(5.45, 2.07, "only where validation says so,\nby two standard errors", ha="left")
    for box in (told, own, seen, quality, effects, traits, query, score, ranking):
        sheet.box(box)
    legend = (("closed form: no gradient for anybody new", 0.5), ("learned once, through the users' solve", 6.0))
    for (words, x), fill in zip(legend, (PARTS["closed form"], PARTS["learned"]), strict=True):
        sheet.box(Box(x, 0.0, "", fill, 0.36, 0.3))
        sheet.note(x + 0.35, 0.0, words, ha="left")
    sheet.save(path)


def main() -> None:
    """Write both pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs"), help="folder to write graph.svg and model.svg into")
    parser.add_argument("--format", default="svg", help="svg, png or pdf")
    options = parser.parse_args()
    draw_graph(options.out / f"graph.{options.format}")
    draw_model(options.out / f"model.{options.format}")


if __name__ == "__main__":
    main()
