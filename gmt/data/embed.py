"""Give texts vectors, each once: encode what no data folder before has encoded, in one process or several."""

from __future__ import annotations

import multiprocessing
import os
import re
import uuid
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

from gmt.data.encoders import CHUNK, EncoderCard, Progress, TextEncoder, card_of, load_encoder
from gmt.data.store import EmbeddingStore, key_of, replace_file
from gmt.errors import DataError

__all__ = [
    "EmbeddingStore",
    "EncoderCard",
    "Progress",
    "TextEncoder",
    "card_of",
    "embed_texts",
    "key_of",
    "load_encoder",
]

MANY_SHARDS = 64


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
                        store.add_keys([keys[row] for row in rows], vectors[rows])
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
            replace_file(shard, lambda path: _save_shard(path, keys, vectors))
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
        cache.read(store, {key_of(text) for text in missing})
        if progress is not None:
            progress(len(missing) - len(missing := store.missing(missing)))
        else:
            missing = store.missing(missing)
    missing.sort(key=len)
    parts = [missing[low : low + CHUNK] for low in range(0, len(missing), CHUNK)]
    for part, vectors in zip(parts, _encoded(encoder, parts, progress, workers), strict=True):
        store.add(part, vectors)
        if cache is not None:
            cache.write([key_of(text) for text in part], vectors)


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
