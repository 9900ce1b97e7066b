"""Read rows with the table's own column names: what the simulators write and what histories are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from data_prep.read.cells import ScaleUnknown, answer, label, needed, number, scale_text, scaled, text, timestamp, whole
from data_prep.read.file_formats import read_json
from data_prep.read.parsing import parse_rows
from data_prep.read.rated_input import group_rated, read_rated
from data_prep.read.row import RatedRow, Row, in_file_order, vote
from data_prep.read.row_files import is_hub
from data_prep.sources.source import RawData, SourceOptions
from gmt.data.comparisons import Candidate, Comparison, winner_ratings
from gmt.data.interactions import SPLITS
from gmt.data.signals import signal_code
from gmt.errors import DataError

PAIR = ("winner", "model_a", "model_b")


def read(input: str | Path | None, options: SourceOptions) -> RawData:
    """Read one object a line: `user, query` and either `model, rating` or `model_a, model_b, winner`.

    `comparison`, `conversation` and `turn` group the rows; a row without them is a conversation
    of its own. `question, task, response (response_a, response_b), feedback, signal, cost (cost_a,
    cost_b), timestamp` are read where they stand. A rating that is null leaves the round unrated. Where all
    rows state a `split` (train, valid, test), `gmt prep` keeps it unless `--protocol` says otherwise.

    Beside `rows.jsonl`, `rows.card.json` may hold `rating_scale`, the numbers [low, high] that the
    ratings, already in [0, 1], stand for.

    Args:
        input: A JSONL file or a folder of them; the other table formats are read too.
        options: Only `rating_scale` is used.
    """
    data = _read(input, None, options, scalable=True)
    # Simulators scale to [0, 1] themselves; their card keeps what the numbers were, for the data card.
    stated = None if input is None or is_hub(input) else Path(input).with_name(f"{Path(input).stem}.card.json")
    if options.rating_scale is None and stated is not None and stated.is_file():
        data.rating_scale = scale_text(_stated_scale(stated))
    return data


def _stated_scale(path: Path) -> tuple[float, float] | None:
    """Read which numbers the ratings stand for.

    Raises:
        DataError: The file is no such card.
    """
    found = read_json(path)
    scale = found.get("rating_scale") if isinstance(found, dict) else None
    if scale is None:
        return None
    if not isinstance(scale, list) or len(scale) != 2:
        raise DataError(f"{path}: rating_scale is {scale!r}; expected [LO, HI], e.g. [-1, 1]")
    low, high = (number(end, "rating_scale") for end in scale)
    return None if low is None or high is None else (low, high)


def read_history(path: str | Path, user: str | None = None) -> RawData:
    """Read a user's history in the same form.

    Args:
        path: A JSONL file.
        user: Whose history it is, for rows that name no user; rows of anybody else are rejected.
    """
    return _read(path, user, SourceOptions())


def read_rows(rows: Iterable[Mapping[str, Any]], user: str | None = None) -> list[Comparison]:
    """Read rows that are in memory already, e.g. votes handed over from Python.

    Raises:
        DataError: A row cannot be read; rows count from 1.
    """
    given = (("row", number, dict(row)) for number, row in enumerate(rows, start=1))
    parsed, rejected = parse_rows(given, partial(parse_row, user=user, scale=None))
    # Grouping may reject rows too, so the first bad one is known only after it.
    found = group_rated(parsed, rejected)
    if rejected:
        raise DataError(str(in_file_order(rejected)[0]))
    return found.comparisons()


def rows_of(comparisons: Iterable[Comparison]) -> Iterator[dict[str, Any]]:
    """Yield comparisons as rows that `read` understands, one per candidate, absent values left out."""
    for position, item in enumerate(comparisons):
        shared = {
            "user": item.user,
            "conversation": item.conversation,
            "turn": item.turn,
            # Position in the table: rows of one comparison find each other again, whatever their query.
            "comparison": position,
            "question": item.question,
            "task": item.task,
            "query": item.query,
            "timestamp": item.timestamp,
        }
        for candidate in item.candidates:
            row = shared | {name: getattr(candidate, name) for name in Candidate.__slots__}
            # An absent key reads as missing; a null would be a value to whoever reads the file elsewhere.
            yield {name: value for name, value in row.items() if value is not None}


def _read(input: str | Path | None, user: str | None, options: SourceOptions, scalable: bool = False) -> RawData:
    parse = partial(parse_row, user=user, scale=options.rating_scale, scalable=scalable)
    found = read_rated(input, parse, options.mapper)
    return RawData(
        grouped=found.grouped,
        rejected=found.rejected,
        rows=found.grouped.rows,
        rating_scale=scale_text(options.rating_scale),
        distant=found.distant,
        splits=_stated_splits(found.grouped.splits),
    )


def _stated_splits(splits: np.ndarray) -> np.ndarray | None:
    """Return (C,) split codes, or None where no row states one.

    Raises:
        DataError: Some rows state a split and others do not.
    """
    silent = int((splits < 0).sum())
    if silent == len(splits):
        return None
    # Rows without a split would have to be put into one by guess, and test queries might be learned from.
    if silent:
        raise DataError(f"{silent:,} of {len(splits):,} comparisons state no split; give every row one, or none")
    return splits.astype(np.int8)


def parse_row(
    file: str, line: int, row: Row, user: str | None, scale: tuple[float, float] | None, scalable: bool = False
) -> list[RatedRow]:
    """Read what one row says.

    Args:
        file, line, row: The row.
        user: Whose history it is, for a row that names no user.
        scale: Lowest and highest rating; None stands for 0 to 1.
        scalable: Whether the caller can be asked for a scale.

    Raises:
        DataError: It cannot be read.
    """
    # A history of one user may leave the name out; rows of another user would be learned as this user's.
    owner = label(row.get("user"), "user")
    if user is not None and owner not in (None, user):
        raise DataError(f"user is {owner!r}; expected {user}, whose history this is")
    found = RatedRow(
        file,
        line,
        needed(owner or user, "user"),
        needed(text(row.get("query"), "query"), "query"),
        # One key of a pair is enough, so that a vote that lacks another is named as such.
        _pair(row) if any(row.get(name) is not None for name in PAIR) else [_single(row, scale, scalable)],
        label(row.get("conversation"), "conversation"),
        whole(row.get("turn"), "turn"),
        label(row.get("comparison"), "comparison"),
        label(row.get("question"), "question"),
        label(row.get("task"), "task"),
        timestamp(row.get("timestamp")),
        _split(label(row.get("split"), "split")),
    )
    return [found]


def _split(name: str | None) -> int | None:
    if name is not None and name not in SPLITS:
        raise DataError(f"split is {name!r}; expected one of {', '.join(SPLITS)}")
    return None if name is None else SPLITS.index(name)


def _single(row: Row, scale: tuple[float, float] | None, scalable: bool) -> Candidate:
    model, response = needed(label(row.get("model"), "model"), "model"), answer(row.get("response"), "response")
    try:
        rating = scaled(row.get("rating"), "rating", scale)
    except ScaleUnknown as error:
        # Only `gmt prep` has an option for the scale; a history must fit the scale that the run was trained on.
        if scalable:
            raise
        raise DataError(str(error).split(";")[0] + "; expected a number from 0 to 1") from error
    return Candidate(
        model,
        response,
        rating,
        text(row.get("feedback"), "feedback"),
        number(row.get("cost"), "cost"),
        _signal(row),
    )


def _signal(row: Row) -> str | None:
    """Read what the user did with the answer, if the row says it.

    Raises:
        DataError: There is no such signal.
    """
    name = label(row.get("signal"), "signal")
    signal_code(name)
    return name


def _pair(row: Row) -> list[Candidate]:
    a, b = (needed(label(row.get(name), name), name) for name in ("model_a", "model_b"))
    responses = answer(row.get("response_a"), "response_a"), answer(row.get("response_b"), "response_b")
    costs = number(row.get("cost_a"), "cost_a"), number(row.get("cost_b"), "cost_b")
    winner = label(row.get("winner"), "winner")
    if winner is None:
        return vote((a, b), responses, None, text(row.get("feedback"), "feedback"), costs)
    rating_a, rating_b, feedback = winner_ratings(winner)
    return vote((a, b), responses, (rating_a, rating_b), text(row.get("feedback"), "feedback") or feedback, costs)
