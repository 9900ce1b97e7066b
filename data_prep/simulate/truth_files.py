"""Write and read the truth of a simulation, beside the rows that were drawn from it."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from types import UnionType
from typing import Any

import numpy as np

from gmt.errors import DataError
from gmt.files import read_json, replace_file
from gmt.files_together import finish_together

NUMBER = int | float
"""What a number of JSON is read as."""


def truth_paths(out: Path) -> tuple[Path, Path]:
    """Return where the truth of the rows in `out` lies: JSON and arrays."""
    return out.with_name(f"{out.stem}.truth.json"), out.with_name(f"{out.stem}.truth.npz")


def write_arrays(path: Path, arrays: Mapping[str, Any]) -> None:
    """Write named arrays as a compressed `.npz`, whole or not at all."""

    def write(part: Path) -> None:
        with part.open("wb") as file:  # by its name alone, numpy would add a suffix
            np.savez_compressed(file, **arrays)

    replace_file(path, write)


def read_facts(out: Path, kind: str, wanted: Mapping[str, type | UnionType]) -> dict[str, Any]:
    """Read the JSON of the truth that was written beside the rows in `out`.

    Args:
        out: The rows.
        kind: The simulation, as `gmt simulate` names it.
        wanted: What it must hold, name -> type.

    Raises:
        DataError: There is none, it is another simulation's, or it lacks something.
    """
    path, repair = _existing(truth_paths(out)[0], out, kind), _repair(out, kind)
    found = read_json(path, DataError, repair)
    if not isinstance(found, dict) or found.get("kind") != kind:
        stated = found.get("kind") if isinstance(found, dict) else found
        raise DataError(f"{path} holds the truth of kind {str(stated)[:60]!r}; expected {kind}")
    for name, of in wanted.items():
        # JSON's true would pass for a number.
        if not isinstance(found.get(name), of) or isinstance(found.get(name), bool):
            raise DataError(f"{path}: {name} is {str(found.get(name))[:60]!r}; expected {_said(of)}; {repair}")
    return found


def read_arrays(
    out: Path, kind: str, wanted: Mapping[str, Sequence[str]], sizes: Mapping[str, int], gaps: Collection[str] = ()
) -> dict[str, np.ndarray]:
    """Read the arrays of the truth that was written beside the rows in `out`.

    Args:
        out, kind: As of `read_facts`.
        wanted: What there must be, name -> letters of its shape; an axis whose letter ends in `?` may also be empty.
        sizes: What some letters stand for; the first array with another letter says what that stands for.
        gaps: Arrays in which NaN stands for what is not known.

    Raises:
        DataError: There is no such file, or an array is missing, of another shape, or not finite.
    """
    path, repair, known = _existing(truth_paths(out)[1], out, kind), _repair(out, kind), dict(sizes)
    try:
        # A truth file may come from elsewhere, and unpickling one would run what it holds.
        with np.load(path, allow_pickle=False) as file:
            found = {name: file[name] for name in wanted}
    except KeyError as error:
        raise DataError(f"{path} lacks the array {error}; {repair}") from None
    # An archive with flipped bits fails in the zip, in zlib or in the header of an array.
    except (OSError, ValueError, EOFError, SyntaxError, AttributeError, TypeError, NotImplementedError,
            zipfile.BadZipFile, zlib.error) as error:  # fmt: skip
        raise DataError(f"{path} is not readable ({' '.join(str(error).split())[:120]}); {repair}") from error
    for name, letters in wanted.items():
        array = found[name]
        fits = array.ndim == len(letters) and all(
            size == known.setdefault(letter.rstrip("?"), size) or (letter.endswith("?") and size == 0)
            for letter, size in zip(letters, array.shape, strict=True)
        )
        whole = array.dtype.kind in "fiu" and bool((~np.isinf(array) if name in gaps else np.isfinite(array)).all())
        if not fits or not whole:
            shape = ", ".join(str(known.get(letter.rstrip("?"), letter)) for letter in letters)
            raise DataError(
                f"{path}: {name} holds {array.dtype} of shape {array.shape}; expected finite numbers of shape "
                f"({shape}); {repair}"
            )
    return found


def _repair(out: Path, kind: str) -> str:
    return f"make it with gmt simulate {kind} --out {out}"


def _said(of: type | UnionType) -> str:
    return "a number" if of == NUMBER else str(getattr(of, "__name__", of))


def _existing(path: Path, out: Path, kind: str) -> Path:
    finish_together(out)  # where a simulation was killed as it put its files in their places
    if not path.is_file():
        raise DataError(f"{path} does not exist; {_repair(out, kind)}")
    return path
