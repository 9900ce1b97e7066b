"""Read rows with the table's own column names: what the simulators write and what histories are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from data_prep.read.cells import number, scale_text
from data_prep.read.file_formats import read_json
from data_prep.read.grouped_rows import GroupedRows
from data_prep.read.labels import read_labels, refuse_unexplained
from data_prep.read.parsing import parse_rows
from data_prep.read.rated_input import group_rated, read_rated
from data_prep.read.row import in_file_order
from data_prep.read.row_files import is_hub, refuse_missing_fields
from data_prep.sources.json_rows import parse_row
from data_prep.sources.source import RawData, SourceOptions
from gmt.data.comparisons import Candidate, Comparison
from gmt.errors import DataError
from gmt.files_together import finish_together

MEANT = "user, query and either model, rating or model_a, model_b, winner"


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
        options: Only `rating_scale` and `labels` are used.
    """
    if input is not None and not is_hub(input):
        finish_together(Path(input))  # where a simulation was killed as it put its files in their places
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


def read_history(path: str | Path, user: str | None = None, options: SourceOptions | None = None) -> RawData:
    """Read a user's history in the same form.

    Args:
        path: A JSONL file.
        user: Whose history it is, for rows that name no user; rows of anybody else are rejected.
        options: As of `read`, from callers whose user can be asked for them.
    """
    return _read(path, user, options or SourceOptions(), scalable=options is not None)


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
    labels = read_labels(options.labels)
    parse = partial(parse_row, user=user, scale=options.rating_scale, scalable=scalable, labels=labels)
    found = read_rated(input, parse, options.mapper)
    if not found.grouped.rows and found.rejected:
        refuse_missing_fields(input, ("query",) if user else ("user", "query"), MEANT)
    if scalable:
        understood = bool((np.abs(found.grouped.candidate["rating"] - 0.5) > 0).any())
        refuse_unexplained([(str(row), row.reason) for row in found.rejected], understood)
    splits, notes = _stated_splits(found.grouped.splits), _parted_rankings(found.grouped)
    return RawData.of_input(found, scale_text(options.rating_scale), splits=splits, notes=notes)


def _parted_rankings(grouped: GroupedRows) -> list[str]:
    """Say how many rated answers stand alone though the same user rated other models on the same query."""
    first, shown = grouped.first, grouped.candidate
    alone = np.flatnonzero((np.diff(grouped.start) == 1) & (first["comparison"] < 0) & (first["conversation"] < 0))
    model = shown["model"][grouped.start[alone]]
    # Sets of models, for the same model rated twice is no ranking.
    asked: Counter[tuple[int, int]] = Counter()
    for user, query, _ in {*zip(first["user"][alone], first["query"][alone], model, strict=True)}:
        asked[user, query] += 1
    parted = sum(count for count in asked.values() if count > 1)
    if not parted:
        return []
    return [
        f"{parted:,} rated answers stand alone though their user rated other models on the same query; if they were "
        "judged together, give the rows of each question one value of comparison, or read them with gmt prep votes"
    ]


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
