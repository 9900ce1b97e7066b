"""Hold everything the hierarchical model believes after a history, and answer questions from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.linalg import block_diag

from gmt.data.dataset import Dataset, Questions
from gmt.errors import DataError
from gmt.posterior.answer_quality import QualityFit
from gmt.posterior.candidate_features import CandidateFeatures
from gmt.posterior.feedback_reading import Reading
from gmt.posterior.hierarchical_settings import HierarchicalSettings
from gmt.posterior.kernel_terms import blended
from gmt.posterior.observations import Observations, as_votes
from gmt.posterior.quality_features import QualityFeatures
from gmt.posterior.rating_scales import UNTOLD
from gmt.posterior.revealed_rounds import with_revealed
from gmt.posterior.targets import TargetReader, Targets
from gmt.posterior.user_effects import UserEffects
from gmt.posterior.vote_history import VoteHistory
from gmt.routing.conversation_reading import ConversationReading
from gmt.routing.protocol import Explained
from gmt.routing.recency import rated_since


@dataclass(frozen=True, eq=False)
class ConditionedPosterior:
    """Answer questions from one history; everybody's own part is solved once, at the first question.

    The score of a candidate is f(q, m) + k_*ᵀ α_u: answer quality plus the user effect.

    Args:
        quality: The fit of f.
        effects: What users add.
        features: What users have weights of: one for each of `settings.feature_variances`.
        answers: What describes answers in the prior of f, if anything does.
        reading: How ratings, words and signals are read.
    """

    quality: QualityFit
    effects: UserEffects
    features: tuple[CandidateFeatures, ...]
    answers: QualityFeatures | None = None
    reading: Reading = Reading()

    @property
    def votes(self) -> VoteHistory:
        """Return the votes of the history."""
        return self.effects.votes

    @property
    def quality_weights(self) -> None:
        """Return None: this model has no weight of quality against cost."""
        return None

    @cached_property
    def _reader(self) -> TargetReader:
        return TargetReader(self.quality, self.votes.queries, self.features, self.answers, self._conversations)

    @property
    def _conversations(self) -> ConversationReading:
        return self.effects.settings.reading

    def score(self, data: Dataset, questions: Questions) -> np.ndarray:
        """Return (C, K) scores, -inf under padding.

        Args:
            data: Where the text vectors of the questions are; its codes begin with the history's.
            questions: The targets; ratings shown with them, of earlier rounds of their conversations, count as votes.
        """
        known, asked = with_revealed(self, data, questions)
        out = np.full(questions.candidates.shape, -np.inf)
        for targets in known._reader.parts(data, asked, known._width(asked)):
            # A copy, for the batches that follow still read f where the kernel has the discrimination.
            total = targets.quality.copy()
            for batch in known.effects.batches(targets):
                total[batch.at] += batch.added(known.effects.settings, known.effects.alpha)
            out[targets.at] = targets.offered(total)
        return out

    def impersonal(self, data: Dataset, questions: Questions) -> np.ndarray:
        """Return the (C, K) scores an unknown user would get, -inf under padding."""
        out = np.full(questions.candidates.shape, -np.inf)
        for targets in self._reader.parts(data, questions, self._width(questions)):
            out[targets.at] = targets.offered(targets.quality)
        return out

    def scores_under(
        self, choices: Sequence[HierarchicalSettings], data: Dataset, questions: Questions
    ) -> list[np.ndarray]:
        """Return the (C, K) scores under other scales and variances of the user kernel, f and S unchanged."""
        known, asked = with_revealed(self, data, questions)
        out = [np.full(questions.candidates.shape, -np.inf) for _ in choices]
        for targets in known._reader.parts(data, asked, known._width(asked)):
            # Terms of the kernel hold no amplitude, so each part is read once for all choices.
            totals = [targets.quality.copy() for _ in choices]
            for batch in known.effects.batches(targets):
                for total, added in zip(totals, batch.added_under(choices), strict=True):
                    total[batch.at] += added
            for scores, total in zip(out, totals, strict=True):
                scores[targets.at] = targets.offered(total)
        return out

    def explain(self, data: Dataset, questions: Questions, index: int) -> Explained:
        """Take the scores of question `index` apart into what each past vote of its user adds.

        A vote shown with the question stands under -1 less its comparison's position in `questions.earlier`.
        """
        known, asked = with_revealed(self, data, questions.select(np.array([index])))
        targets = known._reader.read(data, asked, np.zeros(1, int))
        own = known.votes.of_user(int(targets.questions.user[0]))
        # Votes too old to count where effects drift stay 0.
        nothing, parts = np.zeros((own.stop - own.start, targets.quality.shape[1])), {}
        for batch in known.effects.batches(targets):
            for name, added in batch.by_vote(known.effects.settings, known.effects.alpha).items():
                parts[name] = nothing.copy()
                parts[name][batch.index[0] - own.start] = added
        return Explained(targets.quality[0], parts, known.votes.comparison[own])

    def covariances(self, data: Dataset, questions: Questions, with_quality: bool = True) -> np.ndarray:
        """Return (C, K, K) posterior covariances of the scores; what stands under padding means nothing.

        Σ = K_** - K_* (W⁻¹ + K)⁻¹ K_*ᵀ of the user effect, plus (1 + ρ_u)² times that of f.

        Args:
            data, questions: As in `score`.
            with_quality: Whether to add how little is known of f, at some milliseconds a question; else
                only what is not known of the user.
        """
        known, asked = with_revealed(self, data, questions)
        effects, out = known.effects, np.zeros((*questions.candidates.shape, questions.candidates.shape[1]))
        for targets in known._reader.parts(data, asked, known._width(asked, effects.most_votes)):
            # 1. The prior variance needs no votes: a batch of no user serves.
            nobody = effects.batch(np.zeros((0, 0), int))
            found = blended(nobody.within(targets.models, targets.quality, targets.features), effects.settings)
            # 2. Votes take variance off, and say by which factor, 1 + ρ, the user follows f.
            discrimination = np.ones(len(targets.at))
            for batch in effects.batches(targets):
                taken, mean = batch.observed(effects.settings, effects.alpha)
                found[batch.at] -= taken
                discrimination[batch.at] += mean
            # 3. Doubt about f reaches a score through that factor.
            if with_quality:
                found += discrimination[:, None, None] ** 2 * self._quality_covariances(targets)
            out[targets.at] = found
        return out

    def _quality_covariances(self, targets: Targets) -> np.ndarray:
        """Return the (C, K, K) posterior covariances of f."""
        described = [None] * len(targets.at) if targets.described is None else targets.described
        one_each = zip(targets.fitted, targets.models, described, strict=True)
        return np.stack([self.quality.covariance(*one) for one in one_each])

    def with_votes(
        self, data: Dataset, questions: Questions, a: np.ndarray, b: np.ndarray, y: np.ndarray
    ) -> ConditionedPosterior:
        """Return what would be believed had users cast these votes and no others; f and S stay as they are.

        Args:
            data: As in `score`.
            questions: (C) what was voted on, by whom; the codes of users need not be the history's.
            a, b: (C,) slots of the answers shown left and right.
            y: (C,) 1 where a won, 0 where b did, 0.5 for a tie; all as new as can be.

        Raises:
            DataError: A query is none of the history's.
        """
        known = self.votes.queries.keys.codes()
        keys = self._conversations.read(data, questions).keys
        query = np.array([known.get(key, -1) for key in keys.tuples()], np.int64)
        if (query < 0).any():
            raise DataError("a vote is about a query that the history does not hold; ask only about known queries")
        features, every = self._reader.features_of(data, questions), np.arange(len(questions))
        votes = self.votes.cast(questions, features, every, (a, b), as_votes(y), query)
        # f is not fitted again, but what it says of these votes is other than of those before.
        offset = self.quality.differences(votes.query, votes.a, votes.b)
        return replace(self, effects=replace(self.effects, votes=votes, offset=offset, solved=None))

    def with_conversations(self, scale: float) -> ConditionedPosterior:
        """Return the same answer quality, with a term of user effects within one conversation of another scale."""
        settings = replace(self.effects.settings, conversation_scale=scale)
        votes = replace(self.votes, by_conversation=scale > 0)
        return replace(self, effects=replace(self.effects, settings=settings, votes=votes, solved=None))

    def with_drift(self, half_life: float) -> ConditionedPosterior:
        """Return the same answer quality, user effects drifting with a half-life."""
        settings, votes = replace(self.effects.settings, half_life=half_life), replace(self.votes, half_life=half_life)
        return replace(self, effects=replace(self.effects, settings=settings, votes=votes, solved=None))

    def under(self, settings: HierarchicalSettings) -> ConditionedPosterior:
        """Return the same answer quality and S, the user kernel having other scales and variances."""
        return replace(self, effects=replace(self.effects, settings=settings, solved=None))

    def of_user(self, user: int) -> ConditionedPosterior:
        """Return the same beliefs about one user alone: all others are unknown to it, and it knows their queries only.

        What it costs to observe more rounds of this user does not grow with the votes of others.
        """
        own, effects = self.votes.of_user(user), self.effects.settled()
        asked, query = np.unique(self.votes.query[own], return_inverse=True)
        votes = self.votes.select(np.arange(own.start, own.stop))
        votes = replace(votes, query=query.reshape(-1), queries=self.votes.queries.select(asked))
        # α is solved now and handed on, so that a reader of one user never solves for all.
        alone = replace(effects, votes=votes, offset=effects.offset[own], solved=effects.alpha[own])
        return replace(self, effects=alone)

    def with_observed(self, history: Dataset, positions: np.ndarray) -> ConditionedPosterior | None:
        """Return what is believed once some more rounds are observed, at the cost of solving for their users alone.

        Answer quality and S stay as they are until the whole history is conditioned on again; an answer new to the
        history is taken for one of its model's mean form.

        Args:
            history: The history with the rounds; what was observed before has kept its positions.
            positions: (C,) where the new rounds stand.

        Returns:
            None where a round shows a model that was not there before, or by how much an answer was better where that
            was never said.
        """
        rounds = history.select(positions)
        if int(rounds.table.model.max(initial=-1)) >= self.votes.models:
            return None
        seen = self.reading.observations(rounds)
        if not self.reads(seen).all():
            able = self._judging_alone()
            return able.with_observed(history, positions) if able.reads(seen).all() else None
        more, offset = self.observed_votes(history, positions)
        # Their users alone are solved for; everybody else's α stands.
        users = np.unique(more.user).tolist()
        # An empty list of users could not be concatenated without a first part.
        rated = np.sort(np.concatenate([np.zeros(0, np.int64), *map(history.table.of_user, users)]))
        effects = self.effects.with_votes(more, offset, rated_since(history.table.select(rated)), rated)
        return replace(self, effects=effects)

    def _judging_alone(self) -> ConditionedPosterior:
        """Return the same beliefs, able to read answers judged alone where the history held none.

        Thresholds are the neutral ones, and leniency varies as the settings say, until the whole history is conditioned
        on: fitting thresholds to the first thumb of many votes would let everybody wait for all of them.
        """
        covariance, scales = self.effects.covariance, self.votes.scales.before(UNTOLD)
        if len(covariance) == self.votes.models + 2:
            covariance = block_diag(covariance, np.full((1, 1), self.effects.settings.leniency_variance))
        # α stands: leniency is in no vote between two answers, so no kernel of theirs moves.
        solved = self.effects.settled()
        return replace(self, effects=replace(solved, covariance=covariance, votes=replace(self.votes, scales=scales)))

    def reads(self, seen: Observations) -> np.ndarray:
        """Return (V,) whether each observation has its thresholds here, and its leniency if one answer was judged."""
        known = [kind for kind in np.unique(seen.kind) if self.votes.scales.knows(np.array([kind]))]
        lenient = len(self.effects.covariance) > self.votes.models + 2
        return np.isin(seen.kind, known) & ((seen.row_b >= 0) | lenient)

    def observed_votes(self, history: Dataset, positions: np.ndarray) -> tuple[VoteHistory, np.ndarray]:
        """Read rounds of a history as more votes; return them, ordered by user, and (N,) what f says of each.

        Their `queries` are the known ones with those new in these rounds behind them. `reads` says which may be read.
        """
        table, questions = history.table.select(positions), history.questions(positions)
        # 1. Queries new with these rounds join the known ones, which keep their codes.
        seen, read = self.reading.observations(history.select(positions)), self._conversations.read(history, questions)
        known, keys = self.votes.queries.keys.codes(), read.keys.tuples()
        unknown = np.array([at for at, key in enumerate(keys) if key not in known], int)
        queries = self.votes.queries.extended(read.select(unknown).distinct()[0])
        # 2. The rounds become votes, and what f says of them their offset.
        code, of = queries.keys.codes(), seen.comparison
        query = np.array([code[key] for key in keys], np.int64)
        lone = seen.row_b < 0
        a, b = seen.row_a - table.start[of], np.where(lone, -1, seen.row_b - table.start[of])
        targets = replace(self._reader, queries=queries).read(history, questions, np.arange(len(questions)))
        more = replace(self.votes, queries=queries).cast(questions, targets.features, of, (a, b), seen, query[of])
        # `cast` counts the new rounds from 0; explanations need their places in the whole history.
        more = replace(more, comparison=np.asarray(positions)[more.comparison])
        # `cast` orders votes by user, stably; their offsets must follow.
        offset = targets.quality[of, a] - np.where(lone, 0.0, targets.quality[of, b])
        return more, offset[np.argsort(questions.user[of], kind="stable")]

    def _width(self, questions: Questions, columns: int = 0) -> int:
        """Return how many numbers a question takes: one for each vote of its user and candidate, or column."""
        return self.effects.most_votes * max(questions.candidates.shape[1], columns)
