"""List the studies, a line each: python -m gmt.studies."""

from __future__ import annotations

import ast
from pathlib import Path

STUDIES = (
    *("real_votes", "more_people", "leave_one_out", "lone_settings", "lone_losses"),
    *("liked_forms", "planted_users", "tables"),
    *("sweeps", "choice", "ablations", "turns", "follow_ups", "learned_parts", "personalized", "answer_rivals"),
    *("judged_users", "yardsticks", "encoder_runtimes"),
)


def main() -> None:
    """Print every study with its first line; nothing of it is imported."""
    print("Run a study with python -m gmt.studies.NAME; each says with --help what it takes.\n")
    for name in STUDIES:
        # Read and not imported: one study alone loads torch and matplotlib, and a list should come at once.
        description = ast.get_docstring(ast.parse(Path(__file__).with_name(f"{name}.py").read_text("utf-8"))) or ""
        print(f"  {name:16} {description.partition(chr(10))[0]}")


if __name__ == "__main__":
    main()
