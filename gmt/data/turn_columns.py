"""Collect the virtual turns of a graph, one per visible round and candidate, as flat columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from gmt.data.feedback_features import feedback_features
from gmt.data.interactions import InteractionTable


@dataclass(frozen=True, eq=False)
class VisibleRounds:
    """Hold comparisons of a table that user nodes may see.

    Args:
        table: Where the positions point.
        positions: (N,) comparisons; one that several nodes see stands once for each.
        owner: (N,) the user node that each is shown to.
    """

    table: InteractionTable
    positions: np.ndarray
    owner: np.ndarray


@dataclass(frozen=True, eq=False)
class TurnColumns:
    """Hold T virtual turns, those of one user node side by side.

    Args:
        owner: (T,) user nodes, ascending.
        conversation, number: (T,) the conversation and the number of the round in it.
        model, query, task, response, feedback: (T,) codes as in the table.
        features: (T, len(FEEDBACK)) preference features.
    """

    owner: np.ndarray
    conversation: np.ndarray
    number: np.ndarray
    model: np.ndarray
    query: np.ndarray
    task: np.ndarray
    response: np.ndarray
    feedback: np.ndarray
    features: np.ndarray

    @classmethod
    def collect(cls, visible: Sequence[VisibleRounds]) -> TurnColumns:
        """Join the rounds of one or more tables that share vocabularies."""
        columns: dict[str, list[np.ndarray]] = {item.name: [] for item in fields(cls)}
        for rounds in visible:
            part = rounds.table.select(rounds.positions)
            of = part.row_comparison
            # Place among the candidates of its round, to read one line per turn out of padded arrays.
            slot = np.arange(len(of)) - part.start[:-1][of]
            written = np.zeros(part.ratings.shape, bool)
            written[of, slot] = part.feedback >= 0
            columns["owner"].append(rounds.owner[of])
            columns["conversation"].append(part.conversation[of])
            columns["number"].append(part.turn[of])
            columns["query"].append(part.query[of])
            columns["task"].append(part.task[of])
            columns["features"].append(feedback_features(part.ratings, written)[of, slot])
            for name in ("model", "response", "feedback"):
                columns[name].append(getattr(part, name))
        joined = {name: np.concatenate(parts) for name, parts in columns.items()}
        # A node's turns lie side by side, so that they can be cut out by a slice.
        order = np.argsort(joined["owner"], kind="stable")
        return cls(**{name: values[order] for name, values in joined.items()})

    def precedes(self) -> np.ndarray:
        """Return (2, P) edges from each turn to the same model's turn in the next round of its conversation."""
        if not len(self.owner):
            return np.zeros((2, 0), np.int64)
        # So sorted, the next turn of the same model in a conversation is the neighbour.
        order = np.lexsort((self.number, self.model, self.conversation, self.owner))
        a, b = order[:-1], order[1:]
        same = (self.owner[a] == self.owner[b]) & (self.conversation[a] == self.conversation[b])
        same &= (self.model[a] == self.model[b]) & (self.number[a] < self.number[b])
        return np.stack([a[same], b[same]])
