"""Encode texts that lie in Ray's object store, and stream them and their vectors into a data folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from gmt.data.encoder_by_name import load_encoder
from gmt.data.encoders import Progress
from gmt.data.store import EmbeddingStore
from gmt.errors import DataError

ENCODED_AT_ONCE = 512
Fresh = Mapping[tuple[int, int], tuple[np.ndarray, np.ndarray]]
"""(piece, part) -> which of its texts are wanted, and their places in the table."""


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
        place = np.full(len(self.codes), -1, np.int64)
        place[[self.codes[key] for key in keys]] = np.arange(len(keys))
        rows, come = np.full(len(keys), -1, np.int64), 0
        spool.parent.mkdir(parents=True, exist_ok=True)
        schema = pa.schema([("text", pa.large_string())])
        with pa.OSFile(str(spool), "wb") as file, pa.ipc.new_file(file, schema) as out:
            for batch in self._encoded(place, encoder).iter_batches(batch_size=None, batch_format="pyarrow"):
                at = batch["place"].to_numpy()
                # Batches come in any order; `rows` remembers where in the file each text came to stand.
                rows[at] = np.arange(come, come + len(at))
                come += len(at)
                store.add(batch["text"].to_pylist(), np.stack(batch["vector"].to_numpy(zero_copy_only=False)))
                out.write_table(pa.table({"text": batch["text"].cast(pa.large_string())}))
                if progress is not None:
                    progress(len(at))
        # Better found now than in training, where the store would lack their vectors.
        if (rows < 0).any():
            raise DataError(f"{int((rows < 0).sum())} of {len(keys)} texts were lost on Ray; run gmt prep again")
        return TextColumn(spool, rows)

    def _encoded(self, place: np.ndarray, encoder: str) -> Any:
        """Return a Ray dataset of `place, text, vector`.

        Args:
            place: (codes,) where each text is wanted, -1 for one that is not.
            encoder: Name of the encoder.
        """
        import ray

        wanted = {}
        for at, (texts, codes) in self.fresh.items():
            used = place[codes] >= 0
            wanted[at] = texts[used], place[codes[used]]
        # Picking texts costs nothing and must go on where encoders hold every processor.
        return self.texts.flat_map(partial(_wanted_texts, wanted=ray.put(wanted)), num_cpus=0).map_batches(
            _Encode,
            fn_constructor_args=(encoder,),
            batch_size=ENCODED_AT_ONCE,
            batch_format="pyarrow",
            concurrency=(1, self.workers),
            num_gpus=1 if encoder.partition(":")[0] != "hash" and ray.cluster_resources().get("GPU") else 0,
        )


class TextColumn(Sequence[str]):
    """Read texts from an Arrow file as they are asked for; what is in memory is the system's to decide.

    Args:
        path: An Arrow IPC file with a column `text`.
        rows: (N,) the row of each text.
    """

    def __init__(self, path: Path, rows: np.ndarray) -> None:
        # Mapped and not read: pages go back to the system when memory is short.
        with pa.memory_map(str(path)) as file:
            self._texts = pa.ipc.open_file(file).read_all()["text"]
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[at] for at in range(*index.indices(len(self)))]
        return self._texts[int(self._rows[index])].as_py()


def _wanted_texts(row: dict[str, Any], wanted: Any) -> Iterator[dict[str, Any]]:
    import ray

    places: Fresh = ray.get(wanted)
    texts = row["texts"]
    for at, place in zip(*(part.tolist() for part in places[row["piece"], row["at"]]), strict=True):
        yield {"place": place, "text": texts[at]}


class _Encode:
    """Hold an encoder in one of Ray's processes."""

    def __init__(self, encoder: str) -> None:
        self.encoder = load_encoder(encoder)  # once a process, for loading takes longer than a batch

    def __call__(self, batch: pa.Table) -> pa.Table:
        vectors = self.encoder.encode(batch["text"].to_pylist())
        return batch.append_column("vector", pa.array(list(vectors.astype(np.float32))))
