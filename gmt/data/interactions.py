"""Hold conversations and ratings as one checked, columnar table: the only shape the rest of gmt reads."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from gmt.errors import DataError

SPLITS = ("train", "valid", "test")
TRAIN, VALID, TEST = range(3)
WRITTEN_AT_ONCE = 100_000  # comparisons

SCHEMA = pa.schema(
    [
        ("comparison", pa.int64()),
        ("user", pa.string()),
        ("conversation", pa.string()),
        ("turn", pa.int32()),
        ("question", pa.string()),
        ("task", pa.string()),
        ("query", pa.string()),
        ("model", pa.string()),
        ("response", pa.string()),
        ("rating", pa.float64()),
        ("feedback", pa.string()),
        ("cost", pa.float64()),
        ("timestamp", pa.float64()),
        ("split", pa.string()),
    ]
)


def text_id(text: str) -> str:
    """Return a short stable id of a text (first 16 hex digits of its SHA-256)."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Candidate:
    """Hold one model's answer within a comparison.

    Args:
        model: Name of the model that answered.
        response: Its answer, or None where the source does not keep it.
        rating: Rating in [0, 1], scaled by the source's own scale; None where nobody rated.
        feedback: Free-text feedback on this answer.
        cost: Price paid for this answer, any one unit per source.

    Raises:
        DataError: The name is empty, or the rating or cost is not a finite number in range.
    """

    model: str
    response: str | None = None
    rating: float | None = None
    feedback: str | None = None
    cost: float | None = None

    def __post_init__(self) -> None:
        if not self.model or not self.model.strip():
            raise DataError("a candidate has no model name; expected a non-empty name")
        if self.rating is not None and not (math.isfinite(self.rating) and 0.0 <= self.rating <= 1.0):
            raise DataError(
                f"rating {self.rating} of model {self.model} is outside [0, 1]; scale it by the source's own scale"
            )
        if self.cost is not None and not math.isfinite(self.cost):
            raise DataError(f"cost {self.cost} of model {self.model} is not finite; leave it out where unknown")


@dataclass(frozen=True, slots=True)
class Comparison:
    """Hold one round: a user asked something and saw the answers of one or more models.

    Args:
        user: Name of the person.
        conversation: Name of the conversation; rounds of one conversation share it.
        turn: Number of the round within its conversation, from 0.
        query: What was asked.
        candidates: The answers in the order they were shown; each model once.
        question: The source's id of the question; defaults to a hash of the query.
        task: Name of the task or category.
        timestamp: UTC seconds since the epoch.

    Raises:
        DataError: A name is empty, the turn is negative, or a model stands twice.
    """

    user: str
    conversation: str
    turn: int
    query: str
    candidates: tuple[Candidate, ...]
    question: str | None = None
    task: str | None = None
    timestamp: float | None = None

    def __post_init__(self) -> None:
        if not self.user or not self.user.strip():
            raise DataError("user is empty; expected a non-empty name")
        if not self.conversation:
            raise DataError("conversation is empty; expected a non-empty name")
        if self.turn < 0:
            raise DataError(f"turn is {self.turn}; turns count from 0")
        if not self.candidates:
            raise DataError("no model answered; expected at least one candidate")
        names = [candidate.model for candidate in self.candidates]
        if len(set(names)) < len(names):
            raise DataError(f"a model stands twice in one comparison ({', '.join(names)}); expected each model once")


def winner_ratings(winner: str) -> tuple[float, float, str | None]:
    """Translate a pairwise verdict into (rating of a, rating of b, feedback).

    `winner` is one of `model_a`, `model_b`, `tie`, `tie (bothbad)`; a tie is 0.5 and 0.5.

    Raises:
        DataError: The verdict is none of these.
    """
    known = {
        "model_a": (1.0, 0.0, None),
        "model_b": (0.0, 1.0, None),
        "tie": (0.5, 0.5, None),
        "tie (bothbad)": (0.5, 0.5, "both bad"),
    }
    if winner not in known:
        raise DataError(f"winner is {winner!r}; expected one of {', '.join(known)}")
    return known[winner]


