"""Run a notebook's cells, and compare what they print with what it shows, or put that into it.

Run from the root of a checkout: `python -m tests.notebooks docs/tutorial.ipynb [--write]`. No kernel is needed: the
cells are plain Python.
"""

import argparse
import contextlib
import io
import json
import re
from pathlib import Path
from typing import Any

from tests.shown import differences


def code_cells(notebook: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the cells of code, in order."""
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def printed(notebook: dict[str, Any]) -> list[list[str]]:
    """Run all cells of code in one namespace; return the lines that each of them printed."""
    names: dict[str, Any] = {"__name__": "__main__"}
    found = []
    for number, cell in enumerate(code_cells(notebook), start=1):
        text = io.StringIO()
        with contextlib.redirect_stdout(text):
            exec(compile("".join(cell["source"]), f"<cell {number}>", "exec"), names)
        found.append(text.getvalue().splitlines())
    return found


def shown(notebook: dict[str, Any]) -> list[list[str]]:
    """Return the lines that the notebook shows below each cell of code."""
    texts = ("".join(line for output in cell["outputs"] for line in output["text"]) for cell in code_cells(notebook))
    return [text.splitlines() for text in texts]


def unequal(notebook: dict[str, Any], found: list[list[str]]) -> list[str]:
    """Return a line for everything that is shown and printed otherwise."""
    said = []
    for number, (wanted, lines) in enumerate(zip(shown(notebook), found, strict=True), start=1):
        if len(wanted) != len(lines):
            said.append(f"cell {number} shows {len(wanted)} lines and prints {len(lines)}")
        said += [f"cell {number}: {line}" for line in differences(wanted, lines)]
    return said


def main() -> None:
    """Run one notebook; print what differs, or write what was printed."""
    parser = argparse.ArgumentParser(description=re.sub(r"\s+", " ", __doc__ or ""))
    parser.add_argument("notebook", type=Path)
    parser.add_argument("--write", action="store_true", help="put what is printed into the notebook")
    options = parser.parse_args()
    notebook = json.loads(options.notebook.read_text("utf-8"))
    found = printed(notebook)
    if options.write:
        for number, (cell, lines) in enumerate(zip(code_cells(notebook), found, strict=True), start=1):
            text = [line + "\n" for line in lines]
            cell["execution_count"] = number
            cell["outputs"] = [{"name": "stdout", "output_type": "stream", "text": text}] if text else []
        options.notebook.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", "utf-8")
    else:
        print("\n".join(unequal(notebook, found)) or f"{options.notebook} shows what it prints")


if __name__ == "__main__":
    main()
