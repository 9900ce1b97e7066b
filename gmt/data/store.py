"""Keep the vectors of one encoder in a data folder: mapped from their file, not loaded."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from gmt.data.encoders import EncoderCard
from gmt.errors import DataError
from gmt.files import part_of, read_json, replace_file, replace_folder, write_text

HELD_BYTES = 256 << 20
"""Vectors added to a store that are held in memory."""
WRITTEN_AT_ONCE = 1 << 16
WITHHELD = "text:"
"""Begins what stands for a text that a run does not keep; its key follows."""
REMADE = "run gmt prep again, or bring back the folder it wrote"


def key_of(text: str) -> str:
    """Return the key that a store knows a text by (first 32 hex digits of its SHA-256)."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


class EmbeddingStore:
    """Hold the vectors of one encoder for a set of texts, in a folder of three files.

    Saved vectors are mapped from their file, not read into memory; vectors added since are in memory, and
    beyond `HELD_BYTES` in a file that nobody else sees.

    Args:
        folder: Where `save` writes `vectors.npy`, `keys.parquet` and `encoder.json`.
        encoder: The one encoder whose vectors this store holds.
    """

    def __init__(self, folder: Path, encoder: EncoderCard) -> None:
        self.folder = Path(folder)
        self.encoder = encoder
        self._rows: dict[str, int] = {}
        self._stored: list[np.ndarray] = []  # mapped from files
        self._added: list[np.ndarray] = []  # in memory, behind them
        self._file: Any = None
        self._fresh = True

    @classmethod
    def create(cls, folder: Path, card: EncoderCard) -> EmbeddingStore:
        """Start an empty store; nothing is written before `save`, which replaces what lay there."""
        return cls(folder, card)

    @classmethod
    def open(cls, folder: Path) -> EmbeddingStore:
        """Read a store written by `save`.

        Raises:
            DataError: A file is missing, or the files do not belong together.
        """
        folder = Path(folder)
        for name in ("encoder.json", "keys.parquet", "vectors.npy"):
            if not (folder / name).is_file():
                raise DataError(f"{folder} holds no {name}; make the vectors with gmt prep")
        store = cls(folder, _read_encoder(folder / "encoder.json"))
        vectors, keys = _mapped(folder / "vectors.npy"), _read_keys(folder / "keys.parquet")
        if vectors.ndim != 2 or vectors.shape[1] != store.encoder.width or len(vectors) < len(keys):
            raise DataError(
                f"{folder} holds vectors of shape {vectors.shape} for {len(keys)} texts; run gmt prep again"
            )
        # Vectors are written before keys and only ever grow, so rows past the last key are an unfinished save.
        store._stored = [vectors[: len(keys)]]
        store._rows = {key: row for row, key in enumerate(keys)}
        store._fresh = False
        return store

    def __len__(self) -> int:
        return len(self._rows)

    def missing(self, texts: Iterable[str]) -> list[str]:
        """Return the distinct texts without a vector, in order of appearance."""
        return [text for text in dict.fromkeys(texts) if key_of(text) not in self._rows]

    def add(self, texts: Sequence[str], vectors: np.ndarray) -> None:
        """Remember (T, D) vectors of T texts; a text already known keeps its vector.

        Raises:
            DataError: The shape is wrong or a vector is not finite.
        """
        self.add_keys([key_of(text) for text in texts], vectors)

    def add_keys(self, keys: Sequence[str], vectors: np.ndarray) -> None:
        """Remember vectors of texts known by their keys alone, as `add` does."""
        if vectors.shape != (len(keys), self.encoder.width):
            raise DataError(f"vectors have shape {vectors.shape}; expected ({len(keys)}, {self.encoder.width})")
        if not np.isfinite(vectors).all():
            raise DataError(f"encoder {self.encoder} made vectors that are not finite; choose another --encoder")
        rows = []
        for row, key in enumerate(keys):
            if key not in self._rows:
                self._rows[key] = len(self._rows)
                rows.append(row)
        self._added.append(np.asarray(vectors[rows], dtype=np.float32))
        if sum(part.nbytes for part in self._added) > HELD_BYTES:
            self._put_aside()

    def vectors(self, texts: Sequence[str]) -> np.ndarray:
        """Return (T, D) float32 vectors of the texts, read-only and straight from the file if saved side by side.

        Raises:
            DataError: A text has no vector.
        """
        rows = np.array([self._rows.get(key_of(text), -1) for text in texts], np.int64)
        if (rows < 0).any():
            text = texts[int(np.argmin(rows))]
            raise DataError(
                f"{int((rows < 0).sum())} of {len(rows)} texts have no vector in {self.folder}, e.g. {text[:60]!r}; "
                "run gmt prep again"
            )
        return self._take(rows)

    def known_keys(self, keys: Iterable[str]) -> list[str]:
        """Return the distinct ones of some keys that have a vector."""
        return [key for key in dict.fromkeys(keys) if key in self._rows]

    def vectors_of_keys(self, keys: Sequence[str]) -> np.ndarray:
        """Return (T, D) vectors of texts known by their keys, which must have one."""
        return self._take(np.array([self._rows[key] for key in keys], np.int64))

    def save(self, order: Iterable[str] = ()) -> None:
        """Write the store to its folder.

        Args:
            order: Keys, as `key_of` gives them, whose vectors are to come first, in this order.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        keys = list(dict.fromkeys([*order, *self._rows]))
        rows = np.array([self._rows[key] for key in keys], np.int64)
        named = pa.table({"key": pa.array(keys, pa.string())})
        # A store that takes another one's place is built beside it: on a full disk the old one still stands.
        into = part_of(self.folder) if self._fresh else self.folder
        try:
            into.mkdir(parents=True, exist_ok=True)
            replace_file(into / "vectors.npy", lambda path: self._write(path, rows))
            replace_file(into / "keys.parquet", lambda path: pq.write_table(named, path))
            write_text(into / "encoder.json", json.dumps(asdict(self.encoder), indent=1) + "\n")
            if self._fresh:
                replace_folder(into, self.folder)
        finally:
            if self._fresh:
                shutil.rmtree(into, ignore_errors=True)
        self._rows = {key: row for row, key in enumerate(keys)}
        self._stored, self._added, self._file = [_mapped(self.folder / "vectors.npy")], [], None
        self._fresh = False

    def _write(self, path: Path, rows: np.ndarray) -> None:
        with path.open("wb") as file:
            shape = (len(rows), self.encoder.width)
            np.lib.format.write_array_header_1_0(
                file,
                {"descr": np.lib.format.dtype_to_descr(np.dtype(np.float32)), "fortran_order": False, "shape": shape},
            )
            for low in range(0, len(rows), WRITTEN_AT_ONCE):
                # Not ndarray.tofile, which loses without a word what a full disk does not take.
                file.write(np.ascontiguousarray(self._take(rows[low : low + WRITTEN_AT_ONCE])).data)

    def _put_aside(self) -> None:
        """Move what was added from memory to a file without a name."""
        if self._file is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._file = tempfile.TemporaryFile(dir=self.folder)  # noqa: SIM115 - it lives as long as the store
        part, at = np.concatenate(self._added), self._file.seek(0, os.SEEK_END)
        self._file.write(np.ascontiguousarray(part).data)
        self._file.flush()
        if len(part):
            self._stored.append(np.asarray(np.memmap(self._file, np.float32, "r", at, part.shape)))
        self._added = []

    def _take(self, rows: np.ndarray) -> np.ndarray:
        """Return the vectors in rows."""
        if len(self._added) > 1:  # a store that was opened and only read never comes here, so threads may read it
            self._added = [np.concatenate(self._added)]
        blocks = [*self._stored, *self._added] or [np.zeros((0, self.encoder.width), np.float32)]
        begin = np.cumsum([0, *(len(block) for block in blocks)])
        if len(rows) and (np.diff(rows) == 1).all():
            block = int(np.searchsorted(begin, rows[0], side="right")) - 1
            if rows[-1] < begin[block + 1]:
                return blocks[block][rows[0] - begin[block] : rows[-1] + 1 - begin[block]]
        if len(blocks) == 1:
            return blocks[0][rows]
        found = np.empty((len(rows), self.encoder.width), np.float32)
        of = np.searchsorted(begin, rows, side="right") - 1
        for number in np.unique(of).tolist():
            found[of == number] = blocks[number][rows[of == number] - begin[number]]
        return found


def _read_encoder(path: Path) -> EncoderCard:
    found = read_json(path, DataError, REMADE)
    kinds = {"id": str, "revision": str, "width": int}
    if not isinstance(found, dict) or set(found) != set(kinds):
        raise DataError(f"{path} does not hold {', '.join(kinds)}; {REMADE}")
    if not all(isinstance(found[name], kind) for name, kind in kinds.items()) or found["width"] < 1:
        raise DataError(f"{path} is no card of an encoder; {REMADE}")
    return EncoderCard(**found)


def _read_keys(path: Path) -> list[str]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        keys = pq.read_table(path)["key"].to_pylist()
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        raise DataError(f"{path} is not readable ({' '.join(str(error).split())[:120]}); {REMADE}") from error
    if not all(isinstance(key, str) for key in keys) or len(set(keys)) < len(keys):
        raise DataError(f"{path} holds a key twice or none; {REMADE}")
    return keys


def _mapped(path: Path) -> np.ndarray:
    """Return a saved array, of which only what is read comes into memory."""
    try:
        found = np.load(path, mmap_mode=None if _is_empty(path) else "r", allow_pickle=False)
    except (OSError, ValueError, EOFError, SyntaxError, OverflowError) as error:
        raise DataError(f"{path} is not readable ({' '.join(str(error).split())[:120]}); {REMADE}") from error
    if not isinstance(found, np.ndarray) or found.dtype != np.float32:
        raise DataError(f"{path} holds no 32-bit numbers; {REMADE}")
    return np.asarray(found)


def _is_empty(path: Path) -> bool:
    """Tell whether an array holds nothing, which cannot be mapped."""
    with path.open("rb") as file:
        np.lib.format.read_magic(file)
        shape, _, _ = np.lib.format.read_array_header_1_0(file)
    return 0 in shape
