"""Read logs larger than a machine on Ray Data: rows are parsed and texts encoded where they are, numbers come here.

What a text says stays in Ray's object store, which spills to disk; this process holds about 200 bytes a
comparison and as much for the name of a distinct text, and streams texts and vectors into the data folder. The
folder is the one that the local engine writes.
"""

from __future__ import annotations

import logging
import os
import pickle
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from data_prep.read.gather import Gatherer
from data_prep.read.pieces import Offsets, Parse, Piece, read_piece
from data_prep.read.row_files import is_hub
from data_prep.sources.registry import Rejected
from gmt.data.embed import EmbeddingStore, Progress, key_of, load_encoder
from gmt.errors import DataError

ENCODED_AT_ONCE = 512
Fresh = Mapping[tuple[int, int], tuple[np.ndarray, np.ndarray]]
"""(piece, part) -> which of its texts are wanted, and their places in the table."""


def gather_on_ray(
    pieces: Sequence[Piece], parse: Parse, gatherer: Gatherer, rejected: list[Rejected], workers: int
) -> Gatherer:
    """Read pieces on Ray into a gatherer whose texts are told by their keys, as in an `EmbeddingStore`.

    Args:
        pieces: What to read, in order.
        parse: Reads what one row says; it is sent to every worker.
        gatherer: Receives the rows; its `distant` then knows where the texts are.
        rejected: Receives the rows that cannot be read.
        workers: Processes of a Ray that is started here; a running one (`RAY_ADDRESS`) has its own.

    Raises:
        DataError: Ray is not installed or does not answer, or the input as a whole cannot be read.
    """
    ray = _connect(workers)
    gatherer.text_id = _text_id
    rows = [{"piece": number, "source": _anywhere(one.source), "part": one.part} for number, one in enumerate(pieces)]
    offsets, sizes = Offsets(), {}
    if not rows:
        return gatherer
    read = ray.data.from_items(rows, override_num_blocks=len(rows)).flat_map(partial(_read, parse=parse)).materialize()
    for row in read.select_columns(["piece", "at", "read", "problem"]).iter_rows():
        if row["problem"] is not None:
            raise DataError(row["problem"])
        found = offsets.place(pieces[row["piece"]], pickle.loads(row["read"]))
        before = len(gatherer.codes["text"])
        keys = found.block.names["text"]
        fresh = [place for place, key in enumerate(keys) if key not in gatherer.codes["text"]]
        gatherer.merge(found.block)
        rejected += found.rejected
        assert len(gatherer.codes["text"]) == before + len(fresh)
        sizes[row["piece"], row["at"]] = np.asarray(fresh, np.int64), np.arange(before, before + len(fresh))
    gatherer.distant = DistantTexts(
        read.select_columns(["piece", "at", "texts"]), sizes, gatherer.codes["text"], workers
    )
    return gatherer


@dataclass(frozen=True, eq=False)
class DistantTexts:
    """Know where texts are, and bring them and their vectors into a data folder.

    Args:
        texts: Ray dataset with the texts of every part of a piece.
        fresh: Which of them were met there first, and their codes.
        codes: Key -> code.
        workers: Processes that encode.
    """

    texts: Any
    fresh: Fresh
    codes: Mapping[str, int]
    workers: int

    def fetch(
        self, keys: Sequence[str], store: EmbeddingStore, encoder: str, spool: Path, progress: Progress | None = None
    ) -> TextColumn:
        """Encode the texts on Ray, write them to disk and their vectors to the store as they come.

        Args:
            keys: Keys of the texts wanted, in order.
            store: Receives the vectors.
            encoder: Name of the encoder; every worker loads it.
            spool: Receives the texts, as an Arrow file that must stay as long as they are read.
            progress: Hears how many are done.

        Raises:
            DataError: Texts did not come back.
        """
        import ray

        place = np.full(len(self.codes), -1, np.int64)
        place[[self.codes[key] for key in keys]] = np.arange(len(keys))
        wanted = {}
        for at, (texts, codes) in self.fresh.items():
            used = place[codes] >= 0
            wanted[at] = texts[used], place[codes[used]]
        # Picking texts costs nothing and must go on where encoders hold every processor.
        found = self.texts.flat_map(partial(_wanted, wanted=ray.put(wanted)), num_cpus=0).map_batches(
            _Encode,
            fn_constructor_args=(encoder,),
            batch_size=ENCODED_AT_ONCE,
            batch_format="pyarrow",
            concurrency=(1, self.workers),
            num_gpus=1 if encoder.partition(":")[0] != "hash" and ray.cluster_resources().get("GPU") else 0,
        )
        rows, come = np.full(len(keys), -1, np.int64), 0
        spool.parent.mkdir(parents=True, exist_ok=True)
        schema = pa.schema([("text", pa.large_string())])
        with (
            pa.OSFile(str(spool), "wb") as file,
            pa.ipc.new_file(file, schema) as out,
        ):
            for batch in found.iter_batches(batch_size=None, batch_format="pyarrow"):
                at = batch["place"].to_numpy()
                rows[at] = np.arange(come, come + len(at))
                come += len(at)
                store.add(batch["text"].to_pylist(), np.stack(batch["vector"].to_numpy(zero_copy_only=False)))
                out.write_table(pa.table({"text": batch["text"].cast(pa.large_string())}))
                if progress is not None:
                    progress(len(at))
        if (rows < 0).any():
            raise DataError(f"{int((rows < 0).sum())} of {len(keys)} texts were lost on Ray; run gmt prep again")
        return TextColumn(spool, rows)


