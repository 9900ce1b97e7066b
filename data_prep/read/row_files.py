"""Find the data files of an input, and read hub datasets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from data_prep.read.file_formats import SUFFIXES, one_line, read_rows
from data_prep.read.row import NumberedRow, Rejected
from gmt.errors import DataError

HUB = "hub:"


def is_hub(input: str | Path | None) -> bool:
    """Tell whether the input names a dataset on the hub."""
    return input is not None and str(input).startswith(HUB)


def data_files(input: str | Path | None) -> list[Path]:
    """Return the file itself, or every data file right inside a folder, by name.

    Raises:
        DataError: There is no input, or nothing in it to read.
    """
    if input is None:
        raise DataError(f"no input was given; expected a file, a folder or {HUB}<dataset id>")
    path = Path(input)
    if path.is_dir():
        # By name, so that equal folders give equal tables on every file system.
        files = sorted(file for file in path.iterdir() if file.is_file() and file.suffix in SUFFIXES)
        if not files:
            raise DataError(f"{path} holds no {', '.join(SUFFIXES)} file; name the file or its folder")
        return files
    if not path.is_file():
        raise DataError(f"{path} does not exist; expected a file, a folder or {HUB}<dataset id>")
    if path.suffix not in SUFFIXES:
        raise DataError(f"{path.name} ends in {path.suffix or 'nothing'}; expected one of {', '.join(SUFFIXES)}")
    return [path]


def read_input(input: str | Path | None, rejected: list[Rejected], split: str = "train") -> Iterator[NumberedRow]:
    """Yield (file name, line, row) over a file, a folder or a hub dataset.

    Args:
        input: File, folder or `hub:<dataset id>`.
        rejected: Receives the rows that cannot be read at all.
        split: Split of a hub dataset to read where it has several.
    """
    if is_hub(input):
        yield from read_hub(str(input), split)
        return
    for path in data_files(input):
        for line, row in read_rows(path, rejected):
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
