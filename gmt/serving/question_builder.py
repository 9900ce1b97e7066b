"""Build the question for a loaded run without touching its table, whatever the run remembers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from gmt.data.answer_slots import slot_name
from gmt.data.comparisons import check_text
from gmt.data.dataset import Dataset, Questions
from gmt.data.growing_rows import LayeredVectors
from gmt.data.text_keys import WITHHELD, key_of, stand_in
from gmt.data.vocabulary import Vocabulary
from gmt.routing.costs import CostModel


@dataclass(frozen=True, eq=False)
class KnownCosts:
    """Learn what answers cost from a history, when it is first asked.

    Args:
        data: The history.
    """

    data: Dataset

    @cached_property
    def model(self) -> CostModel | None:
        """What answers cost; None where nothing is known of it."""
        return CostModel.of(self.data)


class QuestionBuilder:
    """Build questions from the codes of a data set; any number of threads may.

    Args:
        data: What a run remembers; it does not change.
        costs: What answers cost; what is good for everybody is learned when a run is loaded or refreshed.
    """

    def __init__(self, data: Dataset, costs: KnownCosts | None = None) -> None:
        self.data, self._costs = data, costs or KnownCosts(data)
        table = data.table
        self.users, self.models, self.tasks, self._texts = map(
            Vocabulary.of, (table.users, table.models, table.tasks, table.texts)
        )
        self._nothing = data.questions(np.zeros(0, np.int64))

    def over(self, data: Dataset) -> QuestionBuilder:
        """Return a builder over a longer history, with the same costs."""
        return QuestionBuilder(data, self._costs)

    @property
    def costs(self) -> CostModel | None:
        """What answers cost; None where nothing is known of it."""
        return self._costs.model

    def rounds(self, user: int) -> int:
        """Return how many rounds of a user are visible."""
        return len(self.data.table.of_user(user)) if user >= 0 else 0

    def votes(self, user: int) -> int:
        """Return how many rated rounds of a user are visible."""
        if user < 0:
            return 0
        table, at = self.data.table, self.data.table.of_user(user)
        sizes = table.start[at + 1] - table.start[at]
        begin = np.cumsum(sizes) - sizes
        rows = np.repeat(table.start[at] - begin, sizes) + np.arange(sizes.sum())
        return int(np.logical_or.reduceat(~np.isnan(table.rating[rows]), begin).sum()) if len(at) else 0

    def build(
        self, users: Sequence[int], query: str, vector: np.ndarray, models: Sequence[int], task: str | None = None
    ) -> tuple[Dataset, Questions]:
        """Return the data with the text of this question, and the question put by each of some users.

        Args:
            users: (C,) codes, -1 for an unknown user.
            query: Its text.
            vector: (D,) its vector.
            models: (K,) codes of the candidates.
            task: Name of its task, if it has one.

        Raises:
            DataError: The query holds half a character, which no file and no encoder can take.
        """
        check_text(query, "query")
        count = len(users)
        data, (code,) = self._knowing([query], vector[None])
        nowhere = np.full(count, -1)
        return data, replace(
            self._nothing,
            comparison=np.arange(count),
            user=np.asarray(users, np.int64),
            conversation=nowhere,
            turn=np.zeros(count, np.int64),
            question=nowhere,
            task=np.full(count, self.tasks.code(task) if task is not None else -1),
            query=np.full(count, code),
            timestamp=np.full(count, np.nan),
            candidates=np.tile(np.asarray(models, np.int64), (count, 1)),
            responses=None,
        )

    def build_answers(
        self, users: Sequence[int], query: str, answers: Sequence[str], vectors: np.ndarray, task: str | None = None
    ) -> tuple[Dataset, Questions]:
        """Return the data with these texts, and the question which of K answers each of some users prefers.

        All answers stand at one place, so that the order they are given in tells nothing.

        Args:
            users: (C,) codes, -1 for an unknown user.
            query: Its text.
            answers: The K texts to be ranked.
            vectors: (1 + K, D) vectors of the query and the answers.
            task: Name of its task, if it has one.

        Raises:
            DataError: A text holds half a character.
        """
        for text in (query, *answers):
            check_text(text, "the query or an answer")
        data, codes = self._knowing([query, *answers], vectors)
        place = [self.models.code(slot_name(0))] * len(answers)
        _, asked = self.build(users, query, vectors[0], place, task)
        return data, replace(asked, query=np.full(len(users), codes[0]), responses=np.tile(codes[1:], (len(users), 1)))

    def _knowing(self, texts: Sequence[str], vectors: np.ndarray) -> tuple[Dataset, np.ndarray]:
        """Return the data with some texts, new ones at its end, and the (T,) codes of these."""
        data, size = self.data, len(self._texts)
        fresh: dict[str, int] = {}
        codes, rows = [], []
        for at, text in enumerate(texts):
            code = self._texts.code(known_as(text, self._texts))
            if code < 0 and text not in fresh:
                fresh[text] = size + len(fresh)
                rows.append(at)
            codes.append(fresh[text] if code < 0 else code)
        if fresh:
            table = data.table.grown(texts=self._texts.beside(list(fresh)))
            data = replace(data, table=table, vectors=LayeredVectors.of(data.vectors).beside(vectors[rows]))
        return data, np.array(codes, np.int64)


def known_as(text: str, texts: Vocabulary) -> str:
    """Return a text as a history knows it: itself, or its stand-in where texts are not kept; itself if not at all."""
    # Runs of earlier versions kept no form in their stand-ins.
    names = (text, stand_in(text), WITHHELD + key_of(text))
    return next((name for name in names if texts.code(name) >= 0), text)
