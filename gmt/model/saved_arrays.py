"""Keep named arrays as safetensors, written and read without torch."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from gmt.errors import RunError
from gmt.files import replace_file

RENAMED = {
    "turn__tells__user": "turn__updates__user",
    "task__tells__user": "task__updates__user",
    "cell_query": "term_query",
    "cell_llm": "term_llm",
}
"""Parts of the names of weights as runs of earlier versions hold them -> as they are called now."""


def save_arrays(path: Path, arrays: Mapping[str, np.ndarray], note: Mapping[str, str] | None = None) -> None:
    """Write arrays, and texts that describe them, whole or not at all.

    Raises:
        OSError: The disk is full or broken, named as the system names it.
    """
    # `ascontiguousarray` would give a number a dimension that it has not.
    held = {name: np.array(value, order="C") for name, value in arrays.items()}

    def write(part: Path) -> None:
        try:
            save_file(held, part, dict(note or {}))
        except SafetensorError as error:
            raise system_error(error) from error

    replace_file(path, write)


def load_arrays(path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Read what `save_arrays` wrote, under the names of today: arrays, and what was noted with them.

    Raises:
        RunError: The file is missing or no safetensors file.
    """
    if not path.is_file():
        raise RunError(f"{path} does not exist; train the run again")
    try:
        with safe_open(path, framework="np") as file:
            names = list(file.keys())
            return {present_name(name): file.get_tensor(name) for name in names}, dict(file.metadata() or {})
    except SafetensorError as error:
        raise damaged(path, error) from error


def present_name(name: str) -> str:
    """Return the name of today of a weight that an earlier version saved."""
    return ".".join(RENAMED.get(part, part) for part in name.split("."))


def damaged(path: Path, error: SafetensorError) -> RunError:
    """Return what is said of a file that cannot be read."""
    return RunError(f"{path} is damaged ({error}); restore it or train the run again")


def system_error(error: SafetensorError) -> OSError:
    """Return what the system said when a file could not be written; the library has one class for all of it."""
    number = re.search(r"\(os error (\d+)\)", str(error))
    code = int(number[1]) if number else errno.EIO
    return OSError(code, os.strerror(code))
