"""Turn comparisons held as numbers into plain ones, or into the table: names, turns and questions as rows left them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from data_prep.read.answers import content_name
from data_prep.read.cells import Numbering
from gmt.data.interactions import Candidate, Comparison, InteractionTable, text_id


@dataclass(frozen=True, eq=False)
class Gathered:
    """Hold C comparisons in the order their first rows appear, with R candidates.

    Args:
        names: Kind -> names that the codes point to.
        first: Column -> (C,) what the first row of each comparison says.
        part: Column -> (R,) of the candidates.
        start: (C + 1,) where the candidates of each comparison stand.
        renumber: As in `Gatherer`.
        rows: How many rows were read well.
        text_id: As in `Gatherer`.
    """

    names: dict[str, tuple[str, ...]]
    first: dict[str, np.ndarray]
    part: dict[str, np.ndarray]
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
        user, talk = self.first["user"], self.first["conversation"]
        pairs = np.unique(np.stack([talk, user], axis=1), axis=0)
        talks, owners = np.unique(pairs[:, 0], return_counts=True)
        several = set(talks[owners > 1].tolist())
        users, named = self.names["user"], self.names["conversation"]
        content, contents = self.first["content"].tolist(), self.names["content"]
        known: dict[str, int] = {}
        numbering = Numbering()
        codes = np.empty(len(self), np.int64)
        for at, (person, conversation) in enumerate(zip(user.tolist(), talk.tolist(), strict=True)):
            if conversation < 0:
                held = contents[content[at]] if content[at] >= 0 else self._content_of(at)
                name = numbering.unique(f"{users[person]}/{held}")
            elif conversation in several:
                name = f"{users[person]}/{named[conversation]}"
            else:
                name = named[conversation]
            codes[at] = known.setdefault(name, len(known))
        return tuple(known), codes

    @cached_property
    def turns(self) -> np.ndarray:
        """(C,) turns; comparisons that state none follow one another."""
        _, talk = self.conversations
        counted: dict[int, int] = defaultdict(int)
        turns = np.empty(len(self), np.int64)
        for at, (conversation, stated) in enumerate(zip(talk.tolist(), self.first["turn"].tolist(), strict=True)):
            turns[at] = turn = counted[conversation] if stated < 0 else stated
            counted[conversation] = max(counted[conversation], turn + 1)
        if not self.renumber or not len(self):
            return turns
        pairs, place = np.unique(np.stack([talk, turns], axis=1), axis=0, return_inverse=True)
        begins = np.searchsorted(pairs[:, 0], pairs[:, 0])
        return (np.arange(len(pairs)) - begins)[place.reshape(-1)]

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
        first, part, start = self.first, self.part, self.start
        asked, question = self._questions(talk)
        users, user = _renamed(self.names["user"], first["user"])
        tasks, task = _renamed(self.names["task"], first["task"])
        models, model = _renamed(self.names["model"], part["model"])
        # Texts count in the order they are met: a query, then each answer and what was said of it.
        met = np.empty(len(self) + 2 * len(model), np.int64)
        queries, answers = np.arange(len(self)) + 2 * start[:-1], np.repeat(np.arange(len(self)) + 1, np.diff(start))
        answers = answers + 2 * np.arange(len(model))
        met[queries], met[answers], met[answers + 1] = first["query"], part["response"], part["feedback"]
        texts, met = _renamed(self.names["text"], met)
        return InteractionTable(
            users=users,
            models=models,
            texts=texts,
            conversations=talks,
            questions=asked,
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
            rating=part["rating"],
            cost=part["cost"],
        ).owned()

    def _questions(self, talk: np.ndarray) -> tuple[tuple[str, ...], np.ndarray]:
        """Name every comparison's question; where no row does, by the text its conversation opened with."""
        order = np.lexsort((np.arange(len(self)), self.turns, talk))
        opens = np.ones(len(order), bool)
        opens[1:] = talk[order[1:]] != talk[order[:-1]]
        opening = np.empty(int(talk.max(initial=-1)) + 1, np.int64)
        opening[talk[order[opens]]] = self.first["query"][order[opens]]
        stated, texts = self.names["question"], self.names["text"]
        known: dict[str, int] = {}
        hashed: dict[int, str] = {}
        codes = np.empty(len(self), np.int64)
        for at, (question, query) in enumerate(zip(self.first["question"], opening[talk].tolist(), strict=True)):
            name = _named(stated, question)
            if name is None:
                name = hashed.get(query) or hashed.setdefault(query, self.text_id(texts[query]))
            codes[at] = known.setdefault(name, len(known))
        return tuple(known), codes

    def _candidate(self, place: int) -> Candidate:
        part, texts = self.part, self.names["text"]
        return Candidate(
            self.names["model"][part["model"][place]],
            _named(texts, part["response"][place]),
            _number(part["rating"][place]),
            _named(texts, part["feedback"][place]),
            _number(part["cost"][place]),
        )

    def _content_of(self, at: int) -> str:
        first = self.first
        candidates = [self._candidate(place) for place in range(self.start[at], self.start[at + 1])]
        comparison = _named(self.names["comparison"], first["comparison"][at])
        return content_name(
            comparison,
            self.names["text"][first["query"][at]],
            _number(first["timestamp"][at]),
            candidates,
            self.text_id,
        )


def _named(names: Sequence[str], code: int) -> str | None:
    return None if code < 0 else names[code]


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _renamed(names: tuple[str, ...], codes: np.ndarray) -> tuple[tuple[str, ...], np.ndarray]:
    """Return the names that are used, by first appearance, and the codes that point to them; -1 stays -1."""
    used, at = np.unique(codes, return_index=True)
    used, at = used[used >= 0], at[used >= 0]
    used = used[np.argsort(at)]
    place = np.full(len(names) + 1, -1, np.int64)
    place[used] = np.arange(len(used))
    return tuple(names[code] for code in used.tolist()), place[codes]
