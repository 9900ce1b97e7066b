"""Pack rated rows into Arrow blocks, to be sent between processes and machines, and merge blocks.

A block holds each of its names and texts once, and numbers that point to them. What is merged holds each name and
text of the whole input once, so that a log needs memory for its numbers and its distinct texts only.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from data_prep.read.numbering import Numbering
from data_prep.read.row import RatedRow
from gmt.data.signals import signal_code

# Names become dictionaries of their column; texts share one, for it is texts that fill the memory.
NAMES = ("file", "user", "conversation", "comparison", "question", "task")
TEXTS = ("query", "response", "feedback")
NONE = -1
"""The code and the number of what is not stated."""


@dataclass(frozen=True, eq=False)
class Block:
    """Hold N rated rows with R candidates.

    Args:
        rows: (N,) names as dictionaries, `query` as place in `texts`, `line`, `turn`, `split`, `timestamp` and the
            `count` of candidates; null where nothing is stated.
        candidates: (R,) of the rows' candidates in turn: `model` as dictionary, `response` and `feedback` as place in
            `texts`, `rating`, `cost`, and `signal` as its code.
        texts: (T,) the distinct texts, or whatever stands for each of them.
    """

    rows: pa.RecordBatch
    candidates: pa.RecordBatch
    texts: pa.Array


def pack_rows(rows: Sequence[RatedRow]) -> Block:
    """Pack rows in their order."""
    shown = [candidate for row in rows for candidate in row.candidates]
    said = [
        *(row.query for row in rows),
        *(candidate.response for candidate in shown),
        *(candidate.feedback for candidate in shown),
    ]
    # One dictionary for all three columns: a text that is a query here and an answer there is held once.
    texts = pa.array(said, pa.large_string()).dictionary_encode()
    places, at = texts.indices, len(rows)
    of_rows = {name: _dictionary([getattr(row, name) for row in rows]) for name in NAMES} | {
        "query": places[:at],
        "line": pa.array([row.line for row in rows], pa.int64()),
        "turn": pa.array([row.turn for row in rows], pa.int64()),
        "split": pa.array([row.split for row in rows], pa.int64()),
        "timestamp": pa.array([row.timestamp for row in rows], pa.float64()),
        "count": pa.array([len(row.candidates) for row in rows], pa.int64()),
    }
    # The first places are those of the queries; responses and feedback follow in the order of `said`.
    of_candidates = {
        "model": _dictionary([candidate.model for candidate in shown]),
        "response": places[at : at + len(shown)],
        "feedback": places[at + len(shown) :],
        "rating": pa.array([candidate.rating for candidate in shown], pa.float64()),
        "cost": pa.array([candidate.cost for candidate in shown], pa.float64()),
        "signal": pa.array([signal_code(candidate.signal) for candidate in shown], pa.int64()),
    }
    return Block(pa.RecordBatch.from_pydict(of_rows), pa.RecordBatch.from_pydict(of_candidates), texts.dictionary)


def _dictionary(names: list[str | None]) -> pa.DictionaryArray:
    return pa.array(names, pa.large_string()).dictionary_encode()


@dataclass(frozen=True, eq=False)
class MergedRows:
    """Hold the N rows of an input as numbers, with their R candidates.

    Args:
        names: Kind -> the names its codes point to; queries, responses and feedback share "text".
        row: Column -> (N,) codes and numbers, -1 or NaN where nothing is stated.
        candidate: Column -> (R,) of the rows' candidates in turn.
    """

    names: dict[str, tuple[str, ...]]
    row: dict[str, np.ndarray]
    candidate: dict[str, np.ndarray]

    def with_a_conversation_per_line(self) -> MergedRows:
        """Return the same where each line of a file is a conversation; those of one name are numbered."""
        lines = np.stack([self.row["file"], self.row["line"]], axis=1)
        _, first, line = np.unique(lines, axis=0, return_index=True, return_inverse=True)
        # `unique` sorts by file and line; conversations are wanted in the order in which they appear.
        order = np.argsort(first)
        place = np.empty(len(order), np.int64)
        place[order] = np.arange(len(order))
        numbering, named = Numbering(), self.names["conversation"]
        names = tuple(numbering.unique(named[code]) for code in self.row["conversation"][first[order]].tolist())
        row = self.row | {"conversation": place[line.reshape(-1)]}
        return replace(self, names=self.names | {"conversation": names}, row=row)


class BlockMerger:
    """Merge blocks in the order of their files.

    Attributes:
        codes: Kind -> name -> code, by first appearance.
    """

    def __init__(self) -> None:
        self.codes: dict[str, dict[str, int]] = {kind: {} for kind in (*NAMES, "model", "text")}
        self._rows: list[dict[str, np.ndarray]] = []
        self._candidates: list[dict[str, np.ndarray]] = []

    def add(self, block: Block, before: int = 0) -> None:
        """Take the rows of a block behind those that stand.

        Args:
            block: The rows.
            before: Lines of their file before the first that the block counts.
        """
        texts = self._codes_of("text", block.texts.to_pylist())
        rows, candidates = (self._numbers(batch, texts) for batch in (block.rows, block.candidates))
        # A worker that began in the middle of a file counted from there.
        rows["line"] = rows["line"] + before
        self._rows.append(rows)
        self._candidates.append(candidates)

    def merged(self) -> MergedRows:
        """Return all rows that were added; none may follow."""
        if not self._rows:
            # An empty block has the columns, with their types, that an input without a row must have too.
            self.add(pack_rows([]))
        names = {kind: tuple(known) for kind, known in self.codes.items()}
        return MergedRows(names, _joined(self._rows), _joined(self._candidates))

    def _numbers(self, batch: pa.RecordBatch, texts: np.ndarray) -> dict[str, np.ndarray]:
        """Return the columns of a block with codes of the whole input."""
        found = {}
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            if pa.types.is_dictionary(column.type):
                codes = self._codes_of(name, column.dictionary.to_pylist())
                found[name] = codes[_filled(column.indices)]
            elif name in TEXTS:
                found[name] = texts[_filled(column)]
            elif pa.types.is_floating(column.type):
                # Arrow's null is NaN here, which is what the table says for "not stated".
                found[name] = column.to_numpy(zero_copy_only=False)
            else:
                found[name] = _filled(column)
        return found

    def _codes_of(self, kind: str, names: Iterable[str]) -> np.ndarray:
        """Return (len + 1,) the codes of names; the last one is that of none, so that -1 points to it."""
        known = self.codes[kind]
        return np.array([*(known.setdefault(name, len(known)) for name in names), NONE], np.int64)


def _filled(column: Any) -> np.ndarray:
    return column.cast(pa.int64()).fill_null(NONE).to_numpy(zero_copy_only=False)


def _joined(parts: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Put columns of blocks behind one another, letting go of each as it is done."""
    # `pop` frees the parts of one column before the next is joined, so the peak is not twice the input.
    return {name: np.concatenate([part.pop(name) for part in parts]) for name in list(parts[0])}
