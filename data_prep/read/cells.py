"""Turn single cells of a row into names, numbers, times and ratings, or say why they cannot be."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from gmt.data.comparisons import check_text
from gmt.errors import DataError

SCALARS = (str, int, float, Decimal, datetime, date, time, timedelta, UUID)
"""What a cell may be to be read as text."""
# Chat Completions call them `text`; the Responses API `input_text` and `output_text`.
TEXT_PARTS = ("text", "input_text", "output_text")
"""Kinds of content parts that chat APIs know and that are text."""
MOST_TURNS = 1_000_000_000
LATEST = 1e20  # nanoseconds since the epoch, in the year 5138; whatever is larger is no time
DIGITS = re.compile(r"(?:19|20)\d{6}(?:\d{4}(?:\d{2})?)?")  # YYYYMMDD, and with hhmm or hhmmss behind it


def answer(value: Any, name: str) -> str | None:
    """Return a model's answer as it stands; None only where it is missing, for an empty answer is one too.

    Args:
        value: A text, a number or a time; or content parts of a chat message, whose texts are joined by line breaks.
        name: Name of the column, for messages.

    Raises:
        DataError: It is something else, or the text cannot be stored as UTF-8.
    """
    if isinstance(value, list) and value and all(isinstance(part, Mapping) for part in value):
        value = "\n".join(_text_of_part(part, name) for part in value)
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # a column of ids with a gap arrives as 8.0
    if not isinstance(value, SCALARS):
        raise DataError(f"{name} is a {type(value).__name__} ({shown(value)}); expected text")
    found = value if isinstance(value, str) else str(value)
    check_text(found, name)
    return found


def _text_of_part(part: Mapping[str, Any], name: str) -> str:
    if part.get("type") not in TEXT_PARTS or not isinstance(part.get("text"), str):
        raise DataError(f"{name} holds a part of type {shown(part.get('type'))}; expected parts of type text")
    return part["text"]


def shown(value: Any) -> str:
    """Return a value as it is quoted in messages: on one line, and cut where it is long."""
    try:
        found = repr(value[:100] if isinstance(value, (str, bytes)) else value)
    except (ValueError, RecursionError):  # an integer of thousands of digits, or lists in lists in lists
        return f"a {type(value).__name__} too long to print"
    return found if len(found) <= 80 else found[:77] + "..."


def text(value: Any, name: str) -> str | None:
    """Return a cell as text; None where it is missing or blank.

    Raises:
        DataError: As `answer`.
    """
    found = answer(value, name)
    # Blank counts as missing but is not trimmed: a text that stays is what the user saw.
    return found if found is not None and found.strip() else None


def label(value: Any, name: str) -> str | None:
    """Return a cell as a name without outer blanks; None where it is missing."""
    found = text(value, name)
    return None if found is None else found.strip()


def needed(value: str | None, name: str) -> str:
    """Return a text that must be there.

    Raises:
        DataError: It is missing.
    """
    if value is None:
        raise DataError(f"{name} is empty; expected text")
    return value


def number(value: Any, name: str) -> float | None:
    """Return a cell as a finite number; None where it is missing.

    Raises:
        DataError: The cell is no finite number.
    """
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if isinstance(value, float) and math.isnan(value):
        return None  # how a column of numbers says "missing"
    try:
        found = math.nan if isinstance(value, (bytes, bytearray)) else float(value)
    except (TypeError, ValueError, OverflowError):
        found = math.nan
    if not math.isfinite(found):
        raise DataError(f"{name} is {shown(value)}; expected a number")
    return found


def whole(value: Any, name: str, most: int = MOST_TURNS) -> int | None:
    """Return a cell as a whole number from 0 to `most`; None where it is missing.

    Raises:
        DataError: The cell is negative, too large or has a fraction.
    """
    found = number(value, name)
    if found is None:
        return None
    if not 0 <= found <= most or found != int(found):
        raise DataError(f"{name} is {shown(value)}; expected a whole number from 0 to {most:,}")
    return int(found)


def scaled(value: Any, name: str, scale: tuple[float, float] | None) -> float | None:
    """Return a rating in [0, 1], scaled by the stated scale (worst, best); None where it is missing.

    Places in a ranking, where 1 is best, have a scale that falls.

    Raises:
        ScaleUnknown: No scale was stated and the rating is outside 0..1.
        DataError: The rating is no number, or outside the stated scale.
    """
    found = number(value, name)
    if found is None:
        return None
    worst, best = scale or (0.0, 1.0)
    low, high = sorted((worst, best))
    if not low <= found <= high:
        if scale is None:
            raise ScaleUnknown(f"{name} is {found:g}, outside 0 to 1; state the scale, e.g. --rating-scale 0,10")
        raise DataError(f"{name} is {found:g}; expected a number from {low:g} to {high:g}")
    return (found - worst) / (best - worst)


class OptionMissing(DataError):
    """Report a row that only makes sense with an option nobody gave: a fault of the call, not of the row."""


class WinnerUnclear(OptionMissing):
    """Report a verdict whose word means a side of the vote and is the name of a model on another one."""


class ScaleUnknown(OptionMissing):
    """Report a rating on a scale that nobody stated."""


def scale_text(scale: tuple[float, float] | None) -> str:
    """Say how ratings were scaled, for the data card."""
    low, high = scale or (0.0, 1.0)
    return f"{low:g}..{high:g}"


def timestamp(value: Any, name: str = "timestamp") -> float | None:
    """Return a time as UTC seconds; None where it is missing.

    Numbers are epoch seconds, or milli-, micro- or nanoseconds by their size; other text is ISO
    8601, read as UTC where it names no zone.

    Raises:
        DataError: The cell is neither, is a date written as one number, or lies out of the calendar.
    """
    try:
        if isinstance(value, datetime):
            # A time without a zone is taken as UTC, or the same file would give other times on another machine.
            return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
        if isinstance(value, date):
            return datetime(value.year, value.month, value.day, tzinfo=UTC).timestamp()
        if isinstance(value, str) and value.strip() and not _is_number(value):
            return timestamp(datetime.fromisoformat(value.strip()))
    except (ValueError, OverflowError) as error:
        raise DataError(f"{name} is {shown(value)}; expected epoch seconds or ISO 8601") from error
    found = number(value, name)
    if found is None:
        return None
    _refuse_written_date(found, name)
    if abs(found) >= LATEST:
        raise DataError(f"{name} is {shown(value)}, after the year 5000; expected epoch seconds or ISO 8601")
    # Nano-, micro- and milliseconds are told apart by size: no such count of a time since 1973 is below its limit, and
    # seconds reach 1e11 only in the year 5138.
    for limit, unit in ((1e17, 1e9), (1e14, 1e6), (1e11, 1e3)):
        if abs(found) >= limit:
            return found / unit
    return found


def _is_number(value: str) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True


def _refuse_written_date(found: float, name: str) -> None:
    """Refuse 20240501, which is a date to whoever wrote it and a day of 1970 in epoch seconds.

    Raises:
        DataError: The number is written like a date.
    """
    digits = f"{found:.0f}"
    if found != int(found) or not DIGITS.fullmatch(digits):
        return
    try:
        meant = datetime.strptime(digits.ljust(14, "0"), "%Y%m%d%H%M%S")
    except ValueError:
        return
    wanted = meant.date().isoformat() if len(digits) == 8 else meant.isoformat()
    raise DataError(f"{name} is {digits}, a date and not epoch seconds; write it as {wanted}")