@dataclass(frozen=True, eq=False)
class InteractionTable:
    """Hold every comparison as integer codes into fixed vocabularies.

    C comparisons hold R rows (one per candidate) in the order shown; rows of comparison c are
    `start[c]:start[c + 1]`. Code -1 stands for "none", NaN for "not known".

    Args:
        users, models, texts, conversations, questions, tasks: The vocabularies; `texts` holds
            every distinct query, response and feedback.
        comparison: (C,) the comparison ids written to Parquet.
        user, conversation, turn, question, task, query, split: (C,) codes; turn is a number,
            split one of TRAIN, VALID, TEST.
        timestamp: (C,) UTC seconds or NaN.
        start: (C + 1,) row offsets.
        model, response, feedback: (R,) codes.
        rating, cost: (R,) floats or NaN.

    Raises:
        DataError: Shapes, codes, ratings or the one-split-per-conversation rule are broken.
    """

    users: tuple[str, ...]
    models: tuple[str, ...]
    texts: tuple[str, ...]
    conversations: tuple[str, ...]
    questions: tuple[str, ...]
    tasks: tuple[str, ...]
    comparison: np.ndarray
    user: np.ndarray
    conversation: np.ndarray
    turn: np.ndarray
    question: np.ndarray
    task: np.ndarray
    query: np.ndarray
    timestamp: np.ndarray
    split: np.ndarray
    start: np.ndarray
    model: np.ndarray
    response: np.ndarray
    feedback: np.ndarray
    rating: np.ndarray
    cost: np.ndarray

    def __post_init__(self) -> None:
        count, rows = len(self.comparison), len(self.model)
        if len(self.start) != count + 1 or (count and self.start[-1] != rows):
            raise DataError(f"row offsets do not cover {rows} rows of {count} comparisons; rebuild the table")
        checks = [
            ("user", self.user, len(self.users), 0),
            ("conversation", self.conversation, len(self.conversations), 0),
            ("question", self.question, len(self.questions), 0),
            ("task", self.task, len(self.tasks), -1),
            ("query", self.query, len(self.texts), 0),
            ("model", self.model, len(self.models), 0),
            ("response", self.response, len(self.texts), -1),
            ("feedback", self.feedback, len(self.texts), -1),
            ("split", self.split, len(SPLITS), 0),
        ]
        for name, codes, size, low in checks:
            if len(codes) and (codes.min() < low or codes.max() >= size):
                raise DataError(f"{name} codes reach outside their vocabulary of {size}; rebuild the table")
        known = self.rating[~np.isnan(self.rating)]
        if len(known) and (known.min() < 0 or known.max() > 1):
            raise DataError(f"ratings span {known.min()}..{known.max()}; expected [0, 1]")
        keys = self.row_comparison * max(len(self.models), 1) + self.model
        if len(np.unique(keys)) < rows:
            raise DataError("a model stands twice in one comparison; expected each (comparison, model) once")
        if count:
            order = np.argsort(self.conversation, kind="stable")
            same = self.conversation[order[1:]] == self.conversation[order[:-1]]
            if (same & (self.split[order[1:]] != self.split[order[:-1]])).any():
                raise DataError("a conversation stands in two splits; cut splits between conversations")

    def __len__(self) -> int:
        return len(self.comparison)

    @cached_property
    def row_comparison(self) -> np.ndarray:
        """(R,) position of the comparison each row belongs to."""
        return np.repeat(np.arange(len(self.comparison)), np.diff(self.start))

    @cached_property
    def padded_rows(self) -> np.ndarray:
        """(C, K) row numbers of each comparison's candidates, -1 under padding."""
        sizes = np.diff(self.start)
        width = int(sizes.max()) if len(sizes) else 0
        slots = np.arange(width)[None, :]
        return np.where(slots < sizes[:, None], self.start[:-1, None] + slots, -1)

    @cached_property
    def candidates(self) -> np.ndarray:
        """(C, K) model codes, -1 under padding."""
        rows = self.padded_rows
        return np.where(rows >= 0, self.model[rows], -1) if rows.size else rows

    @property
    def mask(self) -> np.ndarray:
        """(C, K) true where a candidate exists, false under padding."""
        return self.padded_rows >= 0

    @cached_property
    def ratings(self) -> np.ndarray:
        """(C, K) ratings, NaN where unrated and under padding."""
        rows = self.padded_rows
        return np.where(rows >= 0, self.rating[rows], np.nan) if rows.size else rows.astype(float)

    @cached_property
    def rated(self) -> np.ndarray:
        """(C,) true where at least one candidate carries a rating: what counts as a shot and can be asked."""
        return np.logical_or.reduceat(~np.isnan(self.rating), self.start[:-1]) if len(self) else np.zeros(0, bool)

    def select(self, positions: np.ndarray) -> InteractionTable:
        """Return the comparisons at `positions` (indices or a mask), vocabularies unchanged."""
        positions = np.asarray(positions)
        if positions.dtype == bool:
            positions = np.flatnonzero(positions)
        sizes = np.diff(self.start)[positions]
        start = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        within = np.arange(start[-1]) - np.repeat(start[:-1], sizes)
        rows = np.repeat(self.start[:-1][positions], sizes) + within
        per_comparison = {
            name: getattr(self, name)[positions]
            for name in (
                "comparison",
                "user",
                "conversation",
                "turn",
                "question",
                "task",
                "query",
                "timestamp",
                "split",
            )
        }
        per_row = {name: getattr(self, name)[rows] for name in ("model", "response", "feedback", "rating", "cost")}
        return replace(self, start=start, **per_comparison, **per_row)

    def with_split(self, split: np.ndarray) -> InteractionTable:
        """Return the same table with (C,) split codes."""
        return replace(self, split=np.asarray(split, dtype=np.int8))

    def grown(self, **vocabularies: Sequence[str]) -> InteractionTable:
        """Return the same rows with vocabularies that hold more names behind the old ones; nothing is checked again."""
        out = object.__new__(InteractionTable)
        out.__dict__.update(self.__dict__ | vocabularies)
        return out

    def owned(self) -> InteractionTable:
        """Return the table itself.

        Raises:
            DataError: Two people share a conversation; each would see the other's earlier rounds.
        """
        owner = np.full(len(self.conversations), -1, dtype=np.int64)
        owner[self.conversation] = self.user
        shared = np.flatnonzero(owner[self.conversation] != self.user)
        if len(shared):
            talk, user = self.conversation[shared[0]], self.user[shared[0]]
            raise DataError(
                f"conversation {self.conversations[talk]} belongs to {self.users[user]} and {self.users[owner[talk]]}; "
                "give every person's conversations names of their own"
            )
        return self

    @property
    def text_order(self) -> np.ndarray:
        """(T,) codes of the texts in the order in which `read` will number them: queries, responses, feedback."""
        codes = np.concatenate([self.query, self.response, self.feedback])
        values, first = np.unique(codes, return_index=True)
        values = values[np.argsort(first)]
        return values[values >= 0]

    def without_ratings(self) -> InteractionTable:
        """Return the same table with ratings and feedback blanked."""
        return replace(self, rating=np.full_like(self.rating, np.nan), feedback=np.full_like(self.feedback, -1))

    def to_comparisons(self) -> list[Comparison]:
        """Return the rows as plain `Comparison` objects, in table order."""
        out = []
        for c in range(len(self)):
            candidates = tuple(
                Candidate(
                    self.models[self.model[r]],
                    self.texts[self.response[r]] if self.response[r] >= 0 else None,
                    None if np.isnan(self.rating[r]) else float(self.rating[r]),
                    self.texts[self.feedback[r]] if self.feedback[r] >= 0 else None,
                    None if np.isnan(self.cost[r]) else float(self.cost[r]),
                )
                for r in range(self.start[c], self.start[c + 1])
            )
            out.append(
                Comparison(
                    self.users[self.user[c]],
                    self.conversations[self.conversation[c]],
                    int(self.turn[c]),
                    self.texts[self.query[c]],
                    candidates,
                    self.questions[self.question[c]],
                    self.tasks[self.task[c]] if self.task[c] >= 0 else None,
                    None if np.isnan(self.timestamp[c]) else float(self.timestamp[c]),
                )
            )
        return out

    @classmethod
    def from_comparisons(
        cls, comparisons: Iterable[Comparison], split: Sequence[int] | None = None, models: Sequence[str] = ()
    ) -> InteractionTable:
        """Build a table; vocabularies follow first appearance.

        Args:
            comparisons: The comparisons, in any order.
            split: (C,) split codes; all TRAIN when left out.
            models: Names that must be in the vocabulary, first and in this order.
        """
        return _Builder(models).extend(comparisons, split).table()

    def append(self, comparisons: Iterable[Comparison], split: int = TRAIN) -> InteractionTable:
        """Return this table plus `comparisons`; codes already given out keep their meaning."""
        builder = _Builder.resume(self)
        items = list(comparisons)
        return builder.extend(items, [split] * len(items)).table()

    def to_arrow(self) -> pa.Table:
        """Return one Arrow row per candidate, columns as in the data contract."""
        return self._to_arrow(0, len(self))

    def _to_arrow(self, first: int, last: int) -> pa.Table:
        rows = slice(int(self.start[first]), int(self.start[last]))
        of = self.row_comparison[rows]

        def names(vocabulary: Sequence[str], codes: np.ndarray) -> pa.Array:
            used, place = np.unique(codes, return_inverse=True)
            values = pa.array([vocabulary[code] if code >= 0 else None for code in used.tolist()], pa.string())
            return values.take(pa.array(place.reshape(-1)))

        def numbers(values: np.ndarray) -> pa.Array:
            return pa.array(values.astype(float), mask=np.isnan(values))

        columns = {
            "comparison": pa.array(self.comparison[of], pa.int64()),
            "user": names(self.users, self.user[of]),
            "conversation": names(self.conversations, self.conversation[of]),
            "turn": pa.array(self.turn[of], pa.int32()),
            "question": names(self.questions, self.question[of]),
            "task": names(self.tasks, self.task[of]),
            "query": names(self.texts, self.query[of]),
            "model": names(self.models, self.model[rows]),
            "response": names(self.texts, self.response[rows]),
            "rating": numbers(self.rating[rows]),
            "feedback": names(self.texts, self.feedback[rows]),
            "cost": numbers(self.cost[rows]),
            "timestamp": numbers(self.timestamp[of]),
            "split": names(SPLITS, self.split[of].astype(np.int64)),
        }
        return pa.table(columns, schema=SCHEMA)

    @classmethod
    def from_arrow(cls, table: pa.Table, models: Sequence[str] = ()) -> InteractionTable:
        """Read rows written by `to_arrow`; `models` fixes the first model codes.

        Raises:
            DataError: A column is missing, or rows of one comparison disagree on user, turn or query.
        """
        missing = [name for name in SCHEMA.names if name not in table.column_names]
        if missing:
            raise DataError(f"the table lacks the columns {', '.join(missing)}; write it with gmt prep")
        table = table.select(SCHEMA.names).cast(SCHEMA)
        ids = table["comparison"].to_numpy()
        order = np.argsort(ids, kind="stable")
        if (order != np.arange(len(order))).any():
            table, ids = table.take(pa.array(order)), ids[order]
        first = np.flatnonzero(np.concatenate([[True], ids[1:] != ids[:-1]])) if len(ids) else np.zeros(0, np.int64)
        start = np.concatenate([first, [len(ids)]]).astype(np.int64)

        def codes(column: pa.ChunkedArray) -> tuple[tuple[str, ...], np.ndarray]:
            encoded = pa.compute.dictionary_encode(column.combine_chunks())  # pyright: ignore[reportAttributeAccessIssue]
            values = tuple(encoded.dictionary.to_pylist())
            return values, encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)

        def floats(name: str) -> np.ndarray:
            return table[name].combine_chunks().fill_null(math.nan).to_numpy(zero_copy_only=False).astype(float)

        fields: dict[str, np.ndarray] = {}
        vocabularies: dict[str, tuple[str, ...]] = {}
        for name, plural in [
            ("user", "users"),
            ("conversation", "conversations"),
            ("question", "questions"),
            ("task", "tasks"),
        ]:
            vocabularies[plural], fields[name] = codes(table[name])
        vocabularies["models"], model = codes(
            pa.chunked_array([pa.array(list(models), pa.string()), *table["model"].chunks])
        )
        rows = len(ids)
        texts = pa.chunked_array(
            [*table["query"].chunks, *table["response"].chunks, *table["feedback"].chunks], pa.string()
        )
        vocabularies["texts"], text = codes(texts)
        query, response, feedback = text[:rows], text[rows : 2 * rows], text[2 * rows :]
        split_names, split = codes(table["split"])
        known = {name: code for code, name in enumerate(SPLITS)}
        strange = [name for name in split_names if name not in known]
        if strange or (split < 0).any():
            raise DataError(f"split is {strange[0] if strange else None!r}; expected one of {', '.join(SPLITS)}")
        split = np.array([known[name] for name in split_names] or [0], dtype=np.int8)[split]
        turn, timestamp = table["turn"].to_numpy().astype(np.int64), floats("timestamp")
        of = np.repeat(np.arange(len(first)), np.diff(start))
        for name, column in [*fields.items(), ("turn", turn), ("query", query), ("split", split)]:
            if (column != column[first][of]).any():
                at = int(np.flatnonzero(column != column[first][of])[0])
                raise DataError(f"rows of comparison {ids[at]} differ in {name}; rows of a comparison share it")
        shared: dict[str, Any] = {name: column[first] for name, column in fields.items()}
        return cls(
            **vocabularies,
            comparison=ids[first],
            **shared,
            turn=turn[first],
            query=query[first],
            timestamp=timestamp[first],
            split=split[first],
            start=start,
            model=model[len(models) :],
            response=response,
            feedback=feedback,
            rating=floats("rating"),
            cost=floats("cost"),
        ).owned()

    def write(self, path: Path) -> None:
        """Write Parquet under a temporary name, then rename."""
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(path.name + ".part")
        with pq.ParquetWriter(temporary, SCHEMA, compression="zstd") as writer:
            for first in range(0, max(len(self), 1), WRITTEN_AT_ONCE):  # so that texts are never all held as Arrow
                writer.write_table(self._to_arrow(first, min(first + WRITTEN_AT_ONCE, len(self))))
        os.replace(temporary, path)

    @classmethod
    def read(cls, path: Path, models: Sequence[str] = ()) -> InteractionTable:
        """Read Parquet written by `write`.

        Raises:
            DataError: There is no such file, or it is no such table.
        """
        if not path.is_file():
            raise DataError(f"{path} does not exist; make it with gmt prep")
        try:
            return cls.from_arrow(pq.read_table(path), models)
        except pa.ArrowException as error:
            raise DataError(
                f"{path} is not a readable interaction table ({error}); make it anew with gmt prep"
            ) from error


