"""Put rows into comparisons: say which form one, and which contradict the one they name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from data_prep.read.blocks import MergedRows
from data_prep.read.grouped_rows import GroupedRows
from data_prep.read.row import Rejected

ALIKE = ("query", "conversation", "turn", "split")  # what rows that name one comparison must agree on


def group_rows(
    merged: MergedRows,
    same_query: bool,
    renumber: bool,
    rejected: list[Rejected],
    text_id: Callable[[str], str],
    once: bool = False,
) -> GroupedRows:
    """Put rows into comparisons and conversations.

    A vote is a comparison. Rated answers with the same `comparison`, or with the same
    conversation, turn and query, form one; a repeated model starts the next. Names of
    conversations that several users share are told apart by the user.

    Args:
        merged: The rows.
        same_query: Join rated answers of one user to one query where no conversation is named.
        renumber: Turns of a conversation are known by their order only; count them from 0.
        rejected: Receives rows that contradict the comparison they name.
        text_id: As in `GroupedRows`.
        once: As in `Grouping`.
    """
    row = merged.row
    ratings = merged.candidate["rating"] if once else None
    groups = RowGroups(row, merged.candidate["model"], merged.names, same_query, ratings)
    head = groups.heads(rejected)
    firsts = np.unique(head[head >= 0])
    kept = np.flatnonzero(head >= 0)
    order = kept[np.argsort(head[kept], kind="stable")]  # the rows of a comparison, side by side
    sizes = row["count"][order]
    # Where the candidates of these rows stand: each row's run, behind that of the row before.
    within = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    at = np.repeat(groups.begin[order], sizes) + within
    shown = np.bincount(np.searchsorted(firsts, head[order]), sizes, len(firsts))
    return GroupedRows(
        merged.names,
        {name: values[firsts] for name, values in row.items()},
        {name: values[at] for name, values in merged.candidate.items()},
        np.concatenate([[0], np.cumsum(shown)]).astype(np.int64),
        renumber,
        len(kept),
        text_id,
    )


@dataclass(frozen=True, eq=False)
class RowGroups:
    """Find the comparisons among N rows held as numbers.

    Args:
        row: Column -> (N,) codes and numbers of the rows, -1 where nothing is stated.
        model: (R,) models of their candidates, in turn.
        names: Kind -> the names that codes point to.
        same_query: Whether rated answers of one user to one query belong together where no conversation is named.
        rating: (R,) ratings of the candidates, where rows that repeat what a named comparison holds are passed over.
    """

    row: Mapping[str, np.ndarray]
    model: np.ndarray
    names: Mapping[str, tuple[str, ...]]
    same_query: bool
    rating: np.ndarray | None = None

    def heads(self, rejected: list[Rejected]) -> np.ndarray:
        """Return (N,) the first row of the comparison each row belongs to, -1 for a row that contradicts it.

        Args:
            rejected: Receives the rows that contradict.
        """
        row, own = self.row, np.arange(len(self.row["user"]))
        alone = ~self.named & ((row["count"] > 1) | ((row["conversation"] < 0) & (not self.same_query)))
        # Plain votes, the usual log: no sort of all rows is needed.
        if alone.all():
            return own
        zero = np.zeros(len(own), np.int64)
        turned = ~self.named & (row["conversation"] >= 0)
        # The first column tells the kinds of key apart, so that codes of different vocabularies cannot meet.
        key = np.stack(
            [
                np.where(self.named, 0, np.where(turned, 1, 2)),
                row["user"],
                np.where(self.named, row["comparison"], row["query"]),
                np.where(turned, row["conversation"], zero),
                np.where(turned, row["turn"], zero),
            ],
            axis=1,
        )
        # A row that stands alone is its own key.
        key[alone] = np.stack([zero + 3, own, zero, zero, zero], axis=1)[alone]
        _, first, group = np.unique(key, axis=0, return_index=True, return_inverse=True)
        head = first[group.reshape(-1)]
        for rows in self._groups_in_doubt(head):
            self._split_group(rows, head, rejected)
        return head

    @cached_property
    def named(self) -> np.ndarray:
        """(N,) whether a row names its comparison."""
        return self.row["comparison"] >= 0

    @cached_property
    def begin(self) -> np.ndarray:
        """(N + 1,) where the candidates of each row stand."""
        return np.concatenate([[0], np.cumsum(self.row["count"])]).astype(np.int64)

    def _groups_in_doubt(self, head: np.ndarray) -> list[np.ndarray]:
        """Return the rows of every group in which a model stands twice or a row differs from the first."""
        # Comparison and model as one integer, so that one sort finds each model that stands twice.
        models = int(self.model.max(initial=0)) + 1
        cells, count = np.unique(np.repeat(head, self.row["count"]) * models + self.model, return_counts=True)
        differs = np.stack([self.row[name] != self.row[name][head] for name in ALIKE]).any(axis=0)
        bad = np.union1d(cells[count > 1] // models, head[differs & self.named])
        # Only groups in doubt are walked in Python; in a clean log there are none.
        rows = np.flatnonzero(np.isin(head, bad))
        rows = rows[np.argsort(head[rows], kind="stable")]
        return np.split(rows, np.flatnonzero(np.diff(head[rows])) + 1) if len(rows) else []

    def _split_group(self, rows: np.ndarray, head: np.ndarray, rejected: list[Rejected]) -> None:
        """Go through one group in doubt row by row: a named comparison rejects, others begin the next."""
        first, seen, said = int(rows[0]), set[int](), set[tuple[int, float]]()
        named = self.named[first]
        for at in rows.tolist():
            theirs = set(self.model[self.begin[at] : self.begin[at + 1]].tolist())
            words = self._ratings_of(at)
            # Said before, to the rating: there is nothing to add and nothing to blame.
            if named and words and words <= said:
                head[at] = -1
                continue
            problem = self._contradiction(at, first, seen & theirs) if named and at != first else None
            # A row that contradicts a name the file itself gives is a fault; without a name it is only the next
            # comparison.
            if problem:
                file = self.names["file"][self.row["file"][at]]
                rejected.append(Rejected(file, int(self.row["line"][at]), problem))
                head[at] = -1
                continue
            if not named and seen & theirs:
                first, seen = at, set()
            head[at] = first
            seen |= theirs
            said |= words

    def _ratings_of(self, at: int) -> set[tuple[int, float]]:
        """Return (model, rating) of a row's candidates; nothing where repeats are not passed over."""
        if self.rating is None:
            return set()
        low, high = self.begin[at], self.begin[at + 1]
        return set(zip(self.model[low:high].tolist(), self.rating[low:high].tolist(), strict=True))

    def _contradiction(self, at: int, first: int, twice: set[int]) -> str | None:
        comparison = self.names["comparison"][self.row["comparison"][at]]
        for name in ALIKE:
            if self.row[name][at] != self.row[name][first]:
                line = self.row["line"][first]
                return f"{name} differs from that of comparison {comparison} on line {line}; expected the same"
        if twice:
            model = min(self.names["model"][code] for code in twice)
            return f"{model} stands twice in comparison {comparison}; expected each model once"
        return None
