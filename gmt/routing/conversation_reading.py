"""Read the query of a round together with what came before it in its conversation, the same way everywhere."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from gmt.data.dataset import Dataset, Questions
from gmt.data.growing_rows import Vectors
from gmt.data.interactions import InteractionTable
from gmt.data.text_keys import form_of
from gmt.data.vocabulary import Names
from gmt.routing.query_keys import QueryKeys

MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
"""An odd number of evenly mixed bits: 64-bit products with it tell sequences of codes apart."""


@dataclass(frozen=True)
class ConversationReading:
    """Say how much what came before in a conversation counts in the vector of a query.

    x_t ∝ w(q_t) q_t + c_t, with c_t = decay · (w(q_{t-1}) q_{t-1} + answers · ā_{t-1} + c_{t-1}); q and a are unit text
    vectors, ā the mean of the answers shown in a round, and w(q) = n / (n + words) for a text of n words, so that a
    follow-up which says little by itself is read as its conversation. A round without an earlier one keeps the vector
    of its own text, unscaled. A round that names no task is of the last task named in its conversation. Ratings are
    never read, nor anything of a query's own round but its text and task.

    Args:
        decay: What a round counts less with each later one; 0: every query is its own text alone.
        answers: Weight of the mean earlier answer beside an earlier query of many words.
        words: Number of words at which a text counts half; 0: all texts count whole.
    """

    decay: float = 0.0
    answers: float = 0.0
    words: float = 0.0

    def __str__(self) -> str:
        parts = [f"a round back counts {self.decay:g}"]
        parts += [f"its answers {self.answers:g} of that"] if self.answers else []
        parts += [f"a text of {self.words:g} words half of a long one"] if self.words else []
        return ", ".join(parts)

    def read(self, data: Dataset, source: InteractionTable | Questions) -> ReadQueries:
        """Read every comparison of a table, or every question.

        Args:
            data: Holds the texts and their vectors.
            source: The table, whose rounds are read with those before them in it; or questions, which bring their
                earlier rounds along.
        """
        keys, vectors = QueryKeys.of(source), data.vectors
        rounds = source.earlier if isinstance(source, Questions) else source
        if not self.decay or not source.turn.any():
            return ReadQueries.by_text(keys, vectors)
        # 1. Only rounds of conversations that are asked about are followed.
        talks = np.unique(source.conversation[source.turn > 0])
        rounds = rounds.select(np.isin(rounds.conversation, talks))
        if not len(rounds):
            return ReadQueries.by_text(keys, vectors)
        so_far = _Conversations(self, data, rounds)
        before = so_far.last_before(source.conversation, source.turn)
        later = np.flatnonzero(before >= 0)
        # 2. The earlier queries join the key. Earlier answers do not: what a query is asks for the same, whoever
        #    answered before, but its vector may differ between two rounds of one key.
        keys = replace(keys, context=keys.context.copy(), task=keys.task.copy())
        keys.context[later] = so_far.signature[before[later]]
        keys.task[later] = np.where(keys.task[later] < 0, so_far.task[before[later]], keys.task[later])
        own = self.content(data.table.texts, source.query[later])[:, None] * np.asarray(
            vectors[source.query[later]], dtype=float
        )
        mixed = own + self.decay * so_far.state[before[later]]
        length = np.linalg.norm(mixed, axis=1, keepdims=True)
        return ReadQueries(keys, vectors, later, mixed / np.maximum(length, 1e-12))

    def content(self, texts: Names, codes: np.ndarray) -> np.ndarray:
        """Return (N,) w of the texts with (N,) codes."""
        if not self.words:
            return np.ones(len(codes))
        used, of = np.unique(codes, return_inverse=True)
        # Where a stand-in does not state the words of a text nobody can count them: it counts whole.
        count = [form_of(texts[code]).words for code in used.tolist()]
        known = np.array([np.inf if words is None else words for words in count])
        return (1 / (1 + self.words / np.maximum(known, 1e-9)))[of.reshape(-1)]


class _Conversations:
    """Follow C rounds through their conversations, one node for each conversation and turn, in this order.

    Args:
        reading: How they are read.
        data: Holds the texts and their vectors.
        rounds: The rounds.
    """

    def __init__(self, reading: ConversationReading, data: Dataset, rounds: InteractionTable) -> None:
        nodes = np.stack([rounds.conversation, rounds.turn], axis=1)
        nodes, of = np.unique(nodes.reshape(-1, 2), axis=0, return_inverse=True)
        self._conversation, self._turn, of = nodes[:, 0], nodes[:, 1], of.reshape(-1)
        count = np.bincount(of, minlength=len(nodes)).astype(float)
        # 1. What was said in each round; several rounds of one turn count together as one.
        weight = reading.content(data.table.texts, rounds.query) / count[of]
        said = np.zeros((len(nodes), data.vectors.shape[1]))
        # Sorted by text, for the order of a table must not reach a sum of floats.
        order = np.lexsort((rounds.query, of))
        np.add.at(said, of[order], weight[order, None] * np.asarray(data.vectors[rounds.query[order]], dtype=float))
        asked = np.zeros(len(nodes), np.uint64)
        # A sum, which does not depend on the order of rounds of one turn either.
        np.add.at(asked, of, (rounds.query.astype(np.uint64) + np.uint64(1)) * MULTIPLIER)
        if reading.answers:
            said += reading.answers * _mean_answers(data, rounds, of, len(nodes))
        # 2. Node after node of all conversations at once, each on top of the one before it.
        first = np.concatenate([[True], self._conversation[1:] != self._conversation[:-1]])
        begin = np.flatnonzero(first)
        place = np.arange(len(nodes)) - np.repeat(begin, np.diff(np.append(begin, len(nodes))))
        self.task = np.full(len(nodes), -1, np.int64)
        np.maximum.at(self.task, of, rounds.task)
        self.state, signature = said, asked
        for number in range(1, int(place.max(initial=0)) + 1):
            at = np.flatnonzero(place == number)
            self.state[at] += reading.decay * self.state[at - 1]
            self.task[at] = np.where(self.task[at] < 0, self.task[at - 1], self.task[at])
            signature[at] += (signature[at - 1] ^ (signature[at - 1] >> np.uint64(29))) * MULTIPLIER
        # 0 stands for no conversation.
        self.signature = np.where(signature == 0, 1, signature).astype(np.int64)

    def last_before(self, conversation: np.ndarray, turn: np.ndarray) -> np.ndarray:
        """Return (N,) the last node of each conversation before a turn, -1 where there is none."""
        # One number for conversation and turn keeps the order of the nodes.
        span = int(max(self._turn.max(initial=0), turn.max(initial=0))) + 1
        place = np.searchsorted(self._conversation * span + self._turn, conversation * span + turn) - 1
        found = (place >= 0) & (conversation >= 0)
        return np.where(found & (self._conversation[np.maximum(place, 0)] == conversation), place, -1)


def _mean_answers(data: Dataset, rounds: InteractionTable, of: np.ndarray, nodes: int) -> np.ndarray:
    """Return (nodes, D) the mean vector of the answers shown at each node, 0 where none is known."""
    shown = np.flatnonzero(rounds.response >= 0)
    node = of[rounds.row_comparison[shown]]
    order = np.lexsort((rounds.response[shown], node))
    shown, node = shown[order], node[order]
    total = np.zeros((nodes, data.vectors.shape[1]))
    np.add.at(total, node, np.asarray(data.vectors[rounds.response[shown]], dtype=float))
    return total / np.maximum(np.bincount(node, minlength=nodes), 1)[:, None]


@dataclass(frozen=True, eq=False)
class ReadQueries:
    """Hold N queries as read: what tells them apart, and their vectors, most of which are those of their texts.

    Args:
        keys: N keys.
        texts: (T, D) vectors that `keys.query` points into.
        later: (L,) ascending places of those read with their conversation.
        mixed: (L, D) unit vectors of these.
    """

    keys: QueryKeys
    texts: Vectors
    later: np.ndarray
    mixed: np.ndarray

    @classmethod
    def by_text(cls, keys: QueryKeys, vectors: Vectors) -> ReadQueries:
        """Return queries read by their own texts alone, given (T, D) vectors of texts."""
        return cls(keys, vectors, np.zeros(0, np.int64), np.zeros((0, vectors.shape[1])))

    def __len__(self) -> int:
        return len(self.keys)

    @cached_property
    def vectors(self) -> np.ndarray:
        """(N, D) vectors."""
        out = self.texts[self.keys.query]
        if len(self.later):
            # A copy of its own and no view of the texts, for it is written into.
            out = np.array(out, dtype=float)
            out[self.later] = self.mixed
        return out

    def select(self, positions: np.ndarray) -> ReadQueries:
        """Return the queries at (K,) positions."""
        place = np.full(len(self), -1)
        place[self.later] = np.arange(len(self.later))
        place = place[positions]
        later = np.flatnonzero(place >= 0)
        return ReadQueries(self.keys.select(positions), self.texts, later, self.mixed[place[later]])

    def distinct(self) -> tuple[ReadQueries, np.ndarray]:
        """Return the G queries of different keys in a fixed order, and (N,) which of them each one is.

        Rounds of one key may have had other answers before them; their vectors are averaged.
        """
        keys, code = self.keys.distinct()
        if not len(self.later):
            return ReadQueries(keys, self.texts, self.later, self.mixed), code
        of = code[self.later]
        # Sorted by what they are, for the order of a table must not reach a sum of floats.
        order = np.lexsort((*self.mixed.T[:8], of))
        total = np.zeros((len(keys), self.mixed.shape[1]))
        np.add.at(total, of[order], self.mixed[order])
        # A key with a context holds only rounds read with one, so no own text is averaged in.
        later = np.unique(of)
        length = np.linalg.norm(total[later], axis=1, keepdims=True)
        return ReadQueries(keys, self.texts, later, total[later] / np.maximum(length, 1e-12)), code
