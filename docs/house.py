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
from pathlib import Path

PACKAGES = ("data_prep", "gmt")


def modules(root: Path) -> dict[str, Path]:
    """Return dotted name -> file of every module of the project, empty `__init__` files left out."""
    found = {}
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            name = ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")
            if path.name != "__init__.py" or path.read_text("utf-8").count("\n") > 1:
                found[name] = path
    return found


def imports(path: Path, known: dict[str, Path], module_level: bool = False) -> set[str]:
    """Return the modules of the project that a module imports: anywhere in its text, or when it is loaded."""
    tree = ast.parse(path.read_text("utf-8"))
    nodes = ast.walk(tree)
    if module_level:  # what stands under TYPE_CHECKING or in a function is not run when the module is loaded
        nodes = iter(node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom))
    names: set[str] = set()
    for node in nodes:
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


def rooms(root: Path) -> tuple[list[list[str]], dict[str, set[str]], dict[str, int]]:
    """Return the rooms in layers from the ground up, which rooms each imports, and how many modules each has.

    A room's layer is one above the highest room that it imports.
    """
    known = modules(root)

    def room(name: str) -> str:
        parts = name.split(".")
        if len(parts) > 2 or (len(parts) == 2 and parts[1] in packages):
            return ".".join(parts[:2])
        return "data_prep" if parts[0] == "data_prep" else "ground"

    packages = {name.split(".")[1] for name in known if name.count(".") > 1}

    sizes: dict[str, int] = defaultdict(int)
    graph: dict[str, set[str]] = defaultdict(set)
    del known["gmt"]  # it only passes on names of other rooms, when they are asked for
    for name, path in known.items():
        sizes[room(name)] += 1
        graph[room(name)] |= {room(target) for target in imports(path, known)} - {room(name)}
    level: dict[str, int] = {}

    def height(name: str) -> int:
        if name not in level:
            level[name] = 0  # a circle between rooms would otherwise never end
            level[name] = 1 + max((height(target) for target in graph[name]), default=-1)
        return level[name]

    layers: dict[int, list[str]] = defaultdict(list)
    for name in sizes:
        layers[height(name)].append(name)
    return [sorted(layers[k]) for k in sorted(layers)], graph, sizes


def draw(root: Path, out: Path) -> None:
    """Draw rooms as boxes, the ground below, and for each room arrows to those it needs and no other room brings."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    layers, graph, sizes = rooms(root)
    below: dict[str, set[str]] = {}
    for names in layers:
        for name in names:
            below[name] = set().union(*(below.get(target, set()) | {target} for target in graph[name]), set())
    # What another room brings along needs no arrow of its own.
    arrows = {
        name: {t for t in targets if not any(t in below[other] for other in targets if other != t)}
        for name, targets in graph.items()
    }
    place: dict[str, tuple[float, float]] = {}
    for y, names in enumerate(layers):
        # A room stands as near as it can above those it needs.
        wish = {n: sum(place[t][0] for t in arrows[n]) / len(arrows[n]) if arrows[n] else 5.0 for n in names}
        for k, name in enumerate(sorted(names, key=lambda n: (wish[n], n))):
            place[name] = ((k + 1) / (len(names) + 1) * 10, y * 1.15)
    plt.rcParams.update({"font.family": "DejaVu Sans", "font.size": 8, "svg.hashsalt": "gmt", "svg.fonttype": "none"})
    figure, axes = plt.subplots(figsize=(7.2, 0.62 * len(layers) + 0.4))
    for name, targets in arrows.items():
        for target in sorted(targets):
            (x, y), (tx, ty) = place[name], place[target]
            far = y - ty > 1.2
            style = {"arrowstyle": "-|>", "color": "#56748a", "lw": 0.9, "shrinkA": 10, "shrinkB": 10}
            style |= {"connectionstyle": f"arc3,rad={(0.25 if x <= 5 else -0.25) if far else 0}"}
            axes.annotate("", (tx, ty), (x, y), arrowprops=style)
    for name, (x, y) in place.items():
        label = f"{name.removeprefix('gmt.')}  {sizes[name]}"
        box = {"boxstyle": "round,pad=0.35", "fc": "#e8f0f6", "ec": "#56748a", "lw": 0.9}
        axes.text(x, y, label, ha="center", va="center", bbox=box)
    axes.set_xlim(0, 10)
    axes.set_ylim(-0.6, (len(layers) - 1) * 1.15 + 0.6)
    axes.axis("off")
    figure.tight_layout(pad=0.2)
    figure.savefig(out, metadata={"Date": None} if out.suffix == ".svg" else None, dpi=150)


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
