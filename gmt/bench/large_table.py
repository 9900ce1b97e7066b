"""Train on a table that is larger than the memory allowed, to see that it passes and what it takes."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from gmt.bench.busy_machine import memory_group, peak_of, run_together
from gmt.bench.made_data import unit
from gmt.data.dataset import ModelInfo
from gmt.data.encoders import EncoderCard
from gmt.data.store import EmbeddingStore, key_of
from gmt.data.table_arrow import SCHEMA
from gmt.files import write_json

MODELS, QUERIES, VOTES = 10, 320, 20
LETTERS = np.frombuffer(b"abcdefghijklmnopqrstuvwxyz  \n", np.uint8)
WIDTH = 64
AT_ONCE = 100


def training_beyond_memory(comparisons: int, letters: int, share: float = 3.0) -> dict[str, Any]:
    """Make a table of long answers and train on it, without the network, in a group of processes with a limit.

    Args:
        comparisons: Votes, of users who cast 20 each.
        letters: Letters of every answer, bytes too.
        share: How many times the limit the table is, as Arrow holds it.

    Raises:
        UserError: No group can be made, or the training was ended for its memory.
    """
    with tempfile.TemporaryDirectory() as folder:
        data, run = Path(folder) / "data", Path(folder) / "run"
        table = write_large_folder(data, comparisons, letters)
        command = ["train", str(data), "--run", str(run), "--quiet", "--set", "posterior.network=false"]
        with memory_group(int(table / share)) as group:
            used = run_together([[*command, "--set", "traits.enabled=false"]], group)
            peak = peak_of(group)
        on_disk = (data / "interactions.parquet").stat().st_size
    return {"table GiB": table / 2**30, "on disk GiB": on_disk / 2**30, "limit GiB": table / share / 2**30,
            "group's peak GiB": peak, **vars(used)}  # fmt: skip


def write_large_folder(folder: Path, comparisons: int, letters: int, seed: int = 0) -> int:
    """Write a data folder of answers that differ in all their letters; return the bytes of its table in Arrow."""
    folder.mkdir(parents=True)
    rng, size = np.random.default_rng(seed), 0
    store = EmbeddingStore.create(folder / "embeddings", EncoderCard("made", "1", WIDTH))
    names = [f"m{number}" for number in range(MODELS)]
    store.add(names, unit(rng, MODELS, WIDTH))
    with pq.ParquetWriter(folder / "interactions.parquet", SCHEMA, compression="zstd") as writer:
        for rows in _blocks(rng, comparisons, letters):
            texts = list(dict.fromkeys(rows["query"].to_pylist() + rows["response"].to_pylist()))
            store.add_keys([key_of(text) for text in texts], unit(rng, len(texts), WIDTH))
            writer.write_table(rows)
            size += rows.nbytes
    store.save()
    write_json(folder / "models.json", {name: ModelInfo(name).to_json() for name in names})
    write_json(folder / "card.json", {"protocol": "seen", "seed": seed})
    return size


def _blocks(rng: np.random.Generator, comparisons: int, letters: int) -> Iterator[pa.Table]:
    """Yield the rows of some comparisons at a time."""
    for low in range(0, comparisons, AT_ONCE):
        number = np.arange(low, min(low + AT_ONCE, comparisons))
        left = rng.integers(MODELS, size=len(number))
        right = (left + rng.integers(1, MODELS, size=len(number))) % MODELS
        # Lower numbers are better models, so that there is something to learn.
        won = (rng.random(len(number)) < 1 / (1 + np.exp((left - right) / 4))).astype(float)
        split = np.where(rng.random(len(number)) < 0.1, "valid", "train")
        twice = np.repeat(number, 2)
        columns = {
            "comparison": twice,
            "user": [f"u{one // VOTES}" for one in twice],
            "conversation": [f"c{one}" for one in twice],
            "turn": np.zeros(len(twice), np.int32),
            "question": [f"q{one}" for one in twice],
            "task": [None] * len(twice),
            "query": [f"query {one * 7 % QUERIES}" for one in twice],
            "model": [f"m{one}" for one in np.stack([left, right], 1).reshape(-1)],
            "response": [LETTERS[rng.integers(len(LETTERS), size=letters)].tobytes().decode() for _ in twice],
            "rating": np.stack([won, 1 - won], 1).reshape(-1),
            "feedback": [None] * len(twice),
            "cost": [None] * len(twice),
            "timestamp": [None] * len(twice),
            "split": np.repeat(split, 2).tolist(),
            "signal": [None] * len(twice),
        }
        arrays = [pa.array(columns[field.name], field.type) for field in SCHEMA]
        yield pa.Table.from_arrays(arrays, schema=SCHEMA)


if __name__ == "__main__":
    import json

    print(json.dumps(training_beyond_memory(8_000, 100_000), indent=1))
