"""Hold the texts of a table that is larger than memory in a file, of which only what is read is loaded."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, SupportsIndex, overload

import numpy as np

KEY_BYTES = 16


def digest_of(text: str) -> bytes:
    """Return what tells a text from all others: the first 16 bytes of its SHA-256."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:KEY_BYTES]


class StoredTexts(Sequence[str]):
    """Hold T distinct texts on disk, in the order of their codes.

    Any number of threads may read. The file has no name and is gone when nobody holds it any more.

    Args:
        file: Holds their bytes as UTF-8.
        begin, length: (T,) where each stands in it.
        digests: (T, 16) bytes that tell them apart, as `digest_of` gives them.
    """

    def __init__(self, file: IO[bytes], begin: np.ndarray, length: np.ndarray, digests: np.ndarray) -> None:
        self._file, self._begin, self.length, self._digests = file, begin, length, digests
        self._measured: dict[Callable[[str], tuple[float, ...]], np.ndarray] = {}

    def __len__(self) -> int:
        return len(self._begin)

    @overload
    def __getitem__(self, index: SupportsIndex) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[str, ...]: ...
    def __getitem__(self, index: SupportsIndex | slice) -> str | tuple[str, ...]:
        if isinstance(index, slice):
            return tuple(self[place] for place in range(*index.indices(len(self))))
        # Read at a place of its own, so that threads need no lock around a common one.
        found = os.pread(self._file.fileno(), int(self.length[index]), int(self._begin[index]))
        return found.decode("utf-8", "surrogatepass")

    def __iter__(self) -> Iterator[str]:
        return (self[place] for place in range(len(self)))

    def keys(self, codes: Iterable[int] | None = None) -> list[str]:
        """Return the keys, as stores of vectors know them, of some texts or of all; no text is read for it."""
        rows = self._digests if codes is None else self._digests[np.asarray(list(codes), np.int64)]
        return [bytes(row).hex() for row in rows]

    def measured(self, read: Callable[[str], tuple[float, ...]], codes: np.ndarray) -> np.ndarray:
        """Return (N, F) numbers that a function reads of each of (N,) texts; each text is read once, whoever asks."""
        if self._measured.get(read) is None:
            self._measured[read] = np.full((len(self), len(read(""))), np.nan)
        known = self._measured[read]
        # In the order of the file, which a disk reads fastest.
        missing = np.unique(codes[np.isnan(known[codes]).any(axis=1)])
        for code in missing[np.argsort(self._begin[missing])].tolist():
            known[code] = read(self[code])
        return known[codes]


class TextWriter:
    """Put distinct texts into a file and give them codes by first appearance.

    Args:
        folder: Where the file lies, if it can be written; else where temporary files do.
    """

    def __init__(self, folder: Path) -> None:
        place = folder if os.access(folder, os.W_OK) else None
        self._file: IO[bytes] = tempfile.TemporaryFile(dir=place)  # noqa: SIM115 - it lives as long as its texts
        self._codes: dict[bytes, int] = {}
        self._lengths: list[int] = []

    def code(self, text: str | None) -> int:
        """Return the code of a text, -1 for none; a new one is written."""
        if text is None:
            return -1
        digest = digest_of(text)
        code = self._codes.setdefault(digest, len(self._codes))
        if code == len(self._lengths):
            written = text.encode("utf-8", "surrogatepass")
            self._file.write(written)
            self._lengths.append(len(written))
        return code

    def finished(self, order: np.ndarray) -> StoredTexts:
        """Return the texts whose (T,) codes are given, in this order."""
        self._file.flush()
        length = np.array(self._lengths, np.int64)
        digests = np.frombuffer(b"".join(self._codes), np.uint8).reshape(-1, KEY_BYTES)
        begin = np.cumsum(length) - length
        return StoredTexts(self._file, begin[order], length[order], digests[order])


def bytes_of(texts: Sequence[str], codes: np.ndarray) -> int:
    """Return how many bytes the texts of some codes have, each as often as it stands there; -1 stands for none."""
    used, count = np.unique(codes[codes >= 0], return_counts=True)
    if isinstance(texts, StoredTexts):
        return int((texts.length[used] * count).sum())
    total = 0
    for code, times in zip(used.tolist(), count.tolist(), strict=True):
        text = str(texts[code])
        # An ASCII text has as many bytes as characters, known without encoding it.
        total += times * (len(text) if text.isascii() else len(text.encode("utf-8")))
    return total
