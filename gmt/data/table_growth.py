"""Put comparisons behind a table in place, so that one more costs the same beside any number of others."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from gmt.data.comparisons import Comparison, text_id
from gmt.data.growing_rows import GrowingRows
from gmt.data.signals import signal_code
from gmt.data.table_columns import PER_COMPARISON, PER_ROW, VOCABULARIES, TableColumns
from gmt.data.vocabulary import Vocabulary
from gmt.errors import DataError


class TableGrowth:
    """Hold the columns of the tables that were grown from one another, and what finds a user's rounds in them.

    A table is a view of the first rows, so that older tables stay as they are. The newest one grows in place; from any
    other a growth of its own begins.

    Args:
        table: What it begins with; its columns are copied once.
    """

    def __init__(self, table: TableColumns) -> None:
        self.lock = threading.Lock()
        self.columns = {name: GrowingRows(getattr(table, name)) for name in (*PER_COMPARISON, *PER_ROW, "start")}
        self.vocabularies = {name: Vocabulary.of(getattr(table, name)) for name in VOCABULARIES}
        # 1. Every conversation's first round, owner and split, by code.
        talks = len(table.conversations)
        order = np.lexsort((-np.arange(len(table)), table.turn, table.conversation))
        first = order[np.unique(table.conversation[order], return_index=True)[1]]
        opened = np.full((talks, 4), -1, np.int64)
        opened[table.conversation[first]] = np.stack(
            [table.turn[first], table.query[first], table.user[first], table.split[first]], axis=1
        )
        self.opened = GrowingRows(opened)  # turn, query, user, split; -1 where nothing was said yet
        # 2. Every user's rounds: those of the beginning in one sorted array, later ones in a list each.
        self.by_user = np.argsort(table.user, kind="stable")
        self.sorted_user = table.user[self.by_user]
        self.later: dict[int, list[int]] = {}
        self.next_number = int(table.comparison.max(initial=-1)) + 1

    def __len__(self) -> int:
        return self.columns["comparison"].taken

    def is_newest(self, table: TableColumns) -> bool:
        """Tell whether a table ends where this one does."""
        return len(table) == len(self) and len(table.conversations) == self.opened.taken

    def rounds_of(self, user: int, count: int) -> np.ndarray:
        """Return the ascending positions of a user's rounds among the first `count`."""
        low, high = np.searchsorted(self.sorted_user, [user, user + 1])
        found = self.by_user[low:high]
        later = self.later.get(user)
        if later:
            found = np.concatenate([found, np.array(list(later), np.int64)])
        return found[: np.searchsorted(found, count)]

    def append(self, table: TableColumns, items: Sequence[Comparison], split: int) -> dict[str, Any]:
        """Put comparisons behind the table, which is the newest; return the fields of the longer one.

        Raises:
            DataError: A conversation would belong to two users or stand in two splits; nothing is changed then.
        """
        vocabularies = {name: Vocabulary.of(getattr(table, name)) for name in VOCABULARIES}
        self._check(vocabularies, items, split)
        # 1. Names first: users, conversations, tasks, models and texts by first appearance.
        named: dict[str, list[str]] = {
            "users": [item.user for item in items],
            "conversations": [item.conversation for item in items],
            "tasks": [item.task for item in items if item.task is not None],
            "models": [candidate.model for item in items for candidate in item.candidates],
            "texts": [text for item in items for text in item.texts()],
        }
        vocabularies |= {name: vocabularies[name].grown(names) for name, names in named.items()}
        # 2. The question of a later turn is the one its conversation opened with, also where that comes after it.
        self._open(vocabularies, items, split)
        texts, opened = vocabularies["texts"], self.opened.view()
        questions = [
            item.question
            if item.question is not None
            else text_id(texts[opened[vocabularies["conversations"].code(item.conversation), 1]])
            for item in items
        ]
        vocabularies["questions"] = vocabularies["questions"].grown(questions)
        self._put(vocabularies, items, questions, split)
        self.vocabularies = vocabularies
        return vocabularies | {name: rows.view() for name, rows in self.columns.items()}

    def _check(self, vocabularies: dict[str, Vocabulary], items: Sequence[Comparison], split: int) -> None:
        opened, owners = self.opened.view(), {}
        for item in items:
            talk = vocabularies["conversations"].code(item.conversation)
            if talk >= 0 and opened[talk, 0] >= 0:
                owner = vocabularies["users"][opened[talk, 2]]
                if opened[talk, 3] != split:
                    raise DataError("a conversation stands in two splits; cut splits between conversations")
            else:
                owner = owners.setdefault(item.conversation, item.user)
            if owner != item.user:
                raise DataError(
                    f"conversation {item.conversation} belongs to {item.user} and {owner}; give every user's "
                    "conversations names of their own"
                )

    def _open(self, vocabularies: dict[str, Vocabulary], items: Sequence[Comparison], split: int) -> None:
        """Note the first round of every conversation."""
        talks, users, texts = (vocabularies[name] for name in ("conversations", "users", "texts"))
        self.opened.put(np.full((len(talks) - self.opened.taken, 4), -1, np.int64))
        opened = self.opened.view()
        for item in items:
            row = opened[talks.code(item.conversation)]
            if row[0] < 0 or item.turn < row[0]:
                row[:] = item.turn, texts.code(item.query), users.code(item.user), split

    def _put(
        self, vocabularies: dict[str, Vocabulary], items: Sequence[Comparison], questions: Sequence[str], split: int
    ) -> None:
        """Write the rows."""
        columns, count = self.columns, len(self)

        def codes(vocabulary: str, names: Iterable[str | None]) -> np.ndarray:
            known = vocabularies[vocabulary]
            return np.array([-1 if name is None else known.code(name) for name in names], np.int64)

        candidates = [candidate for item in items for candidate in item.candidates]
        sizes = np.array([len(item.candidates) for item in items], np.int64)
        first = self.next_number
        rows = {
            "comparison": first + np.arange(len(items)),
            "user": codes("users", (item.user for item in items)),
            "conversation": codes("conversations", (item.conversation for item in items)),
            "turn": np.array([item.turn for item in items], np.int64),
            "question": codes("questions", questions),
            "task": codes("tasks", (item.task for item in items)),
            "query": codes("texts", (item.query for item in items)),
            "timestamp": np.array([_number(item.timestamp) for item in items], float),
            "split": np.full(len(items), split),
            "start": columns["start"].view()[-1] + np.cumsum(sizes),
            "model": codes("models", (one.model for one in candidates)),
            "response": codes("texts", (one.response for one in candidates)),
            "feedback": codes("texts", (one.feedback for one in candidates)),
            "rating": np.array([_number(one.rating) for one in candidates], float),
            "cost": np.array([_number(one.cost) for one in candidates], float),
            "signal": np.array([signal_code(one.signal) for one in candidates], np.int64),
        }
        self.next_number = first + len(items)
        for position, user in enumerate(rows["user"].tolist(), count):
            self.later.setdefault(user, []).append(position)
        for name, values in rows.items():
            columns[name].put(values)


def _number(value: float | None) -> float:
    return math.nan if value is None else value
