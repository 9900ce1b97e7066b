"""Measure choosing a model: regret on planted users, replay on real votes, and whether exploring pays.

Usage:
    python -m gmt.studies.choice regret  --users 200 --out BENCH/choice
    python -m gmt.studies.choice replay  BENCH/data/llmfao-seen-* --out BENCH/choice
    python -m gmt.studies.choice explore --worlds default --out BENCH/choice

Each writes a JSON file, a Markdown table and a figure (PNG and PDF) into --out, and prints the table.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from gmt.files import write_json, write_text
from gmt.studies.choice_explore import WORLDS, explored
from gmt.studies.choice_regret import regret
from gmt.studies.choice_replay import replayed
from gmt.studies.entry import run_study


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one study and write what it found."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    studies = parser.add_subparsers(dest="study", required=True)
    same = argparse.ArgumentParser(add_help=False)
    same.add_argument("--out", type=Path, required=True, help="folder for the results")
    same.add_argument("--name", help="stem of the files; made from the study where left out")
    drawn = argparse.ArgumentParser(add_help=False)
    drawn.add_argument("--users", type=int, default=200, help="users to learn from")
    drawn.add_argument("--votes", type=int, default=40, help="rounds each of them rates")
    drawn.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    studies.add_parser("regret", parents=[same, drawn], help="choose for planted users")
    part = studies.add_parser("replay", parents=[same], help="replay on the test votes of data folders")
    part.add_argument("data", type=Path, nargs="+", help="folders made by gmt prep, one for each seed")
    part = studies.add_parser("explore", parents=[same, drawn], help="let new users talk to the router")
    part.add_argument("--newcomers", type=int, default=100, help="new users in each seed")
    part.add_argument("--rounds", type=int, default=40, help="votes of each new user")
    part.add_argument("--held", type=int, default=40, help="questions held out for each new user")
    part.add_argument("--worlds", nargs="+", choices=WORLDS, default=["default"], help="who the users are")
    part.add_argument("--no-traits", action="store_true", help="leave the learned traits out, which is faster")
    options = parser.parse_args(arguments)
    run = {"regret": regret, "replay": replayed, "explore": explored}[options.study]
    card, text, figure = run(options)
    # The number of users names the files, as a study of planted users is run at several.
    stem = options.name or "-".join([options.study, str(getattr(options, "users", "votes"))])
    # The command goes beside its numbers, so that whoever doubts them can run it again.
    command = f"python -m gmt.studies.choice {shlex.join(sys.argv[1:] if arguments is None else arguments)}"
    figure = replace(figure, name=stem, made_by=command)
    figure.save(options.out / "figures")
    figure.write(options.out)
    write_json(options.out / f"{stem}.json", {"command": command, **card})
    write_text(options.out / f"{stem}.md", f"`{command}`\n\n{text.rstrip()}\n")
    print(f"{text.rstrip()}\n\n{command}")


if __name__ == "__main__":
    run_study(main)