class TextColumn(Sequence[str]):
    """Read texts from an Arrow file as they are asked for; what is in memory is the system's to decide.

    Args:
        path: An Arrow IPC file with a column `text`.
        rows: (N,) the row of each text.
    """

    def __init__(self, path: Path, rows: np.ndarray) -> None:
        with pa.memory_map(str(path)) as file:
            self._texts = pa.ipc.open_file(file).read_all()["text"]
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[at] for at in range(*index.indices(len(self)))]
        return self._texts[int(self._rows[index])].as_py()


@contextmanager
def session(workers: int) -> Iterator[None]:
    """Connect to Ray, and leave a Ray that was started here or connected to here at the end.

    Args:
        workers: As in `gather_on_ray`.

    Raises:
        DataError: Ray is not installed or does not answer.
    """
    ray = _imported()
    mine = not ray.is_initialized()
    try:
        _connect(workers)
        yield
    finally:
        if mine:
            ray.shutdown()


def _imported() -> Any:
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise DataError(f"--engine ray needs Ray ({error}); run pip install 'gmt-router[ray]'") from error
    return ray


def _connect(workers: int) -> Any:
    """Return Ray, connected to the one at `RAY_ADDRESS` or started here."""
    ray = _imported()
    if not ray.is_initialized():
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        here = "RAY_ADDRESS" not in os.environ
        # One processor more than workers: else encoders would hold all of them, and nothing bring them texts.
        options = {"address": "local", "num_cpus": workers + 1, "include_dashboard": False} if here else {}
        try:
            ray.init(log_to_driver=False, logging_level=logging.ERROR, **options)
        except Exception as error:  # Ray raises many types for one cause: it cannot be reached
            told = " ".join(str(error).split())[:200]
            raise DataError(
                f"Ray does not answer ({told}); check RAY_ADDRESS, or unset it to start one here"
            ) from error
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.execution_options.preserve_order = True
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    return ray


def _anywhere(source: str) -> str:
    """Return a name that means the same in another process."""
    return source if is_hub(source) else os.path.abspath(source)


def _read(row: dict[str, Any], parse: Parse) -> Iterator[dict[str, Any]]:
    """Read a piece; its texts go apart from its numbers, which know them by key."""
    part = row["part"]
    piece = Piece(row["source"], None if part is None else (int(part[0]), int(part[1])))
    none = {"piece": row["piece"], "at": -1, "read": None, "texts": [], "problem": None}
    try:
        for at, found in enumerate(read_piece(piece, parse)):
            texts = found.block.names["text"]
            names = found.block.names | {"text": [key_of(text) for text in texts]}
            told = replace(found, block=replace(found.block, names=names))
            yield none | {"at": at, "read": pickle.dumps(told), "texts": texts}
    except DataError as error:
        yield none | {"problem": str(error)}


def _wanted(row: dict[str, Any], wanted: Any) -> Iterator[dict[str, Any]]:
    import ray

    places: Fresh = ray.get(wanted)
    texts = row["texts"]
    for at, place in zip(*(part.tolist() for part in places[row["piece"], row["at"]]), strict=True):
        yield {"place": place, "text": texts[at]}


class _Encode:
    """Hold an encoder in one of Ray's processes."""

    def __init__(self, encoder: str) -> None:
        self.encoder = load_encoder(encoder)

    def __call__(self, batch: pa.Table) -> pa.Table:
        vectors = self.encoder.encode(batch["text"].to_pylist())
        return batch.append_column("vector", pa.array(list(vectors.astype(np.float32))))


def _text_id(key: str) -> str:
    return key[:16]  # a key and a `text_id` both begin the SHA-256 of the text
