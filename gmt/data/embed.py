"""Give texts vectors, each once: encode what no data folder before has encoded, in one process or several."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

import numpy as np

from gmt.data.encoder_by_name import load_encoder
from gmt.data.encoders import CHUNK, Progress, TextEncoder, card_of
from gmt.data.store import EmbeddingStore, key_of
from gmt.data.vector_cache import VectorCache
from gmt.errors import DataError

WORKER_ENDED = "one of {workers} processes was ended from outside, as where memory runs out; pass fewer --workers"


def embed_texts(
    encoder: TextEncoder,
    texts: Iterable[str],
    store: EmbeddingStore,
    progress: Progress | None = None,
    workers: int = 1,
) -> None:
    """Give every text a vector in `store`, encoding each distinct text once and remembering it across data folders.

    The cache lies in `$GMT_CACHE` (default `~/.cache/gmt`; `off` disables it) and grows chunk by chunk, so that an
    interrupted run goes on where it stopped. The caller saves the store.

    Args:
        encoder: Must be the encoder of `store`.
        texts: Texts, in any order and with repeats.
        store: Where the vectors go.
        progress: Called with how many of `store.missing(texts)` were just done.
        workers: Processes that encode, each with an encoder of its own loaded by name; 1 encodes in this one.

    Raises:
        DataError: The store holds another encoder's vectors.
    """
    card = card_of(encoder)
    if card != store.encoder:
        raise DataError(
            f"{store.folder} holds vectors of {store.encoder}, not of {card}; use that encoder or another folder"
        )
    # 1. What other data folders have had encoded is read from the cache.
    missing = store.missing(texts)
    cache = VectorCache.of(card)
    if cache is not None and missing:
        found = cache.read(key_of(text) for text in missing)
        if found:
            store.add_keys(list(found), np.stack(list(found.values())))
        count = len(missing)
        missing = store.missing(missing)
        if progress is not None:
            progress(count - len(missing))
    # 2. Texts of like length share a chunk, so that little of the work goes into padding.
    missing.sort(key=len)
    parts = [missing[low : low + CHUNK] for low in range(0, len(missing), CHUNK)]
    # 3. Remembered chunk by chunk, so that an interrupted run goes on where it stopped.
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
    # Workers divide the cores; each would otherwise start as many threads as there are.
    threads = max((os.cpu_count() or 1) // workers, 1)
    begin = (encoder.id, threads)
    # Spawned, for a forked process inherits locks of PyTorch's threads and none of the threads.
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _begin_encoding, begin) as pool:
        try:
            for part, vectors in zip(parts, pool.map(_encode_part, parts), strict=True):
                if progress is not None:
                    progress(len(part))
                yield vectors
        except BrokenProcessPool as error:
            raise DataError(WORKER_ENDED.format(workers=workers)) from error


_encoders: list[TextEncoder] = []
"""What this worker encodes with; set once, when it starts."""


def _begin_encoding(name: str, threads: int) -> None:
    if name.partition(":")[0] != "hash":
        import torch

        torch.set_num_threads(threads)
    # By name: weights are read from disk, not sent from process to process.
    _encoders.append(load_encoder(name))


def _encode_part(texts: list[str]) -> np.ndarray:
    return _encoders[-1].encode(texts)
