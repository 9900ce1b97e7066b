"""Remember the vectors of texts by encoder and text, in a data folder and across them."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import re
import uuid
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from pathlib import Path

import numpy as np

from gmt.data.encoders import CHUNK, EncoderCard, Progress, TextEncoder, card_of, load_encoder
from gmt.errors import DataError

__all__ = ["EmbeddingStore", "EncoderCard", "Progress", "TextEncoder", "card_of", "embed_texts", "load_encoder"]

MANY_SHARDS = 64


def _key(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _replace(path: Path, write: Callable[[Path], object]) -> None:
    temporary = path.with_name(f".{uuid.uuid4().hex}-{path.name}")
    try:
        write(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


class EmbeddingStore:
    """Hold the vectors of one encoder for a set of texts, in a folder of three files.

    Args:
        folder: Where `save` writes `vectors.npy`, `keys.parquet` and `encoder.json`.
        encoder: The one encoder whose vectors this store holds.
    """

    def __init__(self, folder: Path, encoder: EncoderCard) -> None:
        self.folder = Path(folder)
        self.encoder = encoder
        self._rows: dict[str, int] = {}
        self._parts: list[np.ndarray] = [np.zeros((0, encoder.width), dtype=np.float32)]
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
        import pyarrow.parquet as pq

        folder = Path(folder)
        for name in ("encoder.json", "keys.parquet", "vectors.npy"):
            if not (folder / name).is_file():
                raise DataError(f"{folder} holds no {name}; make the vectors with gmt prep")
        store = cls(folder, EncoderCard(**json.loads((folder / "encoder.json").read_text("utf-8"))))
        vectors = np.load(folder / "vectors.npy", allow_pickle=False)
        keys = pq.read_table(folder / "keys.parquet")["key"].to_pylist()
        if vectors.ndim != 2 or vectors.shape[1] != store.encoder.width or len(vectors) < len(keys):
            raise DataError(
                f"{folder} holds vectors of shape {vectors.shape} for {len(keys)} texts; run gmt prep again"
            )
        # Vectors are written before keys and only ever grow, so rows past the last key are an unfinished save.
        store._parts = [vectors[: len(keys)]]
        store._rows = {key: row for row, key in enumerate(keys)}
        store._fresh = False
        return store

    def __len__(self) -> int:
        return len(self._rows)

    def missing(self, texts: Iterable[str]) -> list[str]:
        """Return the distinct texts without a vector, in order of appearance."""
        return [text for text in dict.fromkeys(texts) if _key(text) not in self._rows]

    def add(self, texts: Sequence[str], vectors: np.ndarray) -> None:
        """Remember (T, D) vectors of T texts; a text already known keeps its vector.

        Raises:
            DataError: The shape is wrong or a vector is not finite.
        """
        self._add([_key(text) for text in texts], vectors)

    def _add(self, keys: Sequence[str], vectors: np.ndarray) -> None:
        if vectors.shape != (len(keys), self.encoder.width):
            raise DataError(f"vectors have shape {vectors.shape}; expected ({len(keys)}, {self.encoder.width})")
        if not np.isfinite(vectors).all():
            raise DataError(f"encoder {self.encoder} made vectors that are not finite; choose another --encoder")
        rows = []
        for row, key in enumerate(keys):
            if key not in self._rows:
                self._rows[key] = len(self._rows)
                rows.append(row)
        self._parts.append(np.asarray(vectors[rows], dtype=np.float32))

    def vectors(self, texts: Sequence[str]) -> np.ndarray:
        """Return (T, D) float32 vectors of the texts.

        Raises:
            DataError: A text has no vector.
        """
        rows = [self._rows.get(_key(text), -1) for text in texts]
        if -1 in rows:
            text = texts[rows.index(-1)]
            raise DataError(
                f"{rows.count(-1)} of {len(rows)} texts have no vector in {self.folder}, e.g. {text[:60]!r}; "
                "run gmt prep again"
            )
        return self._matrix()[np.asarray(rows, dtype=np.int64)]

    def save(self) -> None:
        """Write the store to its folder."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        self.folder.mkdir(parents=True, exist_ok=True)
        if self._fresh:
            # Without its card a half replaced store is refused rather than read with another's keys.
            (self.folder / "encoder.json").unlink(missing_ok=True)
        matrix = self._matrix()
        keys = pa.table({"key": pa.array(list(self._rows), pa.string())})
        card = json.dumps(asdict(self.encoder), indent=1)
        _replace(self.folder / "vectors.npy", lambda path: _save_array(path, matrix))
        _replace(self.folder / "keys.parquet", lambda path: pq.write_table(keys, path))
        _replace(self.folder / "encoder.json", lambda path: path.write_text(card + "\n", "utf-8"))
        self._fresh = False

    def _matrix(self) -> np.ndarray:
        if len(self._parts) > 1:
            self._parts = [np.concatenate(self._parts)]
        return self._parts[0]


def _save_array(path: Path, array: np.ndarray) -> None:
    with path.open("wb") as stream:
        np.save(stream, array, allow_pickle=False)


