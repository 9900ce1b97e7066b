"""Look at the bytes of a file: its format, encoding and what separates its fields."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
from pathlib import Path

from data_prep.read.dialect import DELIMITERS, PACKED, PLAIN, Dialect
from gmt.errors import DataError

HEAD = 256 << 10
"""Bytes in which separators are counted."""
CHECKED = 64 << 20
"""Bytes whose encoding is tried; one wrong byte in a long log often comes late."""
RECORDS = 50


def sniff(path: Path) -> Dialect:
    """Return how a file is written; what its name says already is left unstated.

    Raises:
        DataError: There is no such file, or it is empty.
    """
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise DataError(f"{path} {what}; name a file of votes or ratings")
    raw = _head(path, CHECKED)
    if not raw.strip():
        raise DataError(f"{path.name} is empty; expected votes or ratings")
    named = PLAIN.format_of(path)
    if named == "parquet" or raw.startswith(b"PAR1"):
        return Dialect(None if named == "parquet" else "parquet")
    encoding = _encoding(raw)
    text = raw[:HEAD].decode(encoding or "utf-8", "ignore").lstrip("\ufeff \t\r\n")
    found = "jsonl" if text.startswith("{") else "json" if text.startswith("[") else named or "csv"
    # Many a .json holds one object a line; a table is a table whatever its first field begins with.
    kind = named if named in ("csv", "tsv", "jsonl") else found
    delimiter = _delimiter(text, "\t" if kind == "tsv" else ",") if kind in ("csv", "tsv") else None
    return Dialect(None if kind == named else kind, delimiter, encoding)


def _head(path: Path, most: int) -> bytes:
    try:
        with gzip.open(path) if path.suffix == PACKED else path.open("rb") as file:
            return file.read(most)
    except (OSError, EOFError) as error:
        raise DataError(f"{path} cannot be read ({error}); check the file and your rights") from error


def _encoding(raw: bytes) -> str | None:
    """Return the encoding of a text; None for UTF-8."""
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    try:
        # Incremental, for the cut may fall inside a character.
        codecs.getincrementaldecoder("utf-8")().decode(raw)
        return None
    except UnicodeDecodeError:
        pass
    try:
        raw.decode("cp1252")
        return "cp1252"
    except UnicodeDecodeError:
        return "latin-1"


def _delimiter(text: str, usual: str) -> str | None:
    """Return the word for what separates the fields, None where it is what it usually is."""
    best, most = usual, (0.0, 0)
    # The usual one first: of equals it stays.
    for sign in dict.fromkeys((usual, ",", ";", "\t", "|")):
        try:
            records = [record for record in csv.reader(io.StringIO(text), delimiter=sign) if record][:RECORDS]
        except csv.Error:
            continue
        width = len(records[0]) if records else 0
        alike = sum(len(record) == width for record in records) / max(len(records), 1)
        if width > 1 and (round(alike, 2), width) > most:
            best, most = sign, (round(alike, 2), width)
    return None if best == usual else next(word for word, sign in DELIMITERS.items() if sign == best)
