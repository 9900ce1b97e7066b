"""Say who judged: a person where the row names one, else a sitting, and warn of what a sitting is not."""

from __future__ import annotations

from collections.abc import Sequence

from data_prep.read.cells import label
from data_prep.read.grouped_rows import GroupedRows
from data_prep.read.row import Row
from gmt.errors import DataError

SITTING, UNNAMED = "sitting ", "unnamed "
"""What the name of a user begins with who stands for a sitting, or for one row that names nobody."""


def judge_of(row: Row, people: Sequence[str], sittings: Sequence[str], id: str | None) -> str:
    """Return the name of the user of a row.

    Args:
        row: The row.
        people: Fields that name a person, the best first.
        sittings: Fields that name a sitting.
        id: Name of the row itself, which stands for somebody who is not named at all.

    Raises:
        DataError: A field names nobody in this row, or there is no id to fall back on.
    """
    for name in people:
        if (found := label(row.get(name), name)) is not None:
            return found
    for name in sittings:
        if (found := label(row.get(name), name)) is not None:
            return SITTING + found
    # A set that has the column names its people there; a gap in it is a fault of the row, not of the set.
    gap = next((name for name in (*people, *sittings) if name in row), None)
    if gap is not None or id is None:
        raise DataError(f"{gap or people[0]} is empty; expected text")
    return UNNAMED + id


def notes_on_sittings(grouped: GroupedRows) -> list[str]:
    """Return warnings on users who are no people; none where all are."""
    users = grouped.names["user"]
    sittings, unnamed = (sum(name.startswith(start) for name in users) for start in (SITTING, UNNAMED))
    notes = []
    if sittings:
        notes.append(
            f"{sittings:,} of {len(users):,} users are sittings and no people: the source names nobody, a person who "
            "came back counts as another one, and what is learned of a user is what was said in one sitting"
        )
    if unnamed:
        notes.append(
            f"{unnamed:,} rows name neither a person nor a sitting, and each counts as a user of its own: only what "
            "people have in common can be learned; split it with --protocol new-users"
        )
    return notes
