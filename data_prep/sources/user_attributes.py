"""Keep what a survey says of users as a file of the data folder; no router reads it."""

from __future__ import annotations

import json
from collections.abc import Set
from pathlib import Path
from typing import Any

from data_prep.read.cells import label
from data_prep.read.file_formats import read_rows
from data_prep.read.row import Rejected


def attributes_text(path: Path, key: str, users: Set[str], rejected: list[Rejected]) -> str:
    """Return JSON of user -> {column: value} of the users of a table.

    Args:
        path: The survey, one row a user.
        key: Its column of the user's name.
        users: The users of the table; others are left out.
        rejected: Receives rows that cannot be read.
    """
    found: dict[str, dict[str, Any]] = {}
    for line, row in read_rows(path, rejected):
        user = label(row.get(key), key)
        if user is None:
            rejected.append(Rejected(path.name, line, f"{key} is empty; expected text"))
        elif user in users:
            found[user] = {name: value for name, value in row.items() if name != key and value is not None}
    # Dates of a Parquet file become text; everything else is JSON already.
    return json.dumps(found, ensure_ascii=False, indent=1, default=str, sort_keys=True) + "\n"
