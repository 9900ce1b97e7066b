"""Say which queries are one and the same."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gmt.data.dataset import Questions
from gmt.data.interactions import InteractionTable


@dataclass(frozen=True, eq=False)
class QueryKeys:
    """Hold what tells N queries apart: (N,) codes of text, question, turn and task.

    An opening query is its text, whatever its source calls it; a later one is also the question it
    belongs to and its turn, for "go on" means something else in every conversation.
    """

    query: np.ndarray
    question: np.ndarray
    turn: np.ndarray
    task: np.ndarray

    def __len__(self) -> int:
        return len(self.query)

    @classmethod
    def of(cls, source: InteractionTable | Questions) -> QueryKeys:
        """Read the keys of every comparison or question."""
        # Openings lose their question's code, so that the same prompt in two conversations is one query.
        return cls(source.query, np.where(source.turn > 0, source.question, -1), source.turn, source.task)

    def select(self, positions: np.ndarray) -> QueryKeys:
        """Return the keys at `positions`."""
        return QueryKeys(**{name: value[positions] for name, value in vars(self).items()})

    def codes(self) -> dict[tuple[int, int, int], int]:
        """Return key -> its place, for keys that are all different."""
        return {key: code for code, key in enumerate(self.tuples())}

    def tuples(self) -> list[tuple[int, int, int]]:
        """Return the keys one by one, as (text, question, turn); the task follows from the text."""
        return list(zip(self.query.tolist(), self.question.tolist(), self.turn.tolist(), strict=True))

    def distinct(self) -> tuple[QueryKeys, np.ndarray]:
        """Return the G different keys in a fixed order, and (N,) which of them each one is."""
        # `unique` sorts, so codes do not depend on the order of a table.
        columns = np.stack([self.query, self.question, self.turn], axis=1)
        _, first, code = np.unique(columns, axis=0, return_index=True, return_inverse=True)
        return self.select(first), code.reshape(-1)
