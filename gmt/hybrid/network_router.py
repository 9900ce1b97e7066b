"""Score questions with a trained graph network."""

from __future__ import annotations

from dataclasses import replace
from typing import Self

import numpy as np
import torch

from gmt.config import GraphConfig, RunConfig
from gmt.data.build_graph import build_graph
from gmt.data.dataset import Dataset, Questions
from gmt.data.schema import graph_schema
from gmt.model.build import Scorer, scorer_for
from gmt.model.checkpoint import load_weights
from gmt.runs import RunFolder

EXPLAINED_ROUNDS = 40
"""Newest rounds of a user that an explanation looks at."""
TURNS_AT_ONCE = 40_000
"""About how many turn nodes one forward pass holds; bounds memory, changes no score."""


class NetworkRouter:
    """Score with a trained scorer; a new user needs one forward pass and no gradient.

    Args:
        scorer: The trained network.
        config: What its graphs show.
        device: Where to compute.
    """

    name = "graph"

    def __init__(self, scorer: Scorer, config: GraphConfig, device: torch.device | str = "cpu") -> None:
        self.scorer, self.config, self.device = scorer, config, device

    @classmethod
    def load(cls, folder: RunFolder, config: RunConfig, width: int, models: int) -> Self:
        """Read the trained network of a run.

        Args:
            folder: The run.
            config: Its settings.
            width: W, the width of its text vectors.
            models: How many models it was trained on.

        Raises:
            RunError: The weights are missing, or do not fit the settings.
        """
        scorer = scorer_for(config.model, graph_schema(config.graph), width, models)
        load_weights(scorer, folder.weights)
        scorer.eval()  # for good: a mode that changes while another thread asks would change its scores
        return cls(scorer, config.graph)

    def fit(self, data: Dataset) -> Self:
        """Return itself: the weights come from training or a checkpoint."""
        return self

    def score(
        self, history: Dataset, questions: Questions, user_offset: dict[int, torch.Tensor] | None = None
    ) -> np.ndarray:
        """Score candidates as `Router.score` says.

        Args:
            history: The visible comparisons.
            questions: The targets.
            user_offset: User code -> (D,) offset of the user's state learned by `gmt adapt --steps`.
        """
        scores = np.full(questions.candidates.shape, -np.inf)
        was_training = self.scorer.training
        if was_training:  # a served network never is, so that threads may ask at once
            self.scorer.eval()
        try:
            with torch.inference_mode():
                for part in self._parts(history, questions):
                    batch = build_graph(history, questions.select(part), self.config).to(self.device)
                    width = self.scorer.config.width
                    offset = _offsets(batch.user_code, user_offset, width) if user_offset else None
                    scores[part] = self.scorer(batch, offset).cpu().numpy()
        finally:
            if was_training:
                self.scorer.train()
        return scores

    def effects(self, history: Dataset, question: Questions, choice: int) -> dict[int, float]:
        """Say how far each of the user's past rounds moved one candidate, by leaving each out in turn.

        Args:
            history: The visible comparisons.
            question: One question.
            choice: Slot of the candidate.

        Returns:
            Position in `history` -> the candidate's centred score less what it is without that round.
        """
        table, user = history.table, int(question.user[0])
        # 1. A round without a rating stays in the history, but holds no preference to explain.
        own = np.flatnonzero((table.user == user) & table.rated)[-EXPLAINED_ROUNDS:]
        rest = np.flatnonzero(table.user == user)
        # 2. One pretended user per round left out; all are scored in one pass.
        positions, users = [rest], [np.full(len(rest), user)]
        for number, position in enumerate(own):
            kept = rest[rest != position]
            positions.append(kept)
            users.append(np.full(len(kept), len(table.users) + number))
        # Codes behind all real users, so that no pretended one takes another's history.
        names = (*table.users, *(f"without round {number}" for number in range(len(own))))
        chosen = table.select(np.concatenate(positions))
        pretended = replace(chosen, users=names, user=np.concatenate(users))
        targets = question.select(np.zeros(len(own) + 1, np.int64))
        targets = replace(targets, user=np.concatenate([[user], len(table.users) + np.arange(len(own))]))
        scores = self.score(history.with_table(pretended), targets)
        # 3. Leaving a round out may move all candidates alike, which changes no choice.
        centred = scores - scores.mean(axis=1, keepdims=True)
        return {int(position): float(centred[0, choice] - centred[i + 1, choice]) for i, position in enumerate(own)}

    def _parts(self, history: Dataset, questions: Questions) -> list[np.ndarray]:
        """Cut the questions so that one pass holds a bounded number of turns; a user's lie side by side."""
        order = np.lexsort((questions.conversation, questions.user))
        # The last entry is 0 and serves the unknown user, whose code is -1.
        rows = np.bincount(history.table.user[history.table.row_comparison], minlength=len(history.table.users) + 1)
        cost = np.ones(len(order), np.int64)
        # A user's history is in a graph once, so it counts at the first of their questions only.
        fresh = np.concatenate([[True], questions.user[order][1:] != questions.user[order][:-1]]) if len(order) else []
        cost = cost + np.where(fresh, rows[questions.user[order]], 0)
        group = np.cumsum(cost) // TURNS_AT_ONCE
        return [order[group == value] for value in np.unique(group)]


def _offsets(user_code: torch.Tensor, offsets: dict[int, torch.Tensor], width: int) -> torch.Tensor:
    """Return (V, D) offsets of the users of a batch, 0 where none was learned."""
    zero = torch.zeros(width)
    return torch.stack([offsets.get(int(code), zero) for code in user_code]).to(user_code.device)
