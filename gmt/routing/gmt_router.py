"""Put the trained parts together: the router called gmt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Self

import numpy as np

from gmt.config import RunConfig
from gmt.data.dataset import Dataset, Questions
from gmt.data.graph import turn_schema
from gmt.model.checkpoint import load_tensors, load_weights
from gmt.model.scorer import GraphScorer
from gmt.routing.graph_router import GraphRouter
from gmt.routing.userfiles import UserFiles
from gmt.runs import RunFolder

REASONS = 40
"""Newest rounds of a person that an explanation looks at."""


class GmtRouter:
    """Score as trained.

    Args:
        graph: The graph network.
        shifts: User name -> (D,) shift learned by `gmt adapt --steps`.
    """

    name = "gmt"

    def __init__(self, graph: GraphRouter, shifts: Mapping[str, Any] | None = None) -> None:
        self.graph, self.shifts = graph, dict(shifts or {})

    @classmethod
    def load(cls, folder: RunFolder, config: RunConfig, card: Mapping[str, Any], data: Dataset) -> Self:
        """Read the trained parts of a run.

        Raises:
            RunError: Weights and settings do not fit each other.
        """
        scorer = GraphScorer(
            config.model, turn_schema(config.graph.turn_edges), data.vectors.shape[1], len(card["models"])
        )
        load_weights(scorer, folder.weights)
        people = UserFiles(folder.users)
        shifts = {
            user: load_tensors(path)["shift"]
            for user in data.table.users
            if (path := people.path(user, "safetensors")).is_file()
        }
        return cls(GraphRouter(scorer, config.graph), shifts)

    def fit(self, data: Dataset) -> Self:
        """Return itself: training made it what it is."""
        return self

    def score(self, history: Dataset, questions: Questions) -> np.ndarray:
        """Score candidates as `Router.score` says."""
        users = {name: code for code, name in enumerate(history.table.users)} if self.shifts else {}
        shifts = {users[name]: shift for name, shift in self.shifts.items() if name in users}
        return self.graph.score(history, questions, shifts or None)

    def effects(self, history: Dataset, question: Questions, choice: int) -> dict[int, float]:
        """Say how far each of the asker's past rounds moved one candidate, by leaving each out in turn.

        Args:
            history: The visible comparisons.
            question: One question.
            choice: Slot of the candidate.

        Returns:
            Position in `history` -> the candidate's centred score less what it is without that round.
        """
        table, user = history.table, int(question.user[0])
        own = np.flatnonzero((table.user == user) & table.rated)[-REASONS:]
        rest = np.flatnonzero(table.user == user)
        # One pretended person per round left out; all are scored in one pass.
        positions, users = [rest], [np.full(len(rest), user)]
        for number, position in enumerate(own):
            kept = rest[rest != position]
            positions.append(kept)
            users.append(np.full(len(kept), len(table.users) + number))
        names = (*table.users, *(f"without round {number}" for number in range(len(own))))
        chosen = table.select(np.concatenate(positions))
        pretended = replace(chosen, users=names, user=np.concatenate(users))
        asked = question.select(np.zeros(len(own) + 1, np.int64))
        asked = replace(asked, user=np.concatenate([[user], len(table.users) + np.arange(len(own))]))
        scores = self.score(history.with_table(pretended), asked)
        centred = scores - scores.mean(axis=1, keepdims=True)
        return {int(position): float(centred[0, choice] - centred[i + 1, choice]) for i, position in enumerate(own)}
