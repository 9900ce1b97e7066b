"""Write tiny input files and find the real ones."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest


def jsonl(path: Path, rows: Iterable[dict[str, Any]]) -> Path:
    """Write one JSON object a line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def chat(*contents: str) -> list[dict[str, str]]:
    """Return messages that alternate between user and assistant."""
    return [{"role": ("user", "assistant")[at % 2], "content": content} for at, content in enumerate(contents)]


def real(name: str) -> Path:
    """Return a folder of the real data, or skip the test."""
    root = os.environ.get("GMT_REAL_DATA")
    if not root or not (Path(root) / name).is_dir():
        pytest.skip(f"needs {name} in the folder $GMT_REAL_DATA points at; the README says where it is downloaded")
    return Path(root) / name
