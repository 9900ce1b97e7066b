"""Count and draw the house: modules, their length, comments, import circles, and who imports whom.

Run from the root of a checkout: `python docs/house.py [--draw docs/architecture.svg]`.
"""

from __future__ import annotations

import argparse
import ast
import io
import statistics
import tokenize
from collections import defaultdict
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

PACKAGES = ("data_prep", "gmt")
LODGERS = {
    "data_prep.pool": "data_prep.read",  # it reads a file of models, and the sources that read rows need it
    "gmt.__main__": "gmt.cli",  # another name of the command line
}
SWEEPS = 24  # passes of the layout, down and up in turn; after some ten it hardly changes
BOX = 0.44  # height of a box, where layers are 1 apart


def modules(root: Path) -> dict[str, Path]:
    """Return dotted name -> file of every module of the project, empty `__init__` files left out."""
    found = {}
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            name = ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")
            if path.name != "__init__.py" or path.read_text("utf-8").count("\n") > 1:
                found[name] = path
    return found


def imports(path: Path, known: dict[str, Path]) -> set[str]:
    """Return the modules of the project that a module imports anywhere in its text, but for its types alone."""
    tree = ast.parse(path.read_text("utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            node.body = []  # what only a type checker reads is never run
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names & set(known)


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Return the groups of modules that import each other in a circle (Tarjan's strongly connected components)."""
    number: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(name: str) -> None:
        number[name] = low[name] = len(number)
        stack.append(name)
        for target in graph[name]:
            if target not in number:
                visit(target)
                low[name] = min(low[name], low[target])
            elif target in stack:
                low[name] = min(low[name], number[target])
        if low[name] == number[name]:
            at = stack.index(name)
            group = stack[at:]
            del stack[at:]
            if len(group) > 1:
                found.append(sorted(group))

    for name in graph:
        if name not in number:
            visit(name)
    return found


def comments(path: Path) -> int:
    """Count comments, those that only speak to tools left out."""
    text = path.read_text("utf-8")
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    marks = ("# noqa", "# type:", "# pyright", "# fmt")
    return sum(token.type == tokenize.COMMENT and not token.string.startswith(marks) for token in tokens)


def lines_of_code(path: Path) -> int:
    """Count lines that are not blank."""
    return sum(bool(line.strip()) for line in path.read_text("utf-8").splitlines())


def measure(root: Path) -> dict[str, object]:
    """Return the numbers that say how easy the house is to enter."""
    known = modules(root)
    lengths = {name: path.read_text("utf-8").count("\n") for name, path in known.items()}
    longest = max(lengths, key=lambda name: lengths[name])
    written = sum(comments(path) for path in known.values())
    stems = defaultdict(list)
    for name, path in known.items():
        stems[path.stem].append(name)
    anywhere = {name: imports(path, known) for name, path in known.items()}
    return {
        "modules": len(known),
        "median module, lines": statistics.median(lengths.values()),
        "longest module": f"{longest} ({lengths[longest]} lines)",
        "modules of more than 250 lines": sum(length > 250 for length in lengths.values()),
        "comments per 100 lines": round(100 * written / sum(lines_of_code(path) for path in known.values()), 1),
        "import circles": len(circles(anywhere)),
        "modules in circles": sum(len(group) for group in circles(anywhere)),
        "names that several modules bear": sum(len(names) > 1 for stem, names in stems.items() if stem != "__init__"),
    }


def room_of(name: str, packages: set[str]) -> str:
    """Return the room that a module counts to: its package, or what stands for the modules of no package.

    Args:
        name: Dotted name of the module.
        packages: Names of all packages below `gmt` and `data_prep`.
    """
    if name in LODGERS:
        return LODGERS[name]
    parts = name.split(".")
    if len(parts) > 2 or (len(parts) == 2 and parts[1] in packages):
        return ".".join(parts[:2])
    return "data_prep" if parts[0] == "data_prep" else "ground"


def rooms(root: Path) -> tuple[dict[str, set[str]], dict[str, int]]:
    """Return which rooms each room imports, and how many modules it has."""
    known = modules(root)
    packages = {name.split(".")[1] for name in known if name.count(".") > 1}
    sizes: dict[str, int] = defaultdict(int)
    graph: dict[str, set[str]] = defaultdict(set)
    known.pop("gmt", None)  # it only passes on names of other rooms, when they are asked for
    for name, path in known.items():
        room = room_of(name, packages)
        sizes[room] += 1
        graph[room] |= {room_of(target, packages) for target in imports(path, known)} - {room}
    return dict(graph), dict(sizes)


def layers_of(graph: dict[str, set[str]]) -> list[list[str]]:
    """Return the rooms from the ground up, each one layer above the highest room that it imports.

    Raises:
        ValueError: Rooms import each other in a circle.
    """
    if found := circles(graph):
        raise ValueError(f"rooms import each other in a circle: {', '.join(found[0])}")
    level: dict[str, int] = {}

    def height(name: str) -> int:
        if name not in level:
            level[name] = 1 + max((height(target) for target in graph[name]), default=-1)
        return level[name]

    layers: dict[int, list[str]] = defaultdict(list)
    for name in graph:
        layers[height(name)].append(name)
    return [sorted(layers[k]) for k in sorted(layers)]


def needed_arrows(graph: dict[str, set[str]]) -> list[tuple[str, str]]:
    """Return (room, room below) without what another imported room brings along, for it needs no arrow of its own."""
    below: dict[str, set[str]] = {}
    for names in layers_of(graph):
        for name in names:
            below[name] = set().union(*(below[target] | {target} for target in graph[name]))
    return [
        (name, target)
        for name in sorted(graph)
        for target in sorted(graph[name])
        if not any(target in below[other] for other in graph[name])
    ]


def ways_of(layers: list[list[str]], arrows: list[tuple[str, str]]) -> list[list[str]]:
    """Return each arrow as the places it goes through, one a layer: its room, slots between boxes, the room below."""
    level = {name: k for k, names in enumerate(layers) for name in names}
    return [
        [upper, *(f"{upper}>{lower}>{k}" for k in range(level[upper] - 1, level[lower], -1)), lower]
        for upper, lower in arrows
    ]


def placed(rows: list[list[str]], ways: list[list[str]], width: dict[str, float]) -> dict[str, float]:
    """Return x of every place so that neighbours in a row do not touch and arrows are short and cross little.

    Source: Sugiyama, Tagawa and Toda (1981), "Methods for visual understanding of hierarchical system structures".

    Args:
        rows: The places of each layer, from the ground up.
        ways: As `ways_of` returns them.
        width: Of every place.
    """
    from scipy.optimize import isotonic_regression

    near: dict[str, list[str]] = defaultdict(list)
    for way in ways:
        for one, next_one in pairwise(way):
            near[one].append(next_one)
            near[next_one].append(one)
    at = {name: float(k) for row in rows for k, name in enumerate(row)}
    for sweep in range(SWEEPS):
        for row in rows if sweep % 2 else rows[::-1]:
            # 1. Every place would stand at the middle of those it is joined to; this order crosses few arrows.
            wish = {name: statistics.mean(at[other] for other in near[name]) if near[name] else 0.0 for name in row}
            row.sort(key=lambda name: (wish[name], name))
            # 2. Keep the order and the distances: less the room that is taken, positions may only rise.
            taken = list(accumulate((width[a] + width[b]) / 2 for a, b in pairwise(row)))
            taken.insert(0, 0.0)
            free = isotonic_regression([wish[name] - used for name, used in zip(row, taken, strict=True)]).x
            at.update({name: float(x) + used for name, x, used in zip(row, free, taken, strict=True)})
    return at


def curve(points: list[tuple[float, float]]) -> Any:
    """Return a path from box to box that goes straight down past a row of boxes, and bends only between rows."""
    from matplotlib.path import Path as Curve

    (x, y), *rest = points
    y -= BOX / 2
    corners, codes = [(x, y)], [Curve.MOVETO]
    for number, (to_x, to_y) in enumerate(rest, start=1):
        top, middle = to_y + BOX / 2, (y + to_y + BOX / 2) / 2
        corners += [(x, middle), (to_x, middle), (to_x, top)]
        codes += [Curve.CURVE4] * 3
        if number < len(rest):  # the last of them is the box it points to
            corners.append((to_x, to_y - BOX / 2))
            codes.append(Curve.LINETO)
        x, y = to_x, to_y - BOX / 2
    return Curve(corners, codes)


def draw(root: Path, out: Path) -> None:
    """Draw rooms as boxes with their number of modules, the ground below, and arrows to the rooms they need."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

    graph, sizes = rooms(root)
    layers, arrows = layers_of(graph), needed_arrows(graph)
    ways = ways_of(layers, arrows)
    labels = {name: f"{name.removeprefix('gmt.')}  {sizes[name]}" for name in graph}
    width = defaultdict(lambda: 0.3, {name: 0.45 + 0.078 * len(label) for name, label in labels.items()})
    rows: list[list[str]] = [list(names) for names in layers]
    level = {name: k for k, names in enumerate(layers) for name in names}
    for way in ways:
        for k, name in enumerate(way[1:-1], start=1):
            rows[level[way[0]] - k].append(name)
    x = placed(rows, ways, width)
    y = {name: float(k) for k, row in enumerate(rows) for name in row}
    # The hash salt and the missing date make equal houses equal files.
    plt.rcParams.update({"font.family": "DejaVu Sans", "font.size": 8, "svg.hashsalt": "gmt", "svg.fonttype": "none"})
    figure, axes = plt.subplots(figsize=(7.2, 0.6 * len(layers) + 0.2))
    for way in ways:
        points = [(x[name], y[name]) for name in way]
        style = {"arrowstyle": "-|>", "mutation_scale": 8, "color": "#56748a", "lw": 0.9}
        axes.add_patch(FancyArrowPatch(path=curve(points), **style))
    for name, label in labels.items():
        half = (width[name] - 0.2) / 2
        corner = (x[name] - half, y[name] - BOX / 2)
        look = {"boxstyle": "round,pad=0,rounding_size=0.08", "fc": "#e8f0f6", "ec": "#56748a", "lw": 0.9}
        axes.add_patch(FancyBboxPatch(corner, 2 * half, BOX, **look))
        axes.text(x[name], y[name], label, ha="center", va="center")
    axes.set_xlim(min(x[n] - width[n] / 2 for n in x), max(x[n] + width[n] / 2 for n in x))
    axes.set_ylim(-0.4, len(layers) - 0.6)
    axes.axis("off")
    figure.tight_layout(pad=0.2)
    figure.savefig(out, metadata={"Date": None} if out.suffix == ".svg" else None, dpi=150)
    plt.close(figure)


def main() -> None:
    """Print the numbers of the house, and draw it where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, default=Path(), help="checkout to read")
    parser.add_argument("--draw", type=Path, help="picture to write (.svg, .png or .pdf)")
    options = parser.parse_args()
    for name, value in measure(options.root).items():
        print(f"{name}: {value}")
    if options.draw:
        draw(options.root, options.draw)


if __name__ == "__main__":
    main()
