"""Find the data files of an input, and read hub datasets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from data_prep.read.dialect import PLAIN, SUFFIXES, Dialect
from data_prep.read.file_formats import one_line, read_rows
from data_prep.read.row import NumberedRow, Rejected
from gmt.errors import DataError

HUB = "hub:"


class FieldsMissing(DataError):
    """Report an input of which no row has a field that every row needs."""


def is_hub(input: str | Path | None) -> bool:
    """Tell whether the input names a dataset on the hub."""
    return input is not None and str(input).startswith(HUB)


def data_files(input: str | Path | None, dialect: Dialect = PLAIN) -> list[Path]:
    """Return the file itself, or every data file right inside a folder, by name.

    Args:
        input: The file or folder.
        dialect: How the files are written; a stated format takes a file of any name.

    Raises:
        DataError: There is no input, or nothing in it to read.
    """
    if input is None:
        raise DataError(f"no input was given; expected a file, a folder or {HUB}<dataset id>")
    path = Path(input)
    if path.is_dir():
        # By name, so that equal folders give equal tables on every file system.
        files = sorted(file for file in path.iterdir() if file.is_file() and PLAIN.format_of(file))
        if not files:
            raise DataError(f"{path} holds no {', '.join(SUFFIXES)} file; name the file or its folder")
        return files
    if not path.is_file():
        raise DataError(f"{path} does not exist; expected a file, a folder or {HUB}<dataset id>")
    if dialect.format_of(path) is None:
        raise DataError(f"{path.name} ends in {path.suffix or 'nothing'}; expected one of {', '.join(SUFFIXES)}")
    return [path]


def read_input(
    input: str | Path | None, rejected: list[Rejected], split: str = "train", dialect: Dialect = PLAIN
) -> Iterator[NumberedRow]:
    """Yield (file name, line, row) over a file, a folder or a hub dataset.

    Args:
        input: File, folder or `hub:<dataset id>`.
        rejected: Receives the rows that cannot be read at all.
        split: Split of a hub dataset to read where it has several.
        dialect: How files are written where their names do not say so.
    """
    if is_hub(input):
        yield from read_hub(str(input), split)
        return
    for path in data_files(input, dialect):
        for line, row in read_rows(path, rejected, dialect=dialect):
            yield path.name, line, row


def read_hub(input: str, split: str) -> Iterator[NumberedRow]:
    """Yield (dataset id, row number, row) of `hub:<dataset id>`, read with the `datasets` package.

    Raises:
        DataError: The package is missing, or the dataset cannot be fetched.
    """
    name = input.removeprefix(HUB)
    try:
        from datasets import load_dataset
    except ImportError as error:
        raise DataError(f"{input} needs the datasets package; install it, or download the file and name it") from error
    try:
        loaded: Any = load_dataset(name)
    except Exception as error:  # the hub client raises dozens of types for one cause: it cannot be had
        raise DataError(
            f"{input} could not be loaded ({one_line(error)}); check the id, the network and `hf auth login`, "
            "or download it and name the file"
        ) from error
    # Datasets with one split call it what they like; that one is meant.
    rows = loaded[split] if split in loaded else loaded[next(iter(loaded))]
    for number, row in enumerate(rows, start=1):
        yield name, number, row


def refuse_missing_fields(
    input: str | Path | None, needed: Sequence[str], meant: str, one_of: Sequence[str] = ()
) -> None:
    """Refuse an input of which no row has a field that every row needs, and say which fields there are.

    Asked where no row could be read: twenty lines on empty fields tell nobody that the file is of another shape.

    Args:
        input: File, folder or hub dataset.
        needed: The fields.
        meant: What rows of this source hold, for the message.
        one_of: Fields of which one must be there, whichever.

    Raises:
        FieldsMissing: One of them, or all of `one_of`, stands in none of the first thousand rows.
    """
    known: dict[str, None] = {}
    for _, _, row in islice(read_input(input, []), 1000):
        known |= dict.fromkeys(row)
    missing = [name for name in needed if name not in known]
    missing += [] if any(name in known for name in one_of) else one_of
    if known and missing:
        named = str(input) if is_hub(input) else Path(str(input)).name
        raise FieldsMissing(
            f"{named} has no field {' and no '.join(missing)}; its fields are {', '.join(list(known)[:12])[:120]}; "
            f"expected {meant}, or take gmt prep votes {named}, which proposes how to read it"
        )
