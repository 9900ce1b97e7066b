"""Say which queries are one and the same."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

from gmt.data.dataset import Questions
from gmt.data.interactions import InteractionTable


@dataclass(frozen=True, eq=False)
class QueryKeys:
    """Hold what tells N queries apart: (N,) codes of text, question, turn, task and the queries before.

    An opening query is its text, whatever its source calls it; a later one is also the question it
    belongs to and its turn, for "go on" means something else in every conversation.

    Args:
        query, question, turn, task: (N,) codes; question is -1 for an opening query.
        context: (N,) what stands for the earlier queries of the conversation where these are read; 0 for none.
    """

    query: np.ndarray
    question: np.ndarray
    turn: np.ndarray
    task: np.ndarray
    context: np.ndarray

    def __len__(self) -> int:
        return len(self.query)

    @classmethod
    def of(cls, source: InteractionTable | Questions) -> QueryKeys:
        """Read the keys of every comparison or question by its own text."""
        # Openings lose their question's code, so that the same prompt in two conversations is one query.
        question = np.where(source.turn > 0, source.question, -1)
        return cls(source.query, question, source.turn, source.task, np.zeros(len(source.query), np.int64))

    def select(self, positions: np.ndarray) -> QueryKeys:
        """Return the keys at `positions`."""
        return QueryKeys(**{item.name: getattr(self, item.name)[positions] for item in fields(self)})

    def joined(self, other: QueryKeys) -> QueryKeys:
        """Return the keys with others behind them."""
        columns = ((item.name, (getattr(self, item.name), getattr(other, item.name))) for item in fields(self))
        return QueryKeys(**{name: np.concatenate(both) for name, both in columns})

    def without_context(self) -> QueryKeys:
        """Return the same keys, whatever was said before."""
        return replace(self, context=np.zeros_like(self.context))

    def codes(self) -> dict[tuple[int, ...], int]:
        """Return key -> its place, for keys that are all different."""
        return {key: code for code, key in enumerate(self.tuples())}

    def tuples(self) -> list[tuple[int, ...]]:
        """Return the keys one by one, as text, question, turn and context; the task follows from the text."""
        columns = (column.tolist() for column in (self.query, self.question, self.turn, self.context))
        return list(zip(*columns, strict=True))

    def same_as(self, other: QueryKeys) -> np.ndarray:
        """Return (N, G) true where a query is one of the G others."""
        # Codes suffice: a text has one code in the history and in whatever extends it.
        same = (self.query[:, None] == other.query) & (self.turn[:, None] == other.turn)
        same &= self.question[:, None] == other.question
        # Without any conversation read there is nothing more to compare, and (N, G) numbers are many.
        return same & (self.context[:, None] == other.context) if self.context.any() or other.context.any() else same

    def distinct(self) -> tuple[QueryKeys, np.ndarray]:
        """Return the G different keys in a fixed order, and (N,) which of them each one is."""
        # `unique` sorts, so codes do not depend on the order of a table.
        columns = np.stack([self.query, self.question, self.turn, self.context], axis=1)
        _, first, code = np.unique(columns, axis=0, return_index=True, return_inverse=True)
        return self.select(first), code.reshape(-1)
