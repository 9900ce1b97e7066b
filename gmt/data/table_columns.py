"""Hold the columns of an interaction table and refuse what cannot be one."""

from __future__ import annotations

from dataclasses import InitVar, dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from gmt.data.row_layout import RowLayout
from gmt.data.signals import SIGNALS
from gmt.data.vocabulary import Names
from gmt.errors import DataError

if TYPE_CHECKING:
    from gmt.data.table_growth import TableGrowth

SPLITS = ("train", "valid", "test")
TRAIN, VALID, TEST = range(3)

VOCABULARIES = ("users", "models", "texts", "conversations", "questions", "tasks")
PER_COMPARISON = ("comparison", "user", "conversation", "turn", "question", "task", "query", "timestamp", "split")
PER_ROW = ("model", "response", "feedback", "rating", "cost", "signal")


@dataclass(frozen=True, eq=False)
class TableColumns:
    """Hold every comparison as integer codes into fixed vocabularies.

    C comparisons hold R rows (one per candidate) in the order shown; rows of comparison c are
    `start[c]:start[c + 1]`. Code -1 stands for "none", NaN for "not known".

    Args:
        users, models, texts, conversations, questions, tasks: The vocabularies; `texts` holds
            every distinct query, response and feedback.
        comparison: (C,) the comparison ids written to Parquet.
        user, conversation, turn, question, task, query, split: (C,) codes; turn is a number,
            split one of TRAIN, VALID, TEST.
        timestamp: (C,) UTC seconds or NaN.
        start: (C + 1,) row offsets.
        model, response, feedback: (R,) codes.
        rating, cost: (R,) floats or NaN.
        signal: (R,) places in `SIGNALS`; all -1 where left out.
        rows_of: A table with the same rows, checked already; then nothing is checked again and what was worked out
            of the rows is shared.
        grown_by: What put the last rows behind a checked table and checked them; then nothing is checked again.

    Raises:
        DataError: Shapes, codes, ratings or the one-split-per-conversation rule are broken.
    """

    users: Names
    models: Names
    texts: Names
    conversations: Names
    questions: Names
    tasks: Names
    comparison: np.ndarray
    user: np.ndarray
    conversation: np.ndarray
    turn: np.ndarray
    question: np.ndarray
    task: np.ndarray
    query: np.ndarray
    timestamp: np.ndarray
    split: np.ndarray
    start: np.ndarray
    model: np.ndarray
    response: np.ndarray
    feedback: np.ndarray
    rating: np.ndarray
    cost: np.ndarray
    signal: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    layout: RowLayout = field(init=False, repr=False)
    growth: TableGrowth | None = field(init=False, repr=False)
    rows_of: InitVar[TableColumns | None] = None
    grown_by: InitVar[TableGrowth | None] = None

    def __post_init__(self, rows_of: TableColumns | None, grown_by: TableGrowth | None) -> None:
        if len(self.signal) != len(self.model) and not len(self.signal):
            object.__setattr__(self, "signal", np.full(len(self.model), -1))
        # Shared where the rows are the same: the padded arrays are the largest thing worked out of a table.
        layout = RowLayout(self.start, self.model, self.rating) if rows_of is None else rows_of.layout
        object.__setattr__(self, "layout", layout)
        object.__setattr__(self, "growth", grown_by if rows_of is None else rows_of.growth)
        if rows_of is None and grown_by is None:
            self._check()

    def _check(self) -> None:
        # 1. Offsets before all else, for whatever follows reads rows by them.
        count, rows = len(self.comparison), len(self.model)
        if len(self.start) != count + 1 or (count and self.start[-1] != rows):
            raise DataError(f"row offsets do not cover {rows} rows of {count} comparisons; rebuild the table")
        # 2. Codes: a negative one would silently read from the end of its vocabulary. Only three of them may be absent.
        checks = [
            ("user", self.user, len(self.users), 0),
            ("conversation", self.conversation, len(self.conversations), 0),
            ("question", self.question, len(self.questions), 0),
            ("task", self.task, len(self.tasks), -1),
            ("query", self.query, len(self.texts), 0),
            ("model", self.model, len(self.models), 0),
            ("response", self.response, len(self.texts), -1),
            ("feedback", self.feedback, len(self.texts), -1),
            ("split", self.split, len(SPLITS), 0),
            ("signal", self.signal, len(SIGNALS), -1),
        ]
        for name, codes, size, low in checks:
            if len(codes) and (codes.min() < low or codes.max() >= size):
                raise DataError(f"{name} codes reach outside their vocabulary of {size}; rebuild the table")
        # 3. Ratings: a scale that was not brought to [0, 1] would weigh more than others in every loss.
        known = self.rating[~np.isnan(self.rating)]
        if len(known) and (known.min() < 0 or known.max() > 1):
            raise DataError(f"ratings span {known.min()}..{known.max()}; expected [0, 1]")
        # 4. Models: one number for each (comparison, model), so that one sort finds repeats.
        keys = self.row_comparison * max(len(self.models), 1) + self.model
        if len(np.unique(keys)) < rows:
            raise DataError("a model stands twice in one comparison; expected each (comparison, model) once")
        if count:
            # 5. Splits: a later round shows the rounds before it, so half a conversation in TEST would be seen in
            #    TRAIN.
            order = np.argsort(self.conversation, kind="stable")
            same = self.conversation[order[1:]] == self.conversation[order[:-1]]
            if (same & (self.split[order[1:]] != self.split[order[:-1]])).any():
                raise DataError("a conversation stands in two splits; cut splits between conversations")

    def __len__(self) -> int:
        return len(self.comparison)

    @property
    def row_comparison(self) -> np.ndarray:
        """(R,) position of the comparison each row belongs to."""
        return self.layout.row_comparison

    @property
    def padded_rows(self) -> np.ndarray:
        """(C, K) row numbers of each comparison's candidates, -1 under padding."""
        return self.layout.padded_rows

    @property
    def mask(self) -> np.ndarray:
        """(C, K) true where a candidate exists."""
        return self.layout.mask

    @property
    def candidates(self) -> np.ndarray:
        """(C, K) model codes, -1 under padding."""
        return self.layout.candidates

    @property
    def ratings(self) -> np.ndarray:
        """(C, K) ratings, NaN where unrated and under padding."""
        return self.layout.ratings

    @property
    def rated(self) -> np.ndarray:
        """(C,) true where at least one candidate carries a rating: what counts as a shot and can be a target."""
        return self.layout.rated
