"""Gather rated answers and votes, row by row or block by block, holding numbers and never rows.

What a row says becomes integer codes at once; texts are kept once each. A process may gather some rows
and hand its `Block` to another, so files are read by several.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from data_prep.read.answers import Answers, content_name
from data_prep.read.cells import Numbering
from data_prep.read.gathered import Gathered
from data_prep.read.grouping import Grouping
from data_prep.sources.registry import Rejected
from gmt.data.interactions import text_id

NAMES = ("file", "user", "conversation", "comparison", "question", "task", "content")
OF_ROWS = (*NAMES, "query", "line", "turn", "split", "count", "timestamp")
TEXTS = ("response", "feedback")
OF_CANDIDATES = ("model", *TEXTS, "rating", "cost")
FLOATS = ("timestamp", "rating", "cost")
NONE = -1
APART = "\0"
"""Begins the part of a conversation's name that is not shown."""


@dataclass(frozen=True, eq=False)
class Block:
    """Hold rows as numbers, to be sent from one process to another.

    Args:
        names: Kind -> the names its codes point to; `query`, `response` and `feedback` share "text".
        columns: Column -> numbers; one for each row, or for each of the rows' candidates in turn.
    """

    names: dict[str, list[str]]
    columns: dict[str, np.ndarray]


class Gatherer:
    """Collect rows in the order of their file.

    Args:
        same_query: Join rated answers of one user to one query where no conversation is named.
        renumber: Turns of a conversation are known by their order only; count them from 0.
        numbered: A conversation is one row of the file; what follows `APART` in its name only tells it from others
            of that name, which are numbered at the end.
    """

    text_id: Callable[[str], str] = staticmethod(text_id)
    """Returns the `text_id` of the text that a name of the kind "text" stands for, which is the text itself unless
    somebody who merges blocks of keys says otherwise."""
    distant: Any = None
    """Where the texts are then."""

    def __init__(self, same_query: bool = False, renumber: bool = False, numbered: bool = False) -> None:
        self.same_query, self.renumber, self.numbered = same_query, renumber, numbered
        self.codes: dict[str, dict[str, int]] = {name: {} for name in (*NAMES, "text", "model")}
        self.columns = {name: array("d" if name in FLOATS else "q") for name in (*OF_ROWS, *OF_CANDIDATES)}

    def __len__(self) -> int:
        return len(self.columns["user"])

    def add(self, row: Answers) -> None:
        """Take one row."""
        columns, code = self.columns, self._code
        columns["file"].append(code("file", row.file))
        columns["line"].append(row.line)
        columns["user"].append(code("user", row.user))
        columns["conversation"].append(code("conversation", row.conversation))
        columns["comparison"].append(code("comparison", row.comparison))
        columns["question"].append(code("question", row.question))
        columns["task"].append(code("task", row.task))
        columns["query"].append(code("text", row.query))
        columns["turn"].append(NONE if row.turn is None else row.turn)
        columns["split"].append(NONE if row.split is None else row.split)
        columns["timestamp"].append(np.nan if row.timestamp is None else row.timestamp)
        columns["count"].append(len(row.candidates))
        content = None
        if row.comparison is None and row.conversation is None and len(row.candidates) > 1:
            content = content_name(None, row.query, row.timestamp, row.candidates)
        columns["content"].append(code("content", content))
        for one in row.candidates:
            columns["model"].append(code("model", one.model))
            columns["response"].append(code("text", one.response))
            columns["feedback"].append(code("text", one.feedback))
            columns["rating"].append(np.nan if one.rating is None else one.rating)
            columns["cost"].append(np.nan if one.cost is None else one.cost)

    def extend(self, rows: Iterable[Answers]) -> Gatherer:
        """Take rows one after the other."""
        for row in rows:
            self.add(row)
        return self

    def block(self) -> Block:
        """Return what was gathered, to be merged elsewhere."""
        columns = {name: np.array(values) for name, values in self.columns.items()}
        return Block({kind: list(known) for kind, known in self.codes.items()}, columns)

    def merge(self, block: Block) -> None:
        """Take the rows of a block behind those that stand."""
        codes = {}
        for kind, names in block.names.items():
            known = self.codes[kind]
            if kind == "conversation" and self.numbered:  # rows of another block are other conversations
                names = [f"{name}{APART}{len(known) + place}" for place, name in enumerate(names)]
            codes[kind] = np.array([known.setdefault(name, len(known)) for name in names] + [NONE], np.int64)
        for name, values in block.columns.items():
            kind = "text" if name in (*TEXTS, "query") else name
            found = codes[kind][values] if kind in codes else values
            self.columns[name].frombytes(np.ascontiguousarray(found).tobytes())

    def gathered(self, rejected: list[Rejected]) -> Gathered:
        """Put the rows into comparisons and conversations.

        A vote is a comparison. Rated answers with the same `comparison`, or with the same
        conversation, turn and query, form one; a repeated model starts the next. Names of
        conversations that several users share are told apart by the user.

        Args:
            rejected: Receives rows that contradict the comparison they name.
        """
        row, part = ({name: np.array(self.columns[name]) for name in some} for some in (OF_ROWS, OF_CANDIDATES))
        names = {kind: tuple(known) for kind, known in self.codes.items()}
        if self.numbered:
            numbering = Numbering()
            names["conversation"] = tuple(numbering.unique(name.partition(APART)[0]) for name in names["conversation"])
        grouping = Grouping(row, part["model"], names, self.same_query)
        head = grouping.heads(rejected)
        firsts = np.unique(head[head >= 0])
        kept = np.flatnonzero(head >= 0)
        order = kept[np.argsort(head[kept], kind="stable")]  # the rows of a comparison, side by side
        sizes = row["count"][order]
        at = (
            np.repeat(grouping.begin[order], sizes)
            + np.arange(sizes.sum())
            - np.repeat(np.cumsum(sizes) - sizes, sizes)
        )
        start = np.concatenate([[0], np.cumsum(np.bincount(np.searchsorted(firsts, head[order]), sizes, len(firsts)))])
        return Gathered(
            names,
            {name: values[firsts] for name, values in row.items()},
            {name: values[at] for name, values in part.items()},
            start.astype(np.int64),
            self.renumber,
            len(kept),
            self.text_id,
        )

    def _code(self, kind: str, name: str | None) -> int:
        if name is None:
            return NONE
        known = self.codes[kind]
        return known.setdefault(name, len(known))