class _Cache:
    """Remember vectors of one encoder across data folders, as shards that any number of processes may add to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def of(cls, card: EncoderCard) -> _Cache | None:
        """Return the cache of an encoder, or None where caching is off or encoding is as fast as reading."""
        root = os.environ.get("GMT_CACHE") or str(Path.home() / ".cache" / "gmt")
        if root.lower() == "off" or card.id.partition(":")[0] == "hash":
            return None
        slug = re.sub(r"[^\w.-]+", "--", card.id).strip("-")[-80:]
        return cls(Path(root) / "embeddings" / f"{slug}-{card.revision[:12]}-{card.width}")

    def read(self, store: EmbeddingStore, wanted: set[str]) -> None:
        """Add to `store` the vectors of those `wanted` keys that some shard holds."""
        shards = sorted(self.folder.glob("*.npz"))
        contents = []
        for shard in shards:
            try:
                with np.load(shard, allow_pickle=False) as file:
                    keys = [key.decode() for key in file["keys"]]
                    rows = [row for row, key in enumerate(keys) if key in wanted]
                    if rows or len(shards) > MANY_SHARDS:
                        vectors = file["vectors"]
                        store._add([keys[row] for row in rows], vectors[rows])
                        contents.append((keys, vectors))
            except FileNotFoundError:
                continue  # another process merged it meanwhile; at worst its texts are encoded once more
            except (OSError, ValueError, KeyError, DataError, zipfile.BadZipFile):
                shard.unlink(missing_ok=True)  # damaged; a cache may always be emptied
        if len(shards) > MANY_SHARDS and contents:
            merged = dict(pair for keys, vectors in contents for pair in zip(keys, vectors, strict=True))
            self.write(list(merged), np.stack(list(merged.values())))
            for shard in shards:
                shard.unlink(missing_ok=True)

    def write(self, keys: Sequence[str], vectors: np.ndarray) -> None:
        """Add one shard; a folder that cannot be written only costs the memory, not the run."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            shard = self.folder / f"{uuid.uuid4().hex}.npz"
            _replace(shard, lambda path: _save_shard(path, keys, vectors))
        except OSError:
            return


def _save_shard(path: Path, keys: Sequence[str], vectors: np.ndarray) -> None:
    with path.open("wb") as stream:
        np.savez(stream, keys=np.array([key.encode() for key in keys]), vectors=np.asarray(vectors, dtype=np.float32))


def embed_texts(
    encoder: TextEncoder,
    texts: Iterable[str],
    store: EmbeddingStore,
    progress: Progress | None = None,
    workers: int = 1,
) -> None:
    """Give every text a vector in `store`, encoding each distinct text once and remembering it across data folders.

    The memory lies in `$GMT_CACHE` (default `~/.cache/gmt`; `off` disables it) and grows chunk by chunk, so that an
    interrupted run goes on where it stopped. The caller saves the store.

    Args:
        encoder: Must be the encoder of `store`.
        texts: Texts, in any order and with repeats.
        store: Where the vectors go.
        progress: Hears how many of `store.missing(texts)` were just done.
        workers: Processes that encode, each with an encoder of its own loaded by name; 1 encodes in this one.

    Raises:
        DataError: The store holds another encoder's vectors.
    """
    card = card_of(encoder)
    if card != store.encoder:
        raise DataError(
            f"{store.folder} holds vectors of {store.encoder}, not of {card}; use that encoder or another folder"
        )
    missing = store.missing(texts)
    cache = _Cache.of(card)
    if cache is not None and missing:
        cache.read(store, {_key(text) for text in missing})
        if progress is not None:
            progress(len(missing) - len(missing := store.missing(missing)))
        else:
            missing = store.missing(missing)
    missing.sort(key=len)
    parts = [missing[low : low + CHUNK] for low in range(0, len(missing), CHUNK)]
    for part, vectors in zip(parts, _encoded(encoder, parts, progress, workers), strict=True):
        store.add(part, vectors)
        if cache is not None:
            cache.write([_key(text) for text in part], vectors)


def _encoded(
    encoder: TextEncoder, parts: Sequence[list[str]], progress: Progress | None, workers: int
) -> Iterator[np.ndarray]:
    """Yield the vectors of each part, in order."""
    if workers == 1 or len(parts) < 2:
        for part in parts:
            yield encoder.encode(part, progress)
        return
    threads = max((os.cpu_count() or 1) // workers, 1)
    begin = (encoder.id, threads)
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _begin_encoding, begin) as pool:
        for part, vectors in zip(parts, pool.map(_encode_part, parts), strict=True):
            if progress is not None:
                progress(len(part))
            yield vectors


_encoders: list[TextEncoder] = []
"""What this worker encodes with; set once, when it starts."""


def _begin_encoding(name: str, threads: int) -> None:
    if name.partition(":")[0] != "hash":
        import torch

        torch.set_num_threads(threads)
    _encoders.append(load_encoder(name))


def _encode_part(texts: list[str]) -> np.ndarray:
    return _encoders[-1].encode(texts)
