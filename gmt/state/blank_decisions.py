"""Delete decisions of a gateway so that one who asks for a new one can tell: it is gone, and not still to come."""

from __future__ import annotations

import time

from sqlalchemy import ColumnElement, Connection, delete, update

from gmt.state.database_tables import decisions

NOBODY = ""
"""The owner of what was asked without a name."""
YOUNG = 60.0
"""Seconds for which the number of a deleted decision stays, longer than anybody waits for one to be written."""


def delete_decisions(connection: Connection, mine: ColumnElement[bool]) -> None:
    """Delete decisions; of those made a moment ago the number and the time stay, until decisions of that age go.

    Another process may be asked for one that its maker has not written yet. Without a trace of those that were deleted
    it would wait for what never comes. A number is drawn by chance and says nothing of anybody.

    Args:
        connection: Inside a transaction that writes.
        mine: Which.
    """
    young = decisions.c.created > time.time() - YOUNG
    connection.execute(delete(decisions).where(mine, ~young))
    blank = {"owner": NOBODY, "conversation": "", "payload": "{}"}
    connection.execute(update(decisions).where(mine).values(blank))
