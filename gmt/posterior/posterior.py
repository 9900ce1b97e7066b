"""Hold everything the hierarchical model believes after a history: what is good for all, and for each person."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property

import numpy as np

from gmt.data.dataset import Dataset, Questions
from gmt.errors import DataError
from gmt.posterior.answer_quality import CellFit
from gmt.posterior.style import CandidateFeatures
from gmt.posterior.user_effects import Parts, Past, People, precision
from gmt.routing.kernels import QueryKeys
from gmt.routing.pairwise import votes_of
from gmt.routing.protocol import Explained
from gmt.routing.recency import rated_since

ASKED_AT_ONCE = 2_000_000  # questions are scored in batches whose similarities hold at most so many numbers


@dataclass(frozen=True)
class HierarchicalSettings:
    """Hold the variances of the model; those from `cells` on `fit` replaces by the best on VALID.

    Args:
        base: Of a model's strength, in squared logits like all.
        liking, side, reliability: Of a person's liking of a model, of their pull to the left answer,
            and of how much more or less their votes follow the worth of the answers; where S starts.
        extra: Of the liking of each of the learned features, where the router is given some.
        cells: Of the worth of an answer around the model's strength.
        memory: Of liking a model on one kind of query only, as a multiple of S.
        spread: What S is multiplied by.
        style: Of the liking of each feature of style.
        answer: Of what each feature of an answer is worth to everybody; 0 leaves answers undescribed.
        half_life: No variance, but the comparisons a person rates until their taste is half another; 0: it stays.
    """

    base: float = 0.5
    liking: float = 0.5
    side: float = 0.2
    reliability: float = 0.05
    extra: float = 0.0
    cells: float = 1.0
    memory: float = 1.0
    spread: float = 1.0
    style: float = 0.05
    answer: float = 0.0
    half_life: float = 0.0

    @property
    def amplitudes(self) -> tuple[float, float]:
        return self.style, self.extra

    def to_arrays(self) -> dict[str, np.ndarray]:
        return {f"settings.{item.name}": np.array(getattr(self, item.name), float) for item in fields(self)}

    @classmethod
    def from_arrays(cls, state: dict[str, np.ndarray]) -> HierarchicalSettings:
        stored = {item.name: f"settings.{item.name}" for item in fields(cls)}
        # Runs of before tastes could wander do not say how long they stay.
        return cls(**{name: float(state[key]) for name, key in stored.items() if key in state or name != "half_life"})


@dataclass(frozen=True, eq=False)
class _Asked:
    """Hold questions of a batch of people, and what their votes say about them."""

    at: np.ndarray  # (C,) which questions
    row: np.ndarray  # (C,) which of the people asks each
    index: np.ndarray  # (B, T) positions of the people's votes
    people: People
    parts: Parts  # (C, K, T)


@dataclass(frozen=True, eq=False)
class Posterior:
    """Answer questions from one history; each person's own part is fitted once, when first needed.

    Args:
        settings: The variances.
        covariance: (M + 2, M + 2) S.
        shared: The fit of f.
        past: The votes.
        features: One for each of `settings.amplitudes`.
        answers: What describes answers in the prior of f, if anything does.
    """

    settings: HierarchicalSettings
    covariance: np.ndarray
    shared: CellFit
    past: Past
    features: tuple[CandidateFeatures, ...]
    answers: CandidateFeatures | None = None

    @cached_property
    def shift(self) -> np.ndarray:
        """(V,) what everybody's f says of each vote."""
        return self.shared.differences(self.past.query, self.past.a, self.past.b)

    @cached_property
    def alpha(self) -> np.ndarray:
        """(V,) weight of every vote in what its voter likes."""
        alpha = np.zeros(len(self.past))
        for _, index in self.past.people(self.past.user):
            people = People(self.past, index, self.shift, self.covariance)
            alpha[index[index >= 0]] = people.solve(self._blend(people.among()))[index >= 0]
        return alpha

    def score(self, data: Dataset, questions: Questions) -> np.ndarray:
        """Return (C, K) scores, -inf under padding.

        Args:
            data: Where the text vectors of the questions are; its codes begin with the history's.
            questions: What is asked.
        """
        out = np.full(questions.candidates.shape, -np.inf)
        for part, similarity in self._parts(data, questions):
            asked = questions.select(part)
            worth = self._worth(data, asked, similarity)
            total = worth.copy()
            for found in self._asked(data, asked, worth, similarity):
                theirs = np.where(found.index >= 0, self.alpha[found.index], 0.0)[found.row]
                total[found.at] += (self._blend(found.parts) @ theirs[:, :, None])[:, :, 0]
            out[part] = np.where(asked.candidates >= 0, total, -np.inf)
        return out

    def impersonal(self, data: Dataset, questions: Questions) -> np.ndarray:
        """Return the (C, K) scores somebody without votes would get, -inf under padding."""
        out = np.full(questions.candidates.shape, -np.inf)
        for part, similarity in self._parts(data, questions):
            asked = questions.select(part)
            out[part] = np.where(asked.candidates >= 0, self._worth(data, asked, similarity), -np.inf)
        return out

    def under(self, choices: Sequence[HierarchicalSettings], data: Dataset, questions: Questions) -> list[np.ndarray]:
        """Return the (C, K) scores under other settings of memory, spread and features, f and S unchanged."""
        out = [np.full(questions.candidates.shape, -np.inf) for _ in choices]
        for part, similarity in self._parts(data, questions):
            asked = questions.select(part)
            worth = self._worth(data, asked, similarity)
            totals = [worth.copy() for _ in choices]
            for found in self._asked(data, asked, worth, similarity):
                among = found.people.among()
                alpha = None
                for total, choice in zip(totals, choices, strict=True):
                    blend = (choice.spread, choice.memory, choice.amplitudes)
                    alpha = found.people.solve(among.blend(*blend), alpha)
                    total[found.at] += (found.parts.blend(*blend) @ alpha[found.row][:, :, None])[:, :, 0]
            for scores, total in zip(out, totals, strict=True):
                scores[part] = np.where(asked.candidates >= 0, total, -np.inf)
        return out

    def explain(self, data: Dataset, questions: Questions, index: int) -> Explained:
        """Take the scores of question `index` apart into what each past vote of the asker adds."""
        asked = questions.select(np.array([index]))
        similarity = self.past.queries.to_known(QueryKeys.of(asked), data.vectors)
        worth, own = self._worth(data, asked, similarity), self.past.where(int(asked.user[0]))
        votes = np.zeros((0, worth.shape[1]))
        for found in self._asked(data, asked, worth, similarity):
            votes = (self._blend(found.parts)[0] * self.alpha[own]).T
        return Explained(worth[0], votes, self.past.comparison[own])

    def covariances(self, data: Dataset, questions: Questions, shared: bool = True) -> np.ndarray:
        """Return (C, K, K) posterior covariances of the scores; what stands under padding means nothing.

        Args:
            data, questions: As in `score`.
            shared: Whether to add how little is known of f, at some milliseconds a question; else
                only what is not known of the person.
        """
        out = np.zeros((*questions.candidates.shape, questions.candidates.shape[1]))
        for part, similarity in self._parts(data, questions, self._most):
            asked = questions.select(part)
            worth, models = self._worth(data, asked, similarity), np.maximum(asked.candidates, 0)
            features = self._features(data, asked)
            nobody = People(self.past, np.zeros((0, 0), int), self.shift, self.covariance)
            found = self._blend(nobody.within(models, worth, features))
            lean = np.ones(len(part))
            for group in self._asked(data, asked, worth, similarity):
                kernel, people = self._blend(group.people.among()), group.people
                theirs = np.where(group.index >= 0, self.alpha[group.index], 0.0)
                weight = people.chances((kernel @ theirs[:, :, None])[:, :, 0])[1]
                inverse = np.linalg.solve(precision(kernel, weight), weight[:, :, None] * np.eye(weight.shape[1]))
                towards = self._blend(group.parts)
                found[group.at] -= towards @ inverse[group.row] @ towards.swapaxes(1, 2)
                lean[group.at] += (self.settings.spread * (theirs[:, None] @ people.rows)[:, 0, -1])[group.row]
            described = self._described(data, asked)
            for at in range(len(part)) if shared else ():
                answers = None if described is None else described[at]
                found[at] += lean[at] ** 2 * self.shared.covariance(
                    similarity[at, : self._asked_of], models[at], answers
                )
            out[part] = found
        return out

    def of_votes(self, data: Dataset, questions: Questions, a: np.ndarray, b: np.ndarray, y: np.ndarray) -> Posterior:
        """Return what would be believed had people cast these votes and no others; f and S stay as they are.

        Args:
            data: As in `score`.
            questions: (C) what was asked, by whom; the codes of people need not be the history's.
            a, b: (C,) slots of the answers shown left and right.
            y: (C,) 1 where a won, 0 where b did, 0.5 for a tie; all as new as can be.

        Raises:
            DataError: A query is none of the history's.
        """
        known = self.past.queries.keys.codes()
        query = np.array([known.get(key, -1) for key in QueryKeys.of(questions).tuples()], np.int64)
        if (query < 0).any():
            raise DataError("a vote is about a query that the history does not hold; ask only about known queries")
        return replace(self, past=self._cast(data, questions, np.arange(len(questions)), (a, b), y, query))

    def _cast(
        self,
        data: Dataset,
        questions: Questions,
        of: np.ndarray,
        slots: tuple[np.ndarray, np.ndarray],
        y: np.ndarray,
        query: np.ndarray,
    ) -> Past:
        """Return V votes on candidates of questions, a person's side by side; their `comparison` is the question.

        Args:
            data, questions: As in `score`.
            of: (V,) the question of each vote.
            slots: (V,) and (V,) where the two answers stand among its candidates.
            y: (V,) outcomes.
            query: (V,) codes of the known queries.
        """
        order = np.argsort(questions.user[of], kind="stable")
        features, models = self._features(data, questions), questions.candidates
        a, b = slots
        return replace(
            self.past,
            user=questions.user[of][order],
            a=models[of, a][order],
            b=models[of, b][order],
            y=np.asarray(y, float)[order],
            query=query[order],
            features=(features[of, a] - features[of, b])[order],
            comparison=of[order],
            since=np.zeros(len(of)),
        )

    def wandering(self, half_life: float) -> Posterior:
        """Return the same beliefs about all, people's tastes wandering with a half-life."""
        past = replace(self.past, half_life=half_life)
        return replace(self, settings=replace(self.settings, half_life=half_life), past=past)

    def learned(self, history: Dataset, positions: np.ndarray) -> Posterior | None:
        """Return what is believed once some more rounds are known, at the cost of solving for their people alone.

        What is good for everybody, and S, stay as they are until the whole history is conditioned on again; an
        answer new to the history is taken for one of its model's mean form.

        Args:
            history: The history with the rounds; what was known before has kept its positions.
            positions: (C,) where the new rounds stand.

        Returns:
            None where a round shows a model that was not there before.
        """
        table, asked = history.table.select(positions), history.questions(positions)
        if int(table.model.max(initial=-1)) >= len(self.covariance) - 2:
            return None
        votes, keys = votes_of(table), QueryKeys.of(asked)
        known = self.past.queries.keys.codes()
        fresh, _ = keys.select(
            np.array([at for at, key in enumerate(keys.tuples()) if key not in known], int)
        ).distinct()
        queries = self.past.queries.extended(fresh, history.vectors)
        wider, known = replace(self, past=replace(self.past, queries=queries)), queries.keys.codes()
        wider.__dict__.update(alpha=self.alpha, shift=self.shift)  # solved for everybody already
        of, query = votes.comparison, np.array([known[key] for key in keys.tuples()], np.int64)
        a, b = (row - table.start[of] for row in (votes.row_a, votes.row_b))
        cast = wider._cast(history, asked, of, (a, b), votes.y, query[of])
        worth = wider._worth(history, asked, queries.to_known(keys, history.vectors))
        shift = (worth[of, a] - worth[of, b])[np.argsort(votes.user, kind="stable")]
        return wider._joined(replace(cast, comparison=np.asarray(positions)[cast.comparison]), shift, history)

    def _joined(self, cast: Past, shift: np.ndarray, history: Dataset) -> Posterior:
        """Put new votes behind those of their people, and solve for these people."""
        place, people = np.searchsorted(self.past.user, cast.user, side="right"), np.unique(cast.user)
        past = self.past.inserted(place, cast)
        own = np.flatnonzero(np.isin(past.user, people))
        theirs = np.flatnonzero(np.isin(history.table.user, people))
        since = rated_since(history.table.select(theirs))
        past.since[own] = since[np.searchsorted(theirs, past.comparison[own])]
        alpha, shifts = np.insert(self.alpha, place, 0.0), np.insert(self.shift, place, shift)
        for _, index in past.people(people):
            group = People(past, index, shifts, self.covariance)
            alpha[index[index >= 0]] = group.solve(self._blend(group.among()))[index >= 0]
        found = replace(self, past=past)
        found.__dict__.update(alpha=alpha, shift=shifts)  # what `cached_property` would compute for everybody
        return found

    @cached_property
    def _asked_of(self) -> int:
        """How many of the known queries f was fitted to; the others came later."""
        return len(self.shared.prior.queries.keys)

    @cached_property
    def _most(self) -> int:
        """Votes of the person with most."""
        return int(np.bincount(self.past.user).max(initial=0))

    def _parts(self, data: Dataset, questions: Questions, columns: int = 0) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Cut the questions; yield positions and their (C, G) similarities to the known queries.

        A part holds so few questions that numbers for each vote of a person and each candidate, or
        each of `columns` if they are more, fit in memory.
        """
        queries, keys = self.past.queries, QueryKeys.of(questions)
        width = self._most * max(questions.candidates.shape[1], columns)
        size = max(1, ASKED_AT_ONCE // max(len(queries.keys), width, 1))
        for start in range(0, len(questions), size):
            part = np.arange(start, min(start + size, len(questions)))
            yield part, queries.to_known(keys.select(part), data.vectors)

    def _worth(self, data: Dataset, asked: Questions, similarity: np.ndarray) -> np.ndarray:
        """Return (C, K) f of the candidates."""
        shared = self.shared.mean(similarity[:, : self._asked_of])
        worth = np.take_along_axis(shared, np.maximum(asked.candidates, 0), axis=1)
        described = self._described(data, asked)
        return worth if described is None else worth + described @ self.shared.taste

    def _described(self, data: Dataset, asked: Questions) -> np.ndarray | None:
        """Return (C, K, F) φ of the candidates, if the prior of f describes answers."""
        if self.answers is None or self.shared.prior.features is None:
            return None
        return self.answers.of_candidates(data, asked)

    def _features(self, data: Dataset, asked: Questions) -> np.ndarray:
        parts = [part.of_candidates(data, asked) for part in self.features]
        return np.concatenate([np.zeros((*asked.candidates.shape, 0)), *parts], axis=2)

    def _blend(self, parts: Parts) -> np.ndarray:
        return parts.blend(self.settings.spread, self.settings.memory, self.settings.amplitudes)

    def _asked(self, data: Dataset, asked: Questions, worth: np.ndarray, similarity: np.ndarray) -> Iterator[_Asked]:
        """Put the questions to the people who ask them, batch by batch; who has no vote is left out."""
        features, models = self._features(data, asked), np.maximum(asked.candidates, 0)
        for users, index in self.past.people(asked.user):
            at = np.flatnonzero(np.isin(asked.user, users))
            order = np.argsort(users)
            row = order[np.searchsorted(users, asked.user[at], sorter=order)]
            people = People(self.past, index, self.shift, self.covariance)
            parts = people.towards(row, models[at], worth[at], similarity[at], features[at])
            yield _Asked(at, row, index, people, parts)
