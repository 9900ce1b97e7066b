"""Read the log of a gateway: each decision with the chances it was made by, and what was said of its answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import NoneType
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
            entry = _checked(parse_json(line))
        except ValueError as error:
            if number == len(lines):
                break  # a process was killed while it wrote
            raise DataError(f"{path} line {number}: {str(error)[:120]}; expected a log of gmt serve") from None
        entries.append(entry)
    return logged_rounds(entries)


def _checked(entry: Any) -> Mapping[str, Any]:
    """Return a line of a log, where it has all that `logged_rounds` reads.

    Raises:
        ValueError: It has not.
    """
    if not isinstance(entry, dict) or not {"decision", "feedback", "revoked"} & set(entry):
        raise ValueError("neither a decision nor feedback")
    if "revoked" in entry:
        fine = isinstance(entry["revoked"], int)
    elif "feedback" in entry:
        # Feedback that states its question itself names no decision.
        fine = isinstance(entry["feedback"], int) and isinstance(entry.get("decision", 0), (str, NoneType))
        fine = fine and _is_table(entry.get("ratings"), or_none=True)
    else:
        names = [entry.get(name) for name in ("decision", "mode", "model", "best")]
        fine = all(isinstance(name, str) for name in names) and isinstance(entry.get("user", 0), (str, NoneType))
        fine = fine and isinstance(entry.get("fell_back"), bool) and _is_table(entry.get("propensities"))
    if not fine:
        raise ValueError("a field is missing, or of another kind than gmt serve writes")
    return entry


def _is_table(value: Any, or_none: bool = False) -> bool:
    """Tell whether a value gives a number for each name."""
    kinds = (int, float, NoneType) if or_none else (int, float)
    return isinstance(value, dict) and all(isinstance(number, kinds) for number in value.values())


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
