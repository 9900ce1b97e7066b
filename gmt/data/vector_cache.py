"""Remember the vectors of one encoder across data folders, in a database that several processes may use at once."""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np

from gmt.data.encoders import EncoderCard

ASKED_AT_ONCE = 500
"""Keys in one query; SQLite takes 999 parameters at least."""
WAIT = 60.0
"""Seconds that a process waits for another one's write."""


class VectorCache:
    """Hold vectors by key in one SQLite file, a row each.

    A cache may always be emptied: a file that is damaged, locked for long or cannot be written costs encoding
    again, never the run and never what others have written.

    Args:
        path: The file; made at the first write.
        width: D, the length of a vector.
    """

    def __init__(self, path: Path, width: int) -> None:
        self.path, self.width = path, width

    @classmethod
    def of(cls, card: EncoderCard) -> VectorCache | None:
        """Return the cache of an encoder, or None where caching is off or encoding is as fast as reading."""
        root = os.environ.get("GMT_CACHE") or os.path.expanduser("~/.cache/gmt")
        if root.lower() == "off" or card.id.partition(":")[0] == "hash":
            return None
        slug = re.sub(r"[^\w.-]+", "--", card.id).strip("-")[-80:]
        return cls(Path(root) / "embeddings" / f"{slug}-{card.revision[:12]}-{card.width}.sqlite", card.width)

    def read(self, keys: Iterable[str]) -> dict[str, np.ndarray]:
        """Return key -> (D,) float32 vector of those keys that are remembered and whole."""
        wanted, found = list(keys), {}
        try:
            if not self.path.is_file():
                return found
            with self._open() as database:
                for low in range(0, len(wanted), ASKED_AT_ONCE):
                    part = wanted[low : low + ASKED_AT_ONCE]
                    marks = ",".join("?" * len(part))
                    rows = database.execute(f"SELECT key, vector FROM vectors WHERE key IN ({marks})", part)
                    for key, blob in rows:
                        # A row of another length or with an infinite number was not written by us: encode anew.
                        vector = np.frombuffer(blob, np.float32) if len(blob) == 4 * self.width else None
                        if vector is not None and np.isfinite(vector).all():
                            found[key] = vector
        except (sqlite3.Error, OSError, ValueError, TypeError) as error:
            self._set_aside(error)
        return found

    def write(self, keys: Sequence[str], vectors: np.ndarray) -> None:
        """Remember (T, D) vectors; all of them or none, in one transaction."""
        rows = [(key, row.tobytes()) for key, row in zip(keys, np.asarray(vectors, np.float32), strict=True)]
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self._open() as database:
                database.execute("CREATE TABLE IF NOT EXISTS vectors (key TEXT PRIMARY KEY, vector BLOB) WITHOUT ROWID")
                database.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?)", rows)
        except (sqlite3.Error, OSError) as error:
            self._set_aside(error)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self.path, timeout=WAIT)) as database:
            # With a write-ahead log readers never wait for a writer, and a crash loses its own transaction alone.
            database.execute("PRAGMA journal_mode=WAL")
            database.execute("PRAGMA synchronous=NORMAL")
            with database:  # commits, or takes everything back where something fails
                yield database

    def _set_aside(self, error: Exception) -> None:
        """Delete a file that is no database, so that the next run can remember again."""
        # SQLite raises this class itself for a file that is damaged; a lock or a full disk are subclasses of it.
        if type(error) is sqlite3.DatabaseError:
            for end in ("", "-wal", "-shm"):
                try:
                    self.path.with_name(self.path.name + end).unlink(missing_ok=True)
                except OSError:
                    return
