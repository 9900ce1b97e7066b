"""Name the weak signals that a log may hold beside or in place of a rating."""

from __future__ import annotations

from gmt.errors import DataError

SIGNALS = ("copied", "shared", "regenerated", "edited", "abandoned")
"""What users do with an answer: copy it, share it, ask for another one, correct it, or leave."""


def signal_code(name: str | None) -> int:
    """Return the place of a signal among `SIGNALS`, -1 for none.

    Raises:
        DataError: There is no such signal.
    """
    if name is None:
        return -1
    if name not in SIGNALS:
        raise DataError(f"signal is {name!r}; expected one of {', '.join(SIGNALS)}")
    return SIGNALS.index(name)
