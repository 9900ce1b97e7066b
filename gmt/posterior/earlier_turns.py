"""List the turns before a query in its conversation, for queries that are asked again and again only once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gmt.data.interactions import InteractionTable
from gmt.data.user_nodes import within

EARLIER_ROUNDS = 4
"""Rounds before a query that are read, the newest; each costs a turn for every answer it showed."""


@dataclass(frozen=True, eq=False)
class EarlierTurns:
    """Hold A distinct queries as they are asked, and the T turns before them.

    Args:
        asked: (A,) text codes; a text is one query for every point of a conversation that it stands at.
        place: (N,) which of them each query asked is.
        node: (T,) which of them each turn leads to.
        query, response, model: (T,) codes of what a turn is about; response -1 where no text is known.
        precedes: (2, P) a turn and that of the same model in the next round before the same query.
    """

    asked: np.ndarray
    place: np.ndarray
    node: np.ndarray
    query: np.ndarray
    response: np.ndarray
    model: np.ndarray
    precedes: np.ndarray

    @classmethod
    def of(
        cls,
        query: np.ndarray,
        conversation: np.ndarray,
        turn: np.ndarray,
        apart: np.ndarray,
        earlier: InteractionTable | None,
    ) -> EarlierTurns:
        """Find the turns before N queries.

        Args:
            query: (N,) text codes.
            conversation, turn: (N,) where they are asked; -1 for outside of any conversation.
            apart: (N,) true where a text is a query of its own at every point, whatever may be read before it.
            earlier: Rounds that may be read, of a conversation those before the turn; None: none.
        """
        if earlier is None:
            nodes, _, place = _nodes(query, conversation, turn, apart)
            nothing = np.zeros(0, np.int64)
            return cls(nodes, place, nothing, nothing, nothing, nothing, np.zeros((2, 0), np.int64))
        # 1. Rounds by conversation, then by turn: those before a query are one slice.
        steps = 1 + max(int(turn.max(initial=0)), int(earlier.turn.max(initial=0)))
        order = np.argsort(earlier.conversation * steps + earlier.turn, kind="stable")
        points = (earlier.conversation * steps + earlier.turn)[order]
        end = np.searchsorted(points, conversation * steps + turn)
        begin = np.searchsorted(points, conversation * steps)
        begin = np.where(conversation >= 0, np.maximum(begin, end - EARLIER_ROUNDS), end)
        # 2. An opening is the same wherever it is asked; what follows on something is not.
        nodes, one, place = _nodes(query, conversation, turn, apart | (begin < end))
        begin, sizes = begin[one], (end - begin)[one]
        # 3. Every answer of such a round is a turn.
        rounds = order[np.repeat(begin, sizes) + within(sizes)]
        shown = earlier.start[rounds + 1] - earlier.start[rounds]
        rows = np.repeat(earlier.start[rounds], shown) + within(shown)
        node = np.repeat(np.repeat(np.arange(len(nodes)), sizes), shown)
        return cls(
            nodes,
            place,
            node,
            earlier.query[earlier.row_comparison[rows]],
            earlier.response[rows],
            earlier.model[rows],
            _precedes(node, earlier.model[rows], earlier.turn[earlier.row_comparison[rows]]),
        )


def _nodes(
    query: np.ndarray, conversation: np.ndarray, turn: np.ndarray, apart: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (A,) texts of distinct queries, one of the N that each is, and (N,) which of them each of the N is."""
    columns = np.stack([query, np.where(apart, conversation, -1), np.where(apart, turn, 0)], axis=1)
    nodes, one, place = np.unique(columns, axis=0, return_index=True, return_inverse=True)
    return nodes[:, 0], one, place.reshape(-1)


def _precedes(node: np.ndarray, model: np.ndarray, turn: np.ndarray) -> np.ndarray:
    """Return (2, P) turns and those of the same model in the next round."""
    # So sorted, the next turn of a model before a query is the neighbour.
    order = np.lexsort((turn, model, node))
    a, b = order[:-1], order[1:]
    same = (node[a] == node[b]) & (model[a] == model[b]) & (turn[a] < turn[b])
    return np.stack([a[same], b[same]])
