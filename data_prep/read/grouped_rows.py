"""Hold comparisons as numbers, and hand them over one by one or as the table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from data_prep.read.conversations import content_name, conversations_of, opening_queries, turns_of
from gmt.data.comparisons import Candidate, Comparison, text_id
from gmt.data.interactions import InteractionTable
from gmt.data.signals import SIGNALS


@dataclass(frozen=True, eq=False)
class GroupedRows:
    """Hold C comparisons in the order their first rows appear, with R candidates.

    Args:
        names: Kind -> names that the codes point to.
        first: Column -> (C,) what the first row of each comparison says.
        candidate: Column -> (R,) of the candidates.
        start: (C + 1,) where the candidates of each comparison stand.
        renumber: Count the turns of a conversation from 0.
        rows: How many rows were read well.
        text_id: Returns the `text_id` of the text that a name of the kind "text" stands for.
    """

    names: dict[str, tuple[str, ...]]
    first: dict[str, np.ndarray]
    candidate: dict[str, np.ndarray]
    start: np.ndarray
    renumber: bool
    rows: int
    text_id: Callable[[str], str] = text_id

    def __len__(self) -> int:
        return len(self.start) - 1

    @property
    def splits(self) -> np.ndarray:
        """(C,) split codes as the rows state them, -1 where none is stated."""
        return self.first["split"]

    @cached_property
    def conversations(self) -> tuple[tuple[str, ...], np.ndarray]:
        """Names of the conversations, and the (C,) conversation of each comparison."""
        users, named = self.names["user"], self.names["conversation"]
        return conversations_of(self.first["user"], self.first["conversation"], users, named, self._content_of)

    @cached_property
    def turns(self) -> np.ndarray:
        """(C,) turns; comparisons that state none follow one another."""
        return turns_of(self.conversations[1], self.first["turn"], self.renumber)

    def comparisons(self) -> list[Comparison]:
        """Return the comparisons one by one; a question that no row names stays unnamed."""
        names, (talks, talk), first = self.names, self.conversations, self.first
        out = []
        for at, (low, high) in enumerate(pairwise(self.start.tolist())):
            out.append(
                Comparison(
                    names["user"][first["user"][at]],
                    talks[talk[at]],
                    int(self.turns[at]),
                    names["text"][first["query"][at]],
                    tuple(self._candidate(place) for place in range(low, high)),
                    _named(names["question"], first["question"][at]),
                    _named(names["task"], first["task"][at]),
                    _number(first["timestamp"][at]),
                )
            )
        return out

    def table(self) -> InteractionTable:
        """Return the comparisons as a table, vocabularies by first appearance, as `from_comparisons` would."""
        talks, talk = self.conversations
        first, shown, start = self.first, self.candidate, self.start
        questions, question = self._questions(talk)
        users, user = _renamed(self.names["user"], first["user"])
        tasks, task = _renamed(self.names["task"], first["task"])
        models, model = _renamed(self.names["model"], shown["model"])
        # Texts count in the order they are met: a query, then each answer and the feedback on it.
        met = np.empty(len(self) + 2 * len(model), np.int64)
        queries, answers = np.arange(len(self)) + 2 * start[:-1], np.repeat(np.arange(len(self)) + 1, np.diff(start))
        # Before answer j of comparison c stand c + 1 queries and two texts for each of the j answers.
        answers = answers + 2 * np.arange(len(model))
        met[queries], met[answers], met[answers + 1] = first["query"], shown["response"], shown["feedback"]
        texts, met = _renamed(self.names["text"], met)
        return InteractionTable(
            users=users,
            models=models,
            texts=texts,
            conversations=talks,
            questions=questions,
            tasks=tasks,
            comparison=np.arange(len(self)),
            user=user,
            conversation=talk,
            turn=self.turns,
            question=question,
            task=task,
            query=met[queries],
            timestamp=first["timestamp"],
            split=np.zeros(len(self), np.int8),
            start=start,
            model=model,
            response=met[answers],
            feedback=met[answers + 1],
            rating=shown["rating"],
            cost=shown["cost"],
            signal=shown["signal"],
        ).owned()  # a conversation of two users would show each the rounds of the other

    def _questions(self, talk: np.ndarray) -> tuple[tuple[str, ...], np.ndarray]:
        """Name every comparison's question; where no row does, by the text its conversation opened with."""
        opening = opening_queries(talk, self.turns, self.first["query"])
        stated, texts = self.names["question"], self.names["text"]
        known: dict[str, int] = {}
        hashed: dict[int, str] = {}
        codes = np.empty(len(self), np.int64)
        for at, (question, query) in enumerate(zip(self.first["question"], opening.tolist(), strict=True)):
            name = _named(stated, question)
            if name is None:
                # Hashed once for each distinct text: a benchmark's question opens thousands of conversations.
                name = hashed.get(query) or hashed.setdefault(query, self.text_id(texts[query]))
            codes[at] = known.setdefault(name, len(known))
        return tuple(known), codes

    def _candidate(self, place: int) -> Candidate:
        shown, texts = self.candidate, self.names["text"]
        return Candidate(
            self.names["model"][shown["model"][place]],
            _named(texts, shown["response"][place]),
            _number(shown["rating"][place]),
            _named(texts, shown["feedback"][place]),
            _number(shown["cost"][place]),
            _named(SIGNALS, shown["signal"][place]),
        )

    def _content_of(self, at: int) -> str:
        """Name a comparison by what it holds."""
        first, shown = self.first, self.candidate
        # Hashes of texts and not texts: on Ray only their keys are here, and both ways must give one name.
        texts, models = self.names["text"], self.names["model"]
        answers = []
        for place in range(self.start[at], self.start[at + 1]):
            response = _named(texts, shown["response"][place])
            rating = _number(shown["rating"][place])
            said = None if response is None else self.text_id(response)
            answers.append((models[shown["model"][place]], said, rating))
        comparison = _named(self.names["comparison"], first["comparison"][at])
        query = self.text_id(texts[first["query"][at]])
        return content_name(comparison, query, _number(first["timestamp"][at]), answers)


def _named(names: tuple[str, ...], code: int) -> str | None:
    return None if code < 0 else names[code]


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _renamed(names: tuple[str, ...], codes: np.ndarray) -> tuple[tuple[str, ...], np.ndarray]:
    """Return the names that are used, by first appearance, and the codes that point to them; -1 stays -1."""
    used, at = np.unique(codes, return_index=True)
    used, at = used[used >= 0], at[used >= 0]
    # `unique` gives codes in ascending order; vocabularies are kept by first appearance.
    used = used[np.argsort(at)]
    # One more place than names, so that code -1 indexes the last one, which holds -1.
    place = np.full(len(names) + 1, -1, np.int64)
    place[used] = np.arange(len(used))
    return tuple(names[code] for code in used.tolist()), place[codes]
