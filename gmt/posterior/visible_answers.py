"""Draw what a history shows of queries, answers and models as the graph that describes them, without any rating."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from gmt.data.answer_graph import AnswerGraph
from gmt.data.dataset import Dataset
from gmt.data.growing_rows import Vectors
from gmt.data.user_nodes import within
from gmt.posterior.asked_queries import AskedQueries
from gmt.posterior.earlier_turns import EarlierTurns
from gmt.posterior.stored_fields import NOT_STORED
from gmt.routing.query_keys import QueryKeys

HEARD = 32
"""Answers of a model that its node hears; more cost time with every step and say little new."""


@dataclass(frozen=True, eq=False)
class DrawnAnswers:
    """Hold the graph of N queries asked of K models each, and where each stands in it.

    Args:
        graph: The graph; its first A query nodes are those asked.
        task: (A,) codes of their tasks, -1 where there is none.
        node: (N,) the query node of each.
        response: (N, K) the node of each answer that is visible, -1 where none is.
    """

    graph: AnswerGraph
    task: Tensor
    node: Tensor
    response: Tensor

    def to(self, device: torch.device | str) -> DrawnAnswers:
        """Return the same on another device."""
        return DrawnAnswers(self.graph.to(device), self.task.to(device), self.node.to(device), self.response.to(device))


@dataclass(frozen=True, eq=False)
class VisibleAnswers:
    """Index the answers that a history shows, by model and by query.

    Args:
        vectors: (T, W) text vectors, at least of the texts asked about.
        models: (M, W) vectors of the descriptions.
        keys: G distinct queries of the history.
        known: (N,) sorted codes, query · M + model, of the answers that are visible.
        first: (N + 1,) where the texts of each begin among `answers`.
        answers: (R,) text codes of the answers, those of one query and model side by side.
        heard: (H,) which of the N each model's node hears, at most `HEARD` of a model.
    """

    vectors: Vectors = field(metadata=NOT_STORED)
    models: np.ndarray
    keys: QueryKeys
    known: np.ndarray
    first: np.ndarray
    answers: np.ndarray
    heard: np.ndarray

    @classmethod
    def of(cls, history: Dataset) -> VisibleAnswers:
        """Read the visible answers; which are heard does not depend on the order of the table."""
        table, models = history.table, len(history.table.models)
        keys, query = QueryKeys.of(table).distinct()
        written = table.response >= 0
        code = (query[table.row_comparison] * models + table.model)[written]
        pairs = np.unique(np.stack([code, table.response[written]], axis=1), axis=0)
        known, first = np.unique(pairs[:, 0], return_index=True)
        # Evenly over all queries, for the first ones may be of one kind.
        own = [np.flatnonzero(known % models == model) for model in np.unique(known % models)]
        heard = [part[np.linspace(0, len(part) - 1, min(HEARD, len(part))).astype(int)] for part in own]
        return cls(
            history.vectors,
            np.asarray(history.model_vectors, np.float32),
            keys,
            known,
            np.append(first, len(pairs)),
            pairs[:, 1],
            np.concatenate([np.zeros(0, np.int64), *heard]),
        )

    def draw(self, asked: AskedQueries, candidates: np.ndarray, with_answers: bool = True) -> DrawnAnswers:
        """Draw the graph around N queries asked of (N, K) models, -1 under padding.

        Args:
            asked: The queries.
            candidates: The models.
            with_answers: Whether answers and earlier rounds are drawn; else queries and models alone.
        """
        # 1. What is asked: one node for a text and the rounds before it.
        keys, earlier = asked.queries.keys, asked.earlier if with_answers else None
        turns = EarlierTurns.of(keys.query, asked.conversation, asked.turn, asked.with_conversation, earlier)
        visible = self._places(keys, candidates) if with_answers else np.full(candidates.shape, -1)
        # 2. Answers: those that models are heard by, those asked about, and those of earlier rounds.
        shown = np.unique(np.concatenate([self.heard if with_answers else self.heard[:0], visible[visible >= 0]]))
        spoken = np.flatnonzero(turns.response >= 0)
        response = np.concatenate([self._answer_vectors(shown), self.vectors[turns.response[spoken]]])
        # 3. Texts that answers were given to, apart from what is asked: an answer was not given to the rounds before.
        texts = np.concatenate([self.keys.query[self.known[shown] // max(len(self.models), 1)], turns.query])
        distinct, text = np.unique(texts, return_inverse=True)
        text = len(turns.asked) + text.reshape(-1)
        answered, opened = text[: len(shown)], text[len(shown) :]
        heard = np.searchsorted(shown, self.heard) if with_answers else self.heard[:0]
        own = np.arange(len(turns.query))
        ends = [
            (opened, own),
            (len(shown) + np.arange(len(spoken)), spoken),
            (turns.model, own),
            turns.precedes,
            (own, turns.node),
            (answered, np.arange(len(shown))),
            (heard, self.known[self.heard] % max(len(self.models), 1) if with_answers else heard),
        ]
        kinds = AnswerGraph.schema.edge_types
        said = np.asarray(self.vectors[np.concatenate([turns.asked, distinct])], np.float32)
        # What is read with its conversation has a vector of its own, and so has the node that stands for it.
        said[turns.place[asked.queries.later]] = asked.queries.mixed
        graph = AnswerGraph(
            torch.from_numpy(said),
            torch.from_numpy(np.asarray(response, np.float32)),
            torch.from_numpy(self.models),
            len(own),
            {kind: torch.from_numpy(np.stack(pair).astype(np.int64)) for kind, pair in zip(kinds, ends, strict=True)},
        )
        place = np.where(visible >= 0, np.searchsorted(shown, np.maximum(visible, 0)), -1)
        task = np.full(len(turns.asked), -1, np.int64)
        task[turns.place] = keys.task  # the task follows from the text, or from the conversation it is read with
        return DrawnAnswers(graph, *map(torch.from_numpy, (task, turns.place, place)))

    def _places(self, keys: QueryKeys, candidates: np.ndarray) -> np.ndarray:
        """Return the (N, K) places among the known answers of each model's to each query, -1 where none is visible."""
        # Answers are known by the query's own text, however it is read.
        query = np.array([self._index.get(key, -1) for key in keys.without_context().tuples()], np.int64)
        wanted = query[:, None] * len(self.models) + candidates
        place = np.minimum(np.searchsorted(self.known, wanted), max(len(self.known) - 1, 0))
        found = (query >= 0)[:, None] & (candidates >= 0)
        if len(self.known):
            found &= self.known[place] == wanted
        return np.where(found & (len(self.known) > 0), place, -1)

    def _answer_vectors(self, places: np.ndarray) -> np.ndarray:
        """Return (N, W) means of the visible texts of known answers."""
        count = self.first[places + 1] - self.first[places]
        rows = self.vectors[self.answers[np.repeat(self.first[places], count) + within(count)]]
        if len(rows) == len(places):  # one text each, as nearly always
            return np.asarray(rows)
        sums = np.zeros((len(places), rows.shape[1]))
        np.add.at(sums, np.repeat(np.arange(len(places)), count), rows)
        return sums / count[:, None]

    @cached_property
    def _index(self) -> dict[tuple[int, ...], int]:
        return self.keys.codes()
