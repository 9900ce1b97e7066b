"""Keep the numbers of finished full parts with the package, so that the map shows them where nothing was run.

Usage: python -m gmt.reproduce.record runs/reproduce [PART …]
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from gmt.files import write_json
from gmt.reproduce.part import chosen_parts
from gmt.reproduce.part_files import read_parts
from gmt.reproduce.part_map import RECORDED
from gmt.reproduce.part_steps import Plan
from gmt.reproduce.run_parts import finished_result, read_recorded


def record(out: Path, names: Sequence[str], path: Path = RECORDED) -> list[str]:
    """Write what finished parts measured over what was recorded before; return the names of these parts."""
    known = read_parts()
    recorded, taken = read_recorded(path), []
    for part in chosen_parts(known, names):
        # Full results only: `finished_result` refuses what was measured with the small sizes.
        result = finished_result(part, Plan(out))
        if result is None:
            continue
        facts = {key: result[key] for key in ("date", "seeds", "command")}
        # The strongest rival is what the map shows; a file that ships has no use for twenty others.
        numbers = {
            name: {key: of for key, of in found.items() if key != "rivals"} | facts | {"where": "gmt reproduce"}
            for name, found in result["numbers"].items()
        }
        recorded[part.name] = recorded.get(part.name, {}) | numbers
        taken.append(part.name)
    # In the order of the map, so that a diff shows what changed and nothing else.
    write_json(path, {name: recorded[name] for name in [*known, *recorded] if name in recorded})
    return taken


def main(arguments: Sequence[str] | None = None) -> None:
    """Record, and say what was."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("parts", nargs="*")
    chosen = parser.parse_args(arguments)
    print("recorded:", ", ".join(record(chosen.out, chosen.parts)) or "nothing is finished there")


if __name__ == "__main__":
    main()
