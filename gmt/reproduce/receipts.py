"""Remember which steps are finished, and know one that a kill cut short."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gmt.files import parse_json, write_json
from gmt.reproduce.part_steps import CommandLine

FOLDER = "receipts"
NOT_COUNTED = (".lock", ".part", ".ledger.jsonl")
"""Ends of names of files that no step owns: locks, unfinished ones, and replies of a judge, who may have been paid."""


class Receipts:
    """Keep a receipt for every finished step of a part.

    Args:
        work: The part's folder.
    """

    def __init__(self, work: Path) -> None:
        self.work, self.folder = work, work / FOLDER

    def finished(self, line: CommandLine) -> Mapping[str, Any] | None:
        """Return the receipt of a step that ran with the same settings and data and whose files still stand."""
        found = _read(self._path(line))
        if found is None or found.get("digest") != line.digest:
            return None
        return found if all((self.work / name).exists() for name in found["files"]) else None

    def begin(self, line: CommandLine) -> None:
        """Note what stands before a step, having removed what must not be taken for its work.

        A `gmt` line starts from nothing. A study goes on from what it left, unless that was made with other settings.
        """
        marker, receipt = self._path(line).with_suffix(".begun"), self._path(line)
        # 1. A former receipt names its files; an attempt that was cut short left whatever was not there before it.
        own: set[str] = set()
        for former in (_read(receipt), _read(marker)):
            if former is None:
                continue
            left = set(former["files"] if isinstance(former["files"], list) else self._files().keys() - former["files"])
            if former.get("kin") == line.kin and line.words[0] != "gmt":
                own |= left
                continue
            for name in left:
                (self.work / name).unlink(missing_ok=True)
        self._remove_empty_folders()
        receipt.unlink(missing_ok=True)
        # 2. What this very study left before is its work too, so that its receipt will name it.
        stood = {name: mark for name, mark in self._files().items() if name not in own}
        write_json(marker, {"kin": line.kin, "files": stood})

    def end(self, line: CommandLine, seconds: float, processor: float) -> None:
        """Write the receipt of a step that has just ended well."""
        marker = self._path(line).with_suffix(".begun")
        before = (_read(marker) or {"files": {}})["files"]
        after = self._files()
        made = sorted(name for name, mark in after.items() if before.get(name) != mark)
        receipt = {
            "command": " ".join(line.words),
            "digest": line.digest,
            "kin": line.kin,
            "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "seconds": round(seconds, 2),
            "processor seconds": round(processor, 2),
            "files": made,
        }
        write_json(self._path(line), receipt)
        marker.unlink(missing_ok=True)

    def _path(self, line: CommandLine) -> Path:
        return self.folder / f"step-{line.label}.json"

    def _tops(self) -> list[Path]:
        """Return what lies in the part's folder, receipts, logs and the result left out."""
        own = (FOLDER, "logs", "result.json")
        return [path for path in sorted(self.work.iterdir()) if path.name not in own] if self.work.is_dir() else []

    def _remove_empty_folders(self) -> None:
        """Remove folders that hold nothing any longer, the innermost first."""
        for top in self._tops():
            for path in sorted([top, *top.rglob("*")], reverse=True) if top.is_dir() else ():
                if path.is_dir() and not any(path.iterdir()):
                    path.rmdir()

    def _files(self) -> dict[str, list[int]]:
        """Return name -> size and time of every file of the part but those of `NOT_COUNTED`."""
        found = {}
        for top in self._tops():
            for path in [top] if top.is_file() else top.rglob("*"):
                if path.is_file() and not path.name.endswith(NOT_COUNTED):
                    state = path.stat()
                    found[str(path.relative_to(self.work))] = [state.st_size, state.st_mtime_ns]
        return found


def _read(path: Path) -> Any:
    """Return what a receipt says, None where there is none; one that a full disk cut short is none."""
    try:
        found = parse_json(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and "files" in found else None
