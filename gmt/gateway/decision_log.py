"""Read the log of a gateway: each decision with the chances it was made by, and what was said of its answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from data_prep.read.json_text import parse_json
from gmt.errors import DataError


@dataclass(frozen=True, eq=False)
class LoggedRounds:
    """Hold the N decisions of a log whose answer was rated, and count the others.

    Args:
        user: (N,) names of who asked, each decision for nobody by name its own.
        model: (N,) who answered.
        best: (N,) whom gmt would have asked had nothing been drawn or asked for.
        chance: (N,) with which the one that answered was chosen.
        chance_of_best: (N,) with which the best would have been chosen.
        reward: (N,) rating in [0, 1].
        decisions: How many decisions the log holds.
        unrated: How many of them nobody rated.
        fell_back: How many were answered by another model than was chosen, because that did not answer.
    """

    user: np.ndarray
    model: np.ndarray
    best: np.ndarray
    chance: np.ndarray
    chance_of_best: np.ndarray
    reward: np.ndarray
    decisions: int
    unrated: int
    fell_back: int

    def __len__(self) -> int:
        return len(self.reward)


def read_log(path: Path) -> LoggedRounds:
    """Read a log that `gmt serve --log` wrote.

    Raises:
        DataError: There is no such file, or a line is none of such a log; a last line cut short is passed over.
    """
    if not path.is_file():
        raise DataError(f"{path} does not exist; gmt serve --log FILE writes one")
    lines = path.read_bytes().split(b"\n")
    entries = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            entry = parse_json(line)
            if not isinstance(entry, dict) or not {"decision", "feedback", "revoked"} & set(entry):
                raise ValueError("neither a decision nor feedback")
        except ValueError as error:
            if number == len(lines):
                break  # a process was killed while it wrote
            raise DataError(f"{path} line {number}: {str(error)[:120]}; expected a log of gmt serve") from None
        entries.append(entry)
    return logged_rounds(entries)


def logged_rounds(entries: Iterable[Mapping[str, Any]]) -> LoggedRounds:
    """Join the decisions of a log to what was said of them; the last word counts."""
    decisions: dict[str, Mapping[str, Any]] = {}
    said: dict[int, tuple[str, Mapping[str, Any]]] = {}
    for entry in entries:
        if "revoked" in entry:
            said.pop(entry["revoked"], None)
        elif "feedback" in entry:
            if entry["decision"] is not None:
                said[entry["feedback"]] = (entry["decision"], entry["ratings"])
        elif entry["mode"] in ("apply", "observe"):
            decisions[entry["decision"]] = entry
    ratings: dict[str, float] = {}
    for id, rated in said.values():
        found = rated.get(decisions[id]["model"]) if id in decisions else None
        if found is not None:
            ratings[id] = float(found)
    rows, fell_back = [], 0
    for id, entry in decisions.items():
        if entry["fell_back"]:
            fell_back += 1
        elif id in ratings:
            chances, model, best = entry["propensities"], entry["model"], entry["best"]
            rows.append(
                (entry["user"] or id, model, best, chances.get(model, 0.0), chances.get(best, 0.0), ratings[id])
            )
    columns = list(zip(*rows, strict=True)) if rows else [()] * 6
    user, model, best = (np.array(column, dtype=str) for column in columns[:3])
    chance, chance_of_best, reward = (np.array(column, dtype=float) for column in columns[3:])
    unrated = len(decisions) - fell_back - len(rows)
    return LoggedRounds(user, model, best, chance, chance_of_best, reward, len(decisions), unrated, fell_back)
