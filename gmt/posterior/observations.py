"""Read everything that users said in a table as observations of one answer, or of one against another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gmt.data.growing_rows import Vectors
from gmt.data.interactions import InteractionTable
from gmt.posterior.weak_feedback import WeakFeedback
from gmt.routing.pairwise import lone_rows, votes_of

VOTE, GAP, LONE, WEAK = range(4)
"""Kinds of observations: who won; by how much; a rating of one answer alone; words or a signal without a rating."""


@dataclass(frozen=True, eq=False)
class Observations:
    """Hold V observations.

    Args:
        comparison: (V,) positions in the table.
        row_a, row_b: (V,) rows of the table; row_b is -1 where one answer alone was judged.
        kind: (V,) one of VOTE, GAP, LONE and WEAK.
        value: (V,) 1, ½ or 0 of a vote; rating of a less that of b; the rating; 1 for glad and 0 for not.
        weight: (V,) how much each counts.
    """

    comparison: np.ndarray
    row_a: np.ndarray
    row_b: np.ndarray
    kind: np.ndarray
    value: np.ndarray
    weight: np.ndarray

    def __len__(self) -> int:
        return len(self.kind)


def observations_of(
    table: InteractionTable, weak: WeakFeedback | None = None, vectors: Vectors | None = None, gaps: bool | None = None
) -> Observations:
    """Read a table.

    Rated answers of one comparison are pairs, each of which counts 2 / K of K answers (Azari Soufiani et al. 2013: the
    full breaking of a ranking, under which the pairs together weigh as its K - 1 choices do). Where ratings lie
    differently far apart, and are no places of a ranking, a pair says by how much. An answer rated alone is an
    observation with no second answer. Where nothing was rated, words and signals are read as `WeakFeedback` says.

    Args:
        table: What was said.
        weak: What reads words and signals; without it they are not read.
        vectors: (T, D) vectors of the table's texts, where `weak` is given.
        gaps: Whether to keep how far apart ratings are; None: where they differ, as `has_distances` says.
    """
    votes, rows = votes_of(table), lone_rows(table)
    far = has_distances(table) if gaps is None else gaps
    parts = [
        (votes.comparison, votes.row_a, votes.row_b, GAP if far else VOTE, votes.gap if far else votes.y, votes.weight),
        (table.row_comparison[rows], rows, np.full(len(rows), -1), LONE, table.rating[rows], np.ones(len(rows))),
    ]
    if weak is not None and vectors is not None:
        said, glad, weight = weak.read(table, vectors)
        parts.append((table.row_comparison[said], said, np.full(len(said), -1), WEAK, glad, weight))
    columns = []
    for column in zip(*parts, strict=True):
        sizes = [len(part[0]) for part in parts]
        columns.append(np.concatenate([np.broadcast_to(one, size) for one, size in zip(column, sizes, strict=True)]))
    return Observations(*columns)


def as_votes(y: np.ndarray) -> Observations:
    """Return (V,) outcomes between two answers as observations of no table."""
    none = np.full(len(y), -1)
    return Observations(none, none, none, np.full(len(y), VOTE), np.asarray(y, float), np.ones(len(y)))


def has_distances(table: InteractionTable) -> bool:
    """Tell whether ratings of one comparison say how far apart answers are.

    They do not where all differences are of one size, as those of votes, nor where they are places of a ranking: every
    rating is then the share of the other answers that its own is above, equal ones counting half.
    """
    votes = votes_of(table)
    sizes = np.unique(np.round(np.abs(votes.gap), 6))
    if (sizes > 0).sum() < 2:
        return False
    ratings, count = table.ratings, (~np.isnan(table.ratings)).sum(axis=1)
    for several in np.unique(count[count > 1]).tolist():
        found = np.sort(ratings[count == several], axis=1)[:, :several]  # NaN is sorted behind
        below = (found[:, None, :] < found[:, :, None]).sum(axis=2)
        equal = (found[:, None, :] == found[:, :, None]).sum(axis=2) - 1
        if not np.allclose(found, (below + equal / 2) / (several - 1), atol=1e-6):
            return True
    return False
