"""Build the question for a loaded run without touching its table: in microseconds, whatever the run remembers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np

from gmt.data.dataset import Dataset, Questions
from gmt.routing.costs import CostModel


class QuestionBuilder:
    """Build questions from the codes of a data set, with room for the one text that is asked next.

    Args:
        data: What a run remembers; it must not change while the builder is used.
    """

    def __init__(self, data: Dataset) -> None:
        self.data = data

    @cached_property
    def users(self) -> dict[str, int]:
        """Name -> code."""
        return {name: code for code, name in enumerate(self.data.table.users)}

    @cached_property
    def models(self) -> dict[str, int]:
        """Name -> code."""
        return {name: code for code, name in enumerate(self.data.table.models)}

    @cached_property
    def tasks(self) -> dict[str, int]:
        """Name -> code."""
        return {name: code for code, name in enumerate(self.data.table.tasks)}

    @cached_property
    def rounds(self) -> np.ndarray:
        """(U,) rounds of each user."""
        return np.bincount(self.data.table.user, minlength=len(self.data.table.users))

    @cached_property
    def votes(self) -> np.ndarray:
        """(U,) rated rounds of each user."""
        table = self.data.table
        return np.bincount(table.user[table.rated], minlength=len(table.users))

    @cached_property
    def costs(self) -> CostModel | None:
        """What answers cost, learned from all rounds; None where nothing is known of it."""
        return CostModel.of(self.data)

    @cached_property
    def _texts(self) -> dict[str, int]:
        return {text: code for code, text in enumerate(self.data.table.texts)}

    @cached_property
    def _nothing(self) -> Questions:
        return self.data.questions(np.zeros(0, np.int64))

    @cached_property
    def _roomy(self) -> np.ndarray:
        """(T + 1, D) vectors, the last free for whatever is asked next."""
        vectors = self.data.vectors
        return np.concatenate([vectors, np.zeros((1, vectors.shape[1]), vectors.dtype)])

    def build(
        self, users: Sequence[int], query: str, vector: np.ndarray, models: Sequence[int], task: str | None = None
    ) -> tuple[Dataset, Questions]:
        """Return the data with the text of this question, and the question put by each of some users.

        What is returned holds until the next question.

        Args:
            users: (C,) codes, -1 for an unknown user.
            query: Its text.
            vector: (D,) its vector.
            models: (K,) codes of the candidates.
            task: Name of its task, if it has one.
        """
        data, count = self.data, len(users)
        code = self._texts.get(query, len(data.table.texts))
        if code == len(data.table.texts):
            self._roomy[-1] = vector
            table = data.table.grown(texts=(*data.table.texts, query))
            data = replace(data, table=table, vectors=self._roomy)
        nowhere = np.full(count, -1)
        return data, replace(
            self._nothing,
            comparison=np.arange(count),
            user=np.asarray(users, np.int64),
            conversation=nowhere,
            turn=np.zeros(count, np.int64),
            question=nowhere,
            task=np.full(count, self.tasks.get(task, -1) if task is not None else -1),
            query=np.full(count, code),
            timestamp=np.full(count, np.nan),
            candidates=np.tile(np.asarray(models, np.int64), (count, 1)),
        )
