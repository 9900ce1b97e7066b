"""Read any table of pairwise votes or of ratings, its columns named on the command line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from data_prep.read.cells import (
    OptionMissing,
    answer,
    label,
    needed,
    number,
    scale_text,
    scaled,
    shown,
    text,
    timestamp,
    whole,
)
from data_prep.read.columns import Columns
from data_prep.read.joins import Column
from data_prep.read.rated_input import Grouping, RatedInput, read_rated
from data_prep.read.row import RatedRow, Rejected, Row, vote
from data_prep.read.row_files import HUB, is_hub, read_input
from data_prep.sources.source import RawData, SourceOptions
from gmt.data.comparisons import Candidate
from gmt.errors import DataError

# The words of the arena's files, and in `RATINGS` what each of them says of a, of b, and in words.
LABELS = ("model_a", "model_b", "tie", "tie (bothbad)")
RATINGS = ((1.0, 0.0, None), (0.0, 1.0, None), (0.5, 0.5, None), (0.5, 0.5, "both bad"))
PAIR = ("user", "query", "winner", "model_a", "model_b")
SINGLE = ("user", "query", "model", "rating")
OPTIONAL = ("question", "conversation", "turn", "task", "timestamp", "feedback")
SINGLE_ONLY = ("cost", "response")
LABELS_HINT = ", or name your own words with --labels A,B,TIE"
MOST_ORDER = 2**53
"""Turns are known by their order only, so they may be times; beyond this, numbers next to one another look alike."""
SIDES = {"response_a": "model_a", "response_b": "model_b"}


def read(input: str | Path | None, options: SourceOptions) -> RawData:
    """Read votes (`winner, model_a, model_b`) or ratings (`model, rating`).

    A vote is one row and, unless `conversation` names a column, one conversation. Rated answers of
    one user to one query form a comparison until a model repeats; with `conversation`, those of the
    same turn. There, an empty winner or rating leaves the round unrated; elsewhere the row is bad.

    Raises:
        DataError: An option is missing, a column is unknown, a join matches nothing, or ratings
            outside 0..1 came without their scale.
    """
    wanted = _wanted(options)
    # Shared with the joins: their bad rows are reported with those of the input itself.
    rejected: list[Rejected] = []
    reader = _RowReader(_columns(input, wanted, options, rejected), options)
    single = "rating" in wanted
    parse = reader.single if single else reader.pair
    # Turns of any log may be times or ids; only their order is taken.
    grouping = Grouping(same_query=single, renumber=True)
    found = read_rated(input, parse, options.mapper, grouping, rejected)
    if not single:
        _refuse_unknown_labels(found)
    scale = scale_text(options.rating_scale) if single else "winner of a pair: 1 and 0, tie 0.5"
    return RawData(
        grouped=found.grouped, rejected=found.rejected, rows=found.grouped.rows, rating_scale=scale,
        distant=found.distant,
    )  # fmt: skip


def _refuse_unknown_labels(found: RatedInput) -> None:
    """Refuse an input of which no vote names a winner for want of --labels: the rest would be its ties.

    Raises:
        DataError: It is such an input.
    """
    # A rating off 0.5 shows that some vote was understood; then the bad rows are faults of their own.
    unknown = next((row for row in found.rejected if row.reason.endswith(LABELS_HINT)), None)
    ratings = found.grouped.candidate["rating"]
    if unknown is not None and not (np.abs(ratings - 0.5) > 0).any():
        raise DataError(f"{unknown}; no row names a winner in these words")


def _columns(
    input: str | Path | None, wanted: dict[str, str], options: SourceOptions, rejected: list[Rejected]
) -> dict[str, Column]:
    """Return role -> where its column stands."""
    # A hub dataset has no folder, so joined files are looked for here.
    path = Path(str(input).removeprefix(HUB).replace("/", "_") if is_hub(input) or input is None else input)
    unread: list[Rejected] = []
    columns = Columns(path, lambda: (row for _, _, row in read_input(input, unread)), options.join, rejected, unread)
    found = {
        role: columns.find(name, near=getattr(options, SIDES[role]) if role in SIDES else None)
        for role, name in wanted.items()
    }
    # Before reading: keys that never match would make every row of a large file bad, one by one.
    for join in columns.joins:
        rows = columns.rows()
        first = next(rows, None)
        if first is not None and not join.match(first) and not any(join.match(row) for row in rows):
            raise DataError(f"{join.missing(first)}, nor for any other row; check the keys of --join")
    return found


def _wanted(options: SourceOptions) -> dict[str, str]:
    """Return role -> column name of every column the options name."""
    # A rating column beside a winner is refused below: a row is a vote or a rated answer, not both.
    single = options.rating is not None and options.winner is None
    needs = SINGLE if single else PAIR
    flags = " ".join("--" + name.replace("_", "-") for name in needs if getattr(options, name) is None)
    if flags:
        raise DataError(
            f"votes needs {flags}; votes take --user --winner --model-a --model-b --query, "
            "ratings --user --model --rating --query"
        )
    own = SINGLE_ONLY if single else tuple(SIDES)
    others = ("labels", "model_a", "model_b", *SIDES) if single else ("model", "rating", "rating_scale", *SINGLE_ONLY)
    unread = [name for name in others if getattr(options, name) is not None]
    if unread:
        flags = " ".join("--" + name.replace("_", "-") for name in unread)
        raise DataError(f"{flags} is not read beside --{'rating' if single else 'winner'}; leave it out")
    roles = (*needs, *OPTIONAL, *own)
    return {role: getattr(options, role) for role in roles if getattr(options, role) is not None}


@dataclass(frozen=True)
class _RowReader:
    """Read single rows by the columns found for each role."""

    columns: dict[str, Column]
    options: SourceOptions

    def cell(self, row: Row, role: str) -> Any:
        column = self.columns.get(role)
        return None if column is None else column.value(row)

    def name_of(self, role: str) -> str:
        return self.columns[role].name if role in self.columns else role

    def must(self, row: Row, role: str, kind: Callable[[Any, str], str | None] = label) -> str:
        found = kind(self.cell(row, role), self.name_of(role))
        join = self.columns[role].join
        # A cell of a joined file may be missing because its row is; that has another repair.
        if found is None and join is not None and join.match(row) is None:
            raise DataError(f"{self.name_of(role)} is missing: {join.missing(row)}")
        return needed(found, self.name_of(role))

    def shared(self, file: str, line: int, row: Row, candidates: list[Candidate]) -> list[RatedRow]:
        found = RatedRow(
            file,
            line,
            self.must(row, "user"),
            self.must(row, "query", text),
            candidates,
            self.must(row, "conversation") if "conversation" in self.columns else None,
            whole(self.cell(row, "turn"), self.name_of("turn"), MOST_ORDER),
            None,
            label(self.cell(row, "question"), self.name_of("question")),
            label(self.cell(row, "task"), self.name_of("task")),
            timestamp(self.cell(row, "timestamp"), self.name_of("timestamp")),
        )
        return [found]

    def pair(self, file: str, line: int, row: Row) -> list[RatedRow]:
        a, b = self.must(row, "model_a"), self.must(row, "model_b")
        responses = (
            answer(self.cell(row, "response_a"), self.name_of("response_a")),
            answer(self.cell(row, "response_b"), self.name_of("response_b")),
        )
        verdict = self.verdict(label(self.cell(row, "winner"), self.name_of("winner")), a, b)
        said = text(self.cell(row, "feedback"), self.name_of("feedback"))
        if verdict is None:
            return self.shared(file, line, row, vote((a, b), responses, None, said))
        return self.shared(file, line, row, vote((a, b), responses, verdict[:2], said or verdict[2]))

    def verdict(self, winner: str | None, a: str, b: str) -> tuple[float, float, str | None] | None:
        labels = self.options.labels or LABELS
        # Only within a conversation is an unjudged round worth keeping: later queries show it as text.
        if winner is None and "conversation" in self.columns:
            return None
        by_label = RATINGS[labels.index(winner)] if winner in labels else None
        # Many logs write the winner's name instead of a side.
        by_name = RATINGS[0 if winner == a else 1] if winner in (a, b) and a != b else None
        # A model called "model_b" that was shown as a: either reading would be a guess.
        if by_label and by_name and by_label != by_name:
            raise OptionMissing(
                f"{self.name_of('winner')} is {winner!r}, which is a label and the name of a model on the other side; "
                "rename the model, or write other words for the sides and name them with --labels"
            )
        found = by_label or by_name
        if found is not None:
            return found
        expected = ", ".join(labels[:3] if self.options.labels is None else labels)
        # `_refuse_unknown_labels` finds these rows by this ending.
        hint = "" if winner is None or self.options.labels is not None else LABELS_HINT
        raise DataError(f"{self.name_of('winner')} is {shown(winner or '')}; expected one of {expected}{hint}")

    def single(self, file: str, line: int, row: Row) -> list[RatedRow]:
        rating = scaled(self.cell(row, "rating"), self.name_of("rating"), self.options.rating_scale)
        if rating is None and "conversation" not in self.columns:
            low, high = self.options.rating_scale or (0, 1)
            raise DataError(f"{self.name_of('rating')} is empty; expected a number from {low:g} to {high:g}")
        candidate = Candidate(
            self.must(row, "model"),
            answer(self.cell(row, "response"), self.name_of("response")),
            rating,
            text(self.cell(row, "feedback"), self.name_of("feedback")),
            number(self.cell(row, "cost"), self.name_of("cost")),
        )
        return self.shared(file, line, row, [candidate])
