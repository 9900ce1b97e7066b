"""Turn single cells of a row into names, numbers, times and ratings, or say why they cannot be."""

from __future__ import annotations

import math
import re
from datetime import UTC, date, datetime
from typing import Any

from gmt.errors import DataError

HALF = re.compile("[\ud800-\udfff]")  # of a character beyond the basic plane; no UTF-8 can hold it alone


def answer(value: Any, name: str) -> str | None:
    """Return a model's answer as it stands; None only where it is missing, for an empty answer is one too.

    Raises:
        DataError: The text cannot be stored as UTF-8.
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # a column of ids with a gap arrives as 8.0
    found = value if isinstance(value, str) else str(value)
    if not found.isascii() and HALF.search(found):
        raise DataError(f"{name} holds half a character (a lone surrogate); save the file as UTF-8")
    return found


def text(value: Any, name: str) -> str | None:
    """Return a cell as text; None where it is missing or blank.

    Raises:
        DataError: The text cannot be stored as UTF-8.
    """
    found = answer(value, name)
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
        found = float(value)
    except (TypeError, ValueError):
        found = math.nan
    if not math.isfinite(found):
        raise DataError(f"{name} is {value!r}; expected a number")
    return found


def whole(value: Any, name: str) -> int | None:
    """Return a cell as a whole number from 0; None where it is missing.

    Raises:
        DataError: The cell is negative or has a fraction.
    """
    found = number(value, name)
    if found is None:
        return None
    if found < 0 or found != int(found):
        raise DataError(f"{name} is {value}; expected a whole number, 0 or more")
    return int(found)


def scaled(value: Any, name: str, scale: tuple[float, float] | None) -> float | None:
    """Return a rating in [0, 1], scaled by the stated scale; None where it is missing.

    Raises:
        ScaleUnknown: No scale was stated and the rating is outside 0..1.
        DataError: The rating is no number, or outside the stated scale.
    """
    found = number(value, name)
    if found is None:
        return None
    low, high = scale or (0.0, 1.0)
    if not low <= found <= high:
        if scale is None:
            raise ScaleUnknown(f"{name} is {found:g}, outside 0 to 1; state the scale, e.g. --rating-scale 0,10")
        raise DataError(f"{name} is {found:g}; expected a number from {low:g} to {high:g}")
    return (found - low) / (high - low)


class ScaleUnknown(DataError):
    """Report a rating that only makes sense on a scale nobody stated: a fault of the call, not of the row."""


def scale_text(scale: tuple[float, float] | None) -> str:
    """Say how ratings were scaled, for the data card."""
    low, high = scale or (0.0, 1.0)
    return f"{low:g}..{high:g}"


def timestamp(value: Any, name: str = "timestamp") -> float | None:
    """Return a time as UTC seconds; None where it is missing.

    Numbers are epoch seconds, or milli-, micro- or nanoseconds by their size; other text is ISO
    8601, read as UTC where it names no zone.

    Raises:
        DataError: The cell is neither.
    """
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC).timestamp()
    if isinstance(value, str):
        try:
            float(value)
        except ValueError:
            if not value.strip():
                return None
            try:
                return timestamp(datetime.fromisoformat(value.strip()))
            except ValueError as error:
                raise DataError(f"{name} is {value!r}; expected epoch seconds or ISO 8601") from error
    found = number(value, name)
    if found is None:
        return None
    for limit, unit in ((1e17, 1e9), (1e14, 1e6), (1e11, 1e3)):
        if abs(found) >= limit:
            return found / unit
    return found
