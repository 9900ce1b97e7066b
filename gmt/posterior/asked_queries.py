"""Name queries as they are asked: alone, or at a point of a conversation whose earlier rounds may be read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gmt.data.dataset import Questions
from gmt.data.interactions import InteractionTable
from gmt.routing.query_keys import QueryKeys


@dataclass(frozen=True, eq=False)
class AskedQueries:
    """Hold N queries as they are asked: with the rounds that came before them, or with none.

    Args:
        keys: (N,) which queries they are.
        conversation, turn: (N,) where they stand; conversation -1 where no earlier round is to be read.
        earlier: The rounds that may be read of a conversation, up to its turn; ratings are not looked at.
    """

    keys: QueryKeys
    conversation: np.ndarray
    turn: np.ndarray
    earlier: InteractionTable

    @classmethod
    def of(cls, questions: Questions) -> AskedQueries:
        """Read targets."""
        return cls(QueryKeys.of(questions), questions.conversation, questions.turn, questions.earlier)

    @classmethod
    def rounds(cls, table: InteractionTable, positions: np.ndarray) -> AskedQueries:
        """Read the (N,) comparisons of a table at `positions`."""
        keys = QueryKeys.of(table).select(positions)
        return cls(keys, table.conversation[positions], table.turn[positions], table)

    @classmethod
    def alone(cls, keys: QueryKeys, table: InteractionTable) -> AskedQueries:
        """Read queries whatever came before them."""
        return cls(keys, np.full(len(keys), -1), np.zeros(len(keys), np.int64), table.select(np.zeros(0, np.int64)))

    def __len__(self) -> int:
        return len(self.keys)

    def select(self, positions: np.ndarray) -> AskedQueries:
        """Return those at `positions`."""
        keys = self.keys.select(positions)
        return AskedQueries(keys, self.conversation[positions], self.turn[positions], self.earlier)
