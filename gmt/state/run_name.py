"""Find the name under which a run's state is kept, for folders with a manifest and for older ones."""

from __future__ import annotations

import uuid
from pathlib import Path

from sqlalchemy import inspect, select

from gmt.manifest import MANIFEST, read_manifest, seal
from gmt.state.database_tables import runs
from gmt.state.engine import FILE, connect, database_url, one_line_errors


def run_name(folder: Path, url: str | None) -> str:
    """Return the name of a run.

    A `state.db` in the folder belongs to the run whatever else is there, so the one name in it stands. Where the
    state is elsewhere, the folder's manifest must name the run, and is written where an older gmt wrote none.

    Args:
        folder: The run.
        url: Of the database, where it is not `state.db` in the folder.

    Raises:
        RunError: The database or the manifest cannot be read.
    """
    named = read_manifest(folder).run if (folder / MANIFEST).is_file() else None
    if url is not None:
        return named or seal(folder).run
    kept = _names_in(folder) if (folder / FILE).is_file() else []
    if len(kept) == 1 or (kept and named is None):
        return kept[0]
    return named or str(uuid.uuid4())


def _names_in(folder: Path) -> list[str]:
    """Return the names of the runs in a folder's own database, the oldest first."""
    url = database_url(folder, None)
    engine = connect(url)
    try:
        with one_line_errors(url), engine.connect() as connection:
            if not inspect(connection).has_table("runs"):
                return []
            return list(connection.execute(select(runs.c.uuid).order_by(runs.c.id)).scalars())
    finally:
        engine.dispose()