class _Builder:
    """Collect comparisons into columns, giving codes by first appearance."""

    VOCABULARIES = ("users", "models", "texts", "conversations", "questions", "tasks")
    PER_COMPARISON = ("comparison", "user", "conversation", "turn", "question", "task", "query", "timestamp", "split")
    PER_ROW = ("model", "response", "feedback", "rating", "cost")

    def __init__(self, models: Sequence[str] = ()) -> None:
        self.codes: dict[str, dict[str, int]] = {name: {} for name in self.VOCABULARIES}
        self.columns: dict[str, list[float]] = {name: [] for name in self.PER_COMPARISON + self.PER_ROW}
        self.start = [0]
        self.opening: dict[str, tuple[int, str]] = {}  # conversation -> its first turn and query
        for name in models:
            self.code("models", name)

    @classmethod
    def resume(cls, table: InteractionTable) -> _Builder:
        builder = cls()
        for name in cls.VOCABULARIES:
            builder.codes[name] = {value: code for code, value in enumerate(getattr(table, name))}
        for name in cls.PER_COMPARISON + cls.PER_ROW:
            builder.columns[name] = getattr(table, name).tolist()
        builder.start = table.start.tolist()
        for c in np.argsort(-table.turn, kind="stable"):  # the lowest turn is written last and stays
            name = table.conversations[table.conversation[c]]
            builder.opening[name] = int(table.turn[c]), table.texts[table.query[c]]
        return builder

    def code(self, vocabulary: str, value: str | None) -> int:
        if value is None:
            return -1
        known = self.codes[vocabulary]
        return known.setdefault(value, len(known))

    def extend(self, comparisons: Iterable[Comparison], split: Sequence[int] | None) -> _Builder:
        columns = self.columns
        next_id = int(max(columns["comparison"], default=-1)) + 1
        items = list(comparisons)
        opening = self.opening
        for item in items:  # the question of a later turn is the one its conversation opened with
            seen = opening.get(item.conversation)
            if seen is None or item.turn < seen[0]:
                opening[item.conversation] = (item.turn, item.query)
        for position, item in enumerate(items):
            columns["comparison"].append(next_id + position)
            columns["user"].append(self.code("users", item.user))
            columns["conversation"].append(self.code("conversations", item.conversation))
            columns["turn"].append(item.turn)
            question = item.question if item.question is not None else text_id(opening[item.conversation][1])
            columns["question"].append(self.code("questions", question))
            columns["task"].append(self.code("tasks", item.task))
            columns["query"].append(self.code("texts", item.query))
            columns["timestamp"].append(math.nan if item.timestamp is None else item.timestamp)
            columns["split"].append(TRAIN if split is None else split[position])
            for candidate in item.candidates:
                columns["model"].append(self.code("models", candidate.model))
                columns["response"].append(self.code("texts", candidate.response))
                columns["feedback"].append(self.code("texts", candidate.feedback))
                columns["rating"].append(math.nan if candidate.rating is None else candidate.rating)
                columns["cost"].append(math.nan if candidate.cost is None else candidate.cost)
            self.start.append(len(columns["model"]))
        return self

    def table(self) -> InteractionTable:
        arrays: dict[str, Any] = {
            name: np.asarray(values, dtype=float if name in ("timestamp", "rating", "cost") else np.int64)
            for name, values in self.columns.items()
        }
        vocabularies = {name: tuple(known) for name, known in self.codes.items()}
        return InteractionTable(**vocabularies, **arrays, start=np.asarray(self.start, dtype=np.int64)).owned()
