"""Count what a data folder holds and name the files it came from: the data card."""

from __future__ import annotations

import hashlib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from data_prep.read.row_files import is_hub
from data_prep.repeats import first_occurrences
from data_prep.sources.source import RawData
from gmt.data.encoders import EncoderCard
from gmt.data.feedback_counts import FeedbackCounts
from gmt.data.interactions import SPLITS, InteractionTable

ENOUGH = 10
"""Rated rounds from which a user's own taste shows in what is measured; `gmt prep` counts who has as many."""


def describe(table: InteractionTable, data: RawData, encoder: EncoderCard, input: str | Path | None) -> dict[str, Any]:
    """Return what a card says of the data themselves; the caller adds how they were prepared.

    Args:
        table: The comparisons with their split.
        data: What the source read.
        encoder: Who made the vectors.
        input: The file, folder or hub dataset that was read; None for data a source makes.
    """
    pairs, ties = _pairs(table)
    per_user = np.bincount(table.user[table.rated], minlength=len(table.users))
    first, forms = first_occurrences(table), FeedbackCounts.of(table)
    # Exact repeats stay in the table; the card counts them, so that whoever reads it knows of them.
    repeats = int((first[table.conversation] != table.conversation).sum())
    # Several comparisons may share a turn, so turns are counted by (conversation, turn).
    rounds = np.unique(np.stack([table.conversation, table.turn], axis=1), axis=0)
    return {
        "input": _name(input),
        "input_sha256": None if input is None or is_hub(input) else input_sha256(input),
        "gmt_version": _version(),
        "counts": {
            "users": len(table.users),
            "models": len(table.models),
            "comparisons": len(table),
            "pairs": pairs,
            "ties": ties,
            "lone_ratings": forms.lone,
            "remarks": forms.remarks,
            "signals": forms.signals,
            "conversations": len(table.conversations),
            "turns": len(rounds),
            "questions": len(table.questions),
            "rated": int(table.rated.sum()),
            "users_with_enough": int((per_user >= ENOUGH).sum()),
        },
        "splits": {
            name: {
                "comparisons": int((table.split == code).sum()),
                "rated": int((table.rated & (table.split == code)).sum()),
                "users": len(np.unique(table.user[table.split == code])),
                "conversations": len(np.unique(table.conversation[table.split == code])),
            }
            for code, name in enumerate(SPLITS)
        },
        # Of pairs that are rated; a table without one has no ties to speak of.
        "tie_rate": ties / (pairs + ties) if pairs + ties else 0.0,
        "rating_scale": data.rating_scale,
        "encoder": {"id": encoder.id, "revision": encoder.revision, "width": encoder.width},
        "bad_rows": len(data.rejected),
        "repeats": repeats,
    }


def _name(input: str | Path | None) -> str | None:
    """Name the input without the folders it happens to lie in."""
    if input is None or is_hub(input):
        return None if input is None else str(input)
    # Resolved, so that "." has a name.
    return Path(input).resolve().name


def _pairs(table: InteractionTable) -> tuple[int, int]:
    """Count the rated pairs of candidates of one comparison: (different ratings, equal ratings)."""
    ratings = ratings_of(table)
    different = equal = 0
    for a in range(ratings.shape[1]):
        for b in range(a + 1, ratings.shape[1]):
            gap = ratings[:, a] - ratings[:, b]
            # NaN is neither zero nor above it, so pairs with an unrated side fall out of both counts.
            equal += int((gap == 0).sum())
            different += int((np.abs(gap) > 0).sum())
    return different, equal


def ratings_of(table: InteractionTable) -> np.ndarray:
    """Return (C, K) the ratings of every comparison, NaN where there is none; K is 0 in a table without one."""
    ratings = table.ratings
    return ratings if ratings.ndim == 2 else np.zeros((len(table), 0))


def _version() -> str:
    for name in ("gmt-router", "gmt"):
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    return "unknown"


def input_sha256(input: str | Path) -> str:
    """Return the SHA-256 of a file, or of the names and sums of a folder's files."""
    path = Path(input)
    if path.is_file():
        return file_sha256(path)
    sums = [
        # Names count too, for a source may read from its name what a file is, e.g. the test set.
        f"{file.relative_to(path).as_posix()} {file_sha256(file)}"
        for file in sorted(path.rglob("*"))
        if file.is_file()
    ]
    return hashlib.sha256("\n".join(sums).encode()).hexdigest()


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
