"""Hold the votes of a history, those of a user side by side, with what the user kernel reads of each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from gmt.data.dataset import Dataset, Questions
from gmt.posterior.candidate_features import CandidateFeatures
from gmt.posterior.feedback_reading import Reading
from gmt.posterior.likelihood import Outcomes
from gmt.posterior.observations import VOTE, Observations
from gmt.posterior.rating_scales import RatingScales
from gmt.posterior.tie_widths import with_tie_widths
from gmt.routing.conversation_reading import ConversationReading, ReadQueries
from gmt.routing.kernels import MANY_MODELS, QueryKernel
from gmt.routing.recency import rated_since

VOTE_COLUMNS = (
    "user", "a", "b", "outcomes", "kind", "value", "query", "features", "comparison", "since", "conversation",
)  # fmt: skip
"""The fields of `VoteHistory` that hold one entry for each vote."""
NUMBERS_AT_ONCE = 2_000_000
"""Users are solved in batches whose padded (B, T, T) kernels hold at most so many numbers."""


@dataclass(frozen=True, eq=False)
class VoteHistory:
    """Hold V observations, most of them votes, those of a user side by side.

    Args:
        user, a, b: (V,) codes, ordered by user; b is -1 where one answer alone was judged.
        outcomes: (V,) what was observed, under the thresholds of `scales`, a tie of two answers as half a win.
        kind, value: (V,) as in `Observations`.
        query: (V,) codes of the known queries.
        features: (V, F) features of a's answer less those of b's, if there is one.
        comparison: (V,) positions in the table the votes were read from.
        since: (V,) how many comparisons the same user rated later.
        conversation: (V,) codes of the conversations.
        queries: The similarity of the known queries.
        models: M; user effects on them stand first in S, before position bias, discrimination and leniency.
        scales: The thresholds of ratings.
        groups: Where each group of features ends among the F.
        half_life: Ratings after which two votes of a user have half in common; 0: whatever lies between them.
        by_conversation: Whether the kernel has a term for votes of one conversation.
        tie_rate: Share of ties that a user's own is drawn to; 0: a tie counts as half a win.
    """

    user: np.ndarray
    a: np.ndarray
    b: np.ndarray
    outcomes: Outcomes
    kind: np.ndarray
    value: np.ndarray
    query: np.ndarray
    features: np.ndarray
    comparison: np.ndarray
    since: np.ndarray
    conversation: np.ndarray
    queries: QueryKernel
    models: int
    scales: RatingScales = RatingScales()
    groups: tuple[int, ...] = ()
    half_life: float = 0.0
    by_conversation: bool = False
    tie_rate: float = 0.0

    def __len__(self) -> int:
        return len(self.user)

    @cached_property
    def observed(self) -> Outcomes:
        """(V,) what was observed, votes read under the tie widths of those who cast them."""
        # Not stored: whatever joins or leaves a user's votes moves the width under which all of them are read.
        return with_tie_widths(self.outcomes, self.user, self.kind == VOTE, self.tie_rate)

    @classmethod
    def read(
        cls,
        history: Dataset,
        features: Sequence[CandidateFeatures],
        centre: np.ndarray,
        half_life: float = 0.0,
        reading: Reading | None = None,
        conversations: ConversationReading | None = None,
        by_conversation: bool = False,
        tie_rate: float = 0.0,
    ) -> VoteHistory:
        """Read what users said in a history, in an order that does not depend on the table's.

        Args:
            history: The visible comparisons.
            features: One for each group of features.
            centre: (D,) what query vectors are centred on.
            half_life, by_conversation, tie_rate: As in `VoteHistory`.
            reading: What is known of scales, words and signals; nothing by default.
            conversations: How queries are read; each by its own text alone by default.
        """
        # 1. What was said, which queries it was said of, and which of them each observation is about.
        table, reading = history.table, reading or Reading()
        seen = reading.observations(history)
        queries, query = read_voted(history, seen.comparison, conversations or ConversationReading())
        lone = seen.row_b < 0
        user, a = table.user[seen.comparison], table.model[seen.row_a]
        b = np.where(lone, -1, table.model[seen.row_b])
        answers = table.response[seen.row_a], np.where(lone, -1, table.response[seen.row_b])
        # 2. The order of a table must not reach a sum of floats, so votes are sorted by all that tells them apart.
        order = np.lexsort((seen.value, *answers, b, a, query, user))
        # 3. Features are of rows, a vote's are a difference of two: what both answers share explains no preference.
        rows = [group.of_rows(history) for group in features]
        differences = [group[seen.row_a] - np.where(lone[:, None], 0.0, group[seen.row_b]) for group in rows]
        scales = reading.scales.covering(seen)
        return cls(
            user[order],
            a[order],
            b[order],
            scales.outcomes(seen.kind, seen.value, seen.weight)[order],
            seen.kind[order],
            seen.value[order],
            query[order],
            np.concatenate([np.zeros((len(seen), 0)), *differences], axis=1)[order],
            seen.comparison[order],
            rated_since(table)[seen.comparison[order]],
            table.conversation[seen.comparison[order]],
            QueryKernel.of(queries, centre, len(table.models)),
            len(table.models),
            scales,
            tuple(int(end) for end in np.cumsum([group.shape[1] for group in rows])),
            half_life,
            by_conversation,
            tie_rate,
        )

    @property
    def lone(self) -> np.ndarray:
        """(V,) true where one answer alone was judged."""
        return self.b < 0

    def rescaled(self, latent: np.ndarray) -> VoteHistory:
        """Return the same with the likeliest thresholds given (V,) latent scores; votes alone have none."""
        if (self.kind == VOTE).all():
            return self
        return self.under(self.scales.fitted(self.kind, self.value, self._weight, latent))

    def under(self, scales: RatingScales) -> VoteHistory:
        """Return the same under other thresholds."""
        return replace(self, scales=scales, outcomes=scales.outcomes(self.kind, self.value, self._weight))

    @property
    def _weight(self) -> np.ndarray:
        return np.ones(len(self)) if self.outcomes.weight is None else self.outcomes.weight

    def select(self, positions: np.ndarray) -> VoteHistory:
        """Return the votes at `positions` (indices or a mask), which must leave a user's side by side."""
        return replace(self, **{name: getattr(self, name)[positions] for name in VOTE_COLUMNS})

    def joined(self, parts: Sequence[VoteHistory]) -> VoteHistory:
        """Return the votes of parts one behind the other, all under these thresholds."""
        plain = [name for name in VOTE_COLUMNS if name != "outcomes"]
        columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in plain}
        weight = np.concatenate([part._weight for part in parts])
        return replace(self, outcomes=self.scales.outcomes(columns["kind"], columns["value"], weight), **columns)

    def inserted(self, places: np.ndarray, other: VoteHistory) -> VoteHistory:
        """Return the votes with other ones before `places`, where a user's must stay side by side."""
        plain = [name for name in VOTE_COLUMNS if name != "outcomes"]
        columns = {name: np.insert(getattr(self, name), places, getattr(other, name), axis=0) for name in plain}
        return replace(self, outcomes=self.outcomes.inserted(places, other.outcomes), **columns)

    def cast(
        self,
        questions: Questions,
        features: np.ndarray,
        of: np.ndarray,
        slots: tuple[np.ndarray, np.ndarray],
        seen: Observations,
        query: np.ndarray,
    ) -> VoteHistory:
        """Return V other votes, on candidates of questions; their `comparison` is the question, none is older.

        Args:
            questions: What was voted on, by whom.
            features: (C, K, F) features of the candidates.
            of: (V,) the question of each vote.
            slots: (V,) and (V,) where the two answers stand among its candidates; -1 where there is no second.
            seen: (V,) what was said; its rows are not read.
            query: (V,) codes of the known queries.
        """
        # Stable, so that callers can put their own columns in the same order.
        order = np.argsort(questions.user[of], kind="stable")
        models, (a, b) = questions.candidates, slots
        lone = b < 0
        return replace(
            self,
            user=questions.user[of][order],
            a=models[of, a][order],
            b=np.where(lone, -1, models[of, b])[order],
            outcomes=self.scales.outcomes(seen.kind, seen.value, seen.weight)[order],
            kind=seen.kind[order],
            value=np.asarray(seen.value, float)[order],
            query=query[order],
            features=(features[of, a] - np.where(lone[:, None], 0.0, features[of, b]))[order],
            comparison=of[order],
            since=np.zeros(len(of)),
            conversation=questions.conversation[of][order],
        )

    def of_user(self, user: int) -> slice:
        """Return where a user's votes stand."""
        return slice(int(np.searchsorted(self.user, user)), int(np.searchsorted(self.user, user, side="right")))

    def batches(self, users: np.ndarray, models: int = 0) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Cut users into batches with about equally many votes each; who has none is left out.

        Args:
            users: Codes of the users.
            models: M, so that (B, T, M) numbers fit in memory too.

        Yields:
            (B,) codes of the users and (B, T) positions of their votes, -1 under padding.
        """
        users = np.unique(users)
        first = np.searchsorted(self.user, users)
        count = np.searchsorted(self.user, users, side="right") - first
        order = np.argsort(count, kind="stable")
        # Largest first, so that the first user of a batch sets its width and the others are near it.
        order = order[count[order] > 0][::-1]
        while len(order):
            most = int(count[order[0]])
            # Where models are many, what a vote says of each of them is larger than the kernel.
            fits = max(1, NUMBERS_AT_ONCE // (most * max(most, models if models > MANY_MODELS else 0)))
            # A user joins a batch where padding adds at most a third to their votes, or three of them.
            size = min(fits, int((count[order] * 1.3 + 3 >= most).sum()))
            batch, order = order[:size], order[size:]
            slots = np.arange(most)
            yield users[batch], np.where(slots < count[batch, None], first[batch, None] + slots, -1)


def read_voted(
    history: Dataset, comparison: np.ndarray, reading: ConversationReading
) -> tuple[ReadQueries, np.ndarray]:
    """Return the G queries of the comparisons at (V,) positions, and (V,) which of them each one has."""
    # Among those voted on only, so that the kernel is no larger than it must be.
    return reading.read(history, history.table).select(comparison).distinct()
