"""Say how the bytes of a file become rows: its format, what separates its fields, and its encoding."""

from __future__ import annotations

import codecs
import gzip
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from gmt.errors import DataError

FORMATS = ("csv", "tsv", "jsonl", "json", "parquet")
SUFFIXES = tuple(f".{name}" for name in FORMATS)
PACKED = ".gz"
DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "\\t": "\t", "pipe": "|", "space": " "}
"""Words for separators that a shell would take for something else."""


@dataclass(frozen=True)
class Dialect:
    """State how a file is written where its name does not say so.

    Args:
        format: One of `FORMATS`; None: as the name ends, `.gz` behind it or not.
        delimiter: One character, or a word of `DELIMITERS`; None: a tab in TSV and a comma in CSV.
        encoding: As Python names it; None: UTF-8.

    Raises:
        DataError: One of them is unknown.
    """

    format: str | None = None
    delimiter: str | None = None
    encoding: str | None = None

    def __post_init__(self) -> None:
        if self.format is not None and self.format not in FORMATS:
            raise DataError(f"the format is {self.format!r}; expected one of {', '.join(FORMATS)}")
        if self.delimiter is not None and len(self.separator(Path("x.csv"))) != 1:
            raise DataError(
                f"the delimiter is {self.delimiter!r}; expected one character, or one of {', '.join(DELIMITERS)}"
            )
        if self.encoding is not None:
            try:
                codecs.lookup(self.encoding)
            except LookupError:
                raise DataError(
                    f"the encoding is {self.encoding!r}; expected a name such as utf-8, cp1252, latin-1 or utf-16"
                ) from None

    def format_of(self, path: Path) -> str | None:
        """Return the format of a file; None where neither this nor the name says it."""
        ending = Path(path.name.removesuffix(PACKED)).suffix.removeprefix(".")
        return self.format or (ending if ending in FORMATS else None)

    def separator(self, path: Path) -> str:
        """Return what stands between the fields of a CSV or TSV file."""
        if self.delimiter is not None:
            return DELIMITERS.get(self.delimiter, self.delimiter)
        return "\t" if self.format_of(path) == "tsv" else ","

    def in_parts(self, path: Path) -> bool:
        """Tell whether the file may be read from the middle: neither packed nor in an encoding of wider units."""
        return path.suffix != PACKED and self.encoding is None

    def open_text(self, path: Path) -> IO[str]:
        """Open a file as text; line breaks stay as they are, for only the CSV reader knows which are quoted."""
        # `utf-8-sig` drops the byte order mark that spreadsheets write, which would join the first column's name.
        encoding = self.encoding or "utf-8"
        encoding = "utf-8-sig" if codecs.lookup(encoding).name == "utf-8" else encoding
        if path.suffix == PACKED:
            return gzip.open(path, "rt", encoding=encoding, newline="")
        return path.open(encoding=encoding, newline="")

    def read_bytes(self, path: Path) -> bytes:
        """Return all of a file, unpacked, as UTF-8 where another encoding is stated."""
        raw = gzip.decompress(path.read_bytes()) if path.suffix == PACKED else path.read_bytes()
        return raw if self.encoding is None else raw.decode(self.encoding).encode()


PLAIN = Dialect()
"""As the name of a file says."""
