"""Name queries as they are asked: alone, or at a point of a conversation whose earlier rounds may be read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gmt.data.dataset import Questions
from gmt.data.interactions import InteractionTable
from gmt.routing.conversation_reading import ReadQueries


@dataclass(frozen=True, eq=False)
class AskedQueries:
    """Hold N queries as they are asked: with the rounds that came before them, or with none.

    Args:
        queries: (N,) which queries they are, and the vectors that they are read by.
        conversation, turn: (N,) where they stand; conversation -1 where no earlier round is to be read.
        earlier: The rounds that may be read of a conversation, up to its turn; ratings are not looked at. None: none.
    """

    queries: ReadQueries
    conversation: np.ndarray
    turn: np.ndarray
    earlier: InteractionTable | None

    @classmethod
    def of(cls, questions: Questions, queries: ReadQueries) -> AskedQueries:
        """Read targets, given how their queries are read."""
        return cls(queries, questions.conversation, questions.turn, questions.earlier)

    @classmethod
    def rounds(cls, table: InteractionTable, positions: np.ndarray, queries: ReadQueries) -> AskedQueries:
        """Read the (N,) comparisons of a table at `positions`, given how all queries of the table are read."""
        return cls(queries.select(positions), table.conversation[positions], table.turn[positions], table)

    @classmethod
    def alone(cls, queries: ReadQueries) -> AskedQueries:
        """Read queries by their vectors, and no round before them."""
        conversation = np.full(len(queries), -1)
        # One text may be read in several ways: each of those read with a conversation is a query by itself.
        conversation[queries.later] = np.arange(len(queries.later))
        return cls(queries, conversation, np.zeros(len(queries), np.int64), None)

    @property
    def with_conversation(self) -> np.ndarray:
        """(N,) true where a query's vector is more than that of its text."""
        out = np.zeros(len(self), bool)
        out[self.queries.later] = True
        return out

    def __len__(self) -> int:
        return len(self.queries)

    def select(self, positions: np.ndarray) -> AskedQueries:
        """Return those at `positions`."""
        queries = self.queries.select(positions)
        return AskedQueries(queries, self.conversation[positions], self.turn[positions], self.earlier)
