"""Remember which steps are finished, and know one that a kill cut short."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gmt.files import parse_json, write_json
from gmt.reproduce.part_steps import CommandLine

FOLDER = "receipts"


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
        """Note what stands before a step; what an earlier, cut-short attempt of a `gmt` line left is removed first.

        Studies keep what stands and go on from there, so what they left stays.
        """
        marker = self._path(line).with_suffix(".begun")
        old = _read(marker)
        if old is not None and line.words[0] == "gmt":
            for path in self._tops():
                if path.name not in old["tops"]:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
        else:
            old = None
        # Other settings make other files: what belongs to a former receipt is not to be taken for this step's.
        former = _read(self._path(line))
        for name in former["files"] if former is not None and former["digest"] != line.digest else ():
            (self.work / name).unlink(missing_ok=True)
        self._path(line).unlink(missing_ok=True)
        write_json(marker, {"tops": [path.name for path in self._tops()], "files": self._files()})

    def end(self, line: CommandLine, seconds: float, processor: float) -> None:
        """Write the receipt of a step that has just ended well."""
        marker = self._path(line).with_suffix(".begun")
        before = (_read(marker) or {"files": {}})["files"]
        after = self._files()
        made = sorted(name for name, mark in after.items() if before.get(name) != mark)
        receipt = {
            "command": " ".join(line.words),
            "digest": line.digest,
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
        """Return what lies in the part's folder, receipts and logs left out."""
        own = (FOLDER, "logs", "result.json")
        return [path for path in sorted(self.work.iterdir()) if path.name not in own] if self.work.is_dir() else []

    def _files(self) -> dict[str, list[int]]:
        """Return name -> size and time of every file of the part but locks and unfinished ones."""
        found = {}
        for top in self._tops():
            for path in [top] if top.is_file() else top.rglob("*"):
                if path.is_file() and not path.name.endswith((".lock", ".part")):
                    state = path.stat()
                    found[str(path.relative_to(self.work))] = [state.st_size, state.st_mtime_ns]
        return found


def _read(path: Path) -> Any:
    """Return what a receipt says, None where there is none; one that a full disk cut short is none."""
    try:
        return parse_json(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
