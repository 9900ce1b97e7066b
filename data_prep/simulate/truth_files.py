"""Write and read the truth of a simulation, beside the rows that were drawn from it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gmt.errors import DataError
from gmt.files import replace_file


def truth_paths(out: Path) -> tuple[Path, Path]:
    """Return where the truth of the rows in `out` lies: JSON and arrays."""
    return out.with_name(f"{out.stem}.truth.json"), out.with_name(f"{out.stem}.truth.npz")


def write_arrays(path: Path, arrays: Mapping[str, Any]) -> None:
    """Write named arrays as a compressed `.npz`, whole or not at all."""

    def write(part: Path) -> None:
        with part.open("wb") as file:  # by its name alone, numpy would add a suffix
            np.savez_compressed(file, **arrays)

    replace_file(path, write)


def read_facts(out: Path, kind: str) -> dict[str, Any]:
    """Read the JSON of the truth that was written beside the rows in `out`.

    Args:
        out: The rows.
        kind: The simulation, as `gmt simulate` names it.

    Raises:
        DataError: There is none, or it is another simulation's.
    """
    text = _existing(truth_paths(out)[0], out, kind)
    found = json.loads(text.read_text("utf-8"))
    if found.get("kind") != kind:
        raise DataError(f"{text} holds the truth of kind {found.get('kind')!r}; expected {kind}")
    return found


def read_arrays(out: Path, kind: str) -> dict[str, np.ndarray]:
    """Read the arrays of the truth that was written beside the rows in `out`; parameters as of `read_facts`.

    Raises:
        DataError: There are none.
    """
    path = _existing(truth_paths(out)[1], out, kind)
    # A truth file may come from elsewhere, and unpickling one would run what it holds.
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def _existing(path: Path, out: Path, kind: str) -> Path:
    if not path.is_file():
        raise DataError(f"{path} does not exist; make it with gmt simulate {kind} --out {out}")
    return path
