"""Keep the rounds that users added to a run after training: one JSONL file of rows per user."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor

from data_prep.sources.jsonl import read_history, rows_of
from gmt.data.comparisons import Comparison, text_id
from gmt.errors import RunError
from gmt.files import write_text
from gmt.model.checkpoint import load_tensors


class UserFiles:
    """Read and write the `users/` folder of a run.

    Args:
        root: The folder; it is made with the first user.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, user: str, ending: str = "jsonl") -> Path:
        """Return the file of a user; names that no file system likes are made harmless."""
        plain = re.sub(r"[^A-Za-z0-9._-]+", "_", user).strip("._")[:60] or "user"
        return self.root / f"{plain}-{text_id(user)[:8]}.{ending}"

    def read(self, user: str) -> list[Comparison]:
        """Return the rounds a user added to this run; none if there is no file."""
        path = self.path(user)
        return self._load(path) if path.is_file() else []

    def read_all(self) -> list[Comparison]:
        """Return the rounds everybody added to this run, users in order of their files."""
        return [item for path in sorted(self.root.glob("*.jsonl")) for item in self._load(path)]

    def write(self, user: str, comparisons: Sequence[Comparison]) -> None:
        """Replace a user's rows; with none, the file goes."""
        path = self.path(user)
        if comparisons:
            write_text(path, to_jsonl(comparisons))
        else:
            path.unlink(missing_ok=True)

    def forget(self, user: str) -> bool:
        """Delete all files of a user; return whether there were any."""
        paths = [self.path(user, ending) for ending in ("jsonl", "safetensors")]
        found = [path for path in paths if path.is_file()]
        for path in found:
            path.unlink()
        return bool(found)

    def offsets(self, users: Iterable[str]) -> dict[str, Tensor]:
        """Return user name -> (D,) vector learned by `gmt adapt --steps`, for those who have one."""
        paths = {user: self.path(user, "safetensors") for user in users}
        found = {user: load_tensors(path) for user, path in paths.items() if path.is_file()}
        # Runs made before 0.2 call it a shift.
        return {user: tensors["offset" if "offset" in tensors else "shift"] for user, tensors in found.items()}

    @staticmethod
    def _load(path: Path) -> list[Comparison]:
        data = read_history(path)
        if data.rejected:
            raise RunError(f"{data.rejected[0]}; mend the line or delete it")
        return data.comparisons


def to_jsonl(comparisons: Iterable[Comparison]) -> str:
    """Write comparisons as JSON lines, the form `gmt adapt --history` reads."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows_of(comparisons))


def fresh(known: Sequence[Comparison], rounds: Iterable[Comparison], user: str) -> tuple[list[Comparison], int]:
    """Leave out rounds that are known already, and name conversations apart from all known ones.

    A round is a repeat if user, turn, query, answers and ratings are all the same.

    Returns:
        The rounds to add, and how many were repeats.
    """
    seen = {_content(item) for item in known}
    taken = {item.conversation for item in known}
    names: dict[str, str] = {}
    added: list[Comparison] = []
    repeats = 0
    for item in rounds:
        content = _content(item)
        if content in seen:
            repeats += 1
            continue
        seen.add(content)
        if item.conversation not in names:
            start = item.conversation if item.conversation.startswith(f"{user}: ") else f"{user}: {item.conversation}"
            name, number = start, 2
            while name in taken:
                name, number = f"{start} ({number})", number + 1
            names[item.conversation] = name
            taken.add(name)
        added.append(replace(item, conversation=names[item.conversation]))
    return added, repeats


def _content(item: Comparison) -> tuple[Any, ...]:
    return item.user, item.turn, item.query, item.candidates
