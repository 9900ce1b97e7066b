"""Put a history's queries into groups that several people share, so that what they say of models is nobody's own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from gmt.data.comparisons import Candidate, Comparison
from gmt.data.dataset import Dataset
from gmt.data.signals import SIGNALS
from gmt.routing.kernels import principal_axes

SHARED_BY = 5
"""Least people, and least different queries, behind everything that is shared."""
NOBODY = "nobody: "
"""Begins the name of who stands in the place of a user; no two rounds share one."""


@dataclass(frozen=True, eq=False)
class VoteGroups:
    """Hold groups of like queries, and the rounds on them without who cast them.

    Args:
        rounds: One for each rated round whose group is shared, in an order that says nothing of theirs.
        names: G names of the groups, in the place of query texts.
        vectors: (G, D) unit-length means of the vectors of their queries.
        left_out: How many rated rounds went, for too few people asked the like.
    """

    rounds: list[Comparison]
    names: list[str]
    vectors: np.ndarray
    left_out: int

    @classmethod
    def of(cls, data: Dataset, least: int = SHARED_BY) -> VoteGroups:
        """Group the rated rounds of a history.

        Args:
            data: The history.
            least: Least people and least different queries behind a group.
        """
        table = data.table
        rated = np.flatnonzero(table.rated)
        task, parts = table.task[rated], []
        # 1. By task first, for a query without a text is known by its task alone; what too few people share joins the
        #    queries without one.
        rest = rated[task < 0]
        for code in np.unique(task[task >= 0]).tolist():
            own = rated[task == code]
            if _is_shared(data, own, least):
                parts += [(code, group) for group in _halved(data, own, least)]
            else:
                rest = np.concatenate([rest, own])
        if _is_shared(data, rest, least):
            parts += [(-1, group) for group in _halved(data, np.sort(rest), least)]
        names = [f"shared queries {number}" for number in range(1, len(parts) + 1)]
        vectors = [_mean(data, group) for _, group in parts]
        # 2. Rounds in the order of what they say, for that of their times would tell whose they were.
        told = [
            one
            for name, (code, group) in zip(names, parts, strict=True)
            for one in sorted(_rounds(data, name, code, group), key=repr)
        ]
        rounds = [_numbered(one, number) for number, one in enumerate(told, start=1)]
        width = data.vectors.shape[1]
        return cls(
            rounds, names, np.stack(vectors) if vectors else np.zeros((0, width), np.float32), len(rated) - len(told)
        )


def _is_shared(data: Dataset, rounds: np.ndarray, least: int) -> bool:
    """Tell whether enough people stand behind (N,) rounds, and enough different queries."""
    table = data.table
    return min(len(np.unique(table.user[rounds])), len(np.unique(table.query[rounds]))) >= least


def _halved(data: Dataset, rounds: np.ndarray, least: int) -> Iterator[np.ndarray]:
    """Yield groups of rounds on like queries: halves along the main axis of their vectors, while both are shared."""
    waiting = [rounds]
    while waiting:
        part = waiting.pop()
        vectors = np.asarray(data.vectors[data.table.query[part]], float)
        centre, _, axis = principal_axes(vectors, 1)
        # Equal queries lie at one place, so that they stay together.
        along = np.round((vectors - centre) @ axis[:, 0], 9)
        near = along <= np.median(along)
        halves = part[near], part[~near]
        if all(_is_shared(data, half, least) for half in halves):
            waiting += halves
        else:
            yield part


def _mean(data: Dataset, rounds: np.ndarray) -> np.ndarray:
    """Return the (D,) unit-length mean of the vectors of the different queries of some rounds."""
    mean = np.asarray(data.vectors[np.unique(data.table.query[rounds])], float).mean(axis=0)
    return (mean / max(float(np.linalg.norm(mean)), 1e-12)).astype(np.float32)


def _rounds(data: Dataset, query: str, task: int, rounds: np.ndarray) -> Iterator[Comparison]:
    """Yield rounds on a group: models, ratings, signals and what such answers cost on average; no text, no time."""
    table = data.table
    part = table.select(rounds)
    known = ~np.isnan(part.cost)
    total = np.bincount(part.model[known], part.cost[known], len(table.models))
    mean = total / np.maximum(np.bincount(part.model[known], minlength=len(table.models)), 1)
    for at in range(len(part)):
        candidates = tuple(
            Candidate(
                table.models[part.model[row]],
                rating=None if np.isnan(part.rating[row]) else float(part.rating[row]),
                cost=float(mean[part.model[row]]) if known[row] else None,
                signal=SIGNALS[part.signal[row]] if part.signal[row] >= 0 else None,
            )
            for row in range(part.start[at], part.start[at + 1])
        )
        yield Comparison(NOBODY, NOBODY, 0, query, candidates, query, table.tasks[task] if task >= 0 else None)


def _numbered(one: Comparison, number: int) -> Comparison:
    """Return a round of somebody, and of a conversation, that no other round is of."""
    name = f"{NOBODY}{number}"
    return Comparison(name, name, 0, one.query, one.candidates, one.question, one.task)
