"""Name the mistakes a user can repair, and write what they say on one short line that any terminal shows."""

from __future__ import annotations

import re
import unicodedata

LINE = 300
"""Characters that a message may have, `gmt: ` included."""
VALUE = 160
"""Characters of a word that a message shows whole; a path is a word."""


class UserError(Exception):
    """Report something the user can put right; the CLI prints the message and exits 2."""


class DataError(UserError):
    """Report rows, files or folders that do not hold what the table needs."""


class ConfigError(UserError):
    """Report a setting that is unknown or out of range."""


class RunError(UserError):
    """Report a run folder that is missing, damaged or made for other data."""


def visible(text: str, kept: str = "") -> str:
    r"""Write control characters, line breaks, direction marks and halves of pairs as escapes such as `\x1b`.

    Args:
        text: Whatever somebody wrote.
        kept: Characters that stay as they are.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escaped(sign) if sign not in kept else sign for sign in text)


def one_line(text: str, limit: int = LINE) -> str:
    """Return a message as one line of bounded length: long words lose their middle, then the line its own.

    The head says what was found and the end how to repair it, so both stay.
    """
    # 1. A value of megabytes is cut before it is escaped, for nobody reads its middle.
    if len(text) > 40 * limit:
        text = _middle_cut(text, 40 * limit)
    line = visible(text)
    # 2. Words first: what is too long is nearly always one value.
    if len(line) > limit:
        line = re.sub(rf"\S{{{VALUE + 1},}}", lambda word: _middle_cut(word[0], VALUE // 2), line)
    return _middle_cut(line, limit)


def _escaped(sign: str) -> str:
    """Return a character, or its escape where a terminal would obey it or cannot show it."""
    # Cc: control; Cf: format, such as marks that turn the direction; Cs: surrogates; Zl, Zp: line breaks. The joiner
    # inside emoji and of Persian and Indic scripts is Cf as well, and harmless.
    if unicodedata.category(sign) in ("Cc", "Cf", "Cs", "Zl", "Zp") and sign not in "\u200c\u200d":
        return sign.encode("unicode_escape", "surrogatepass").decode("ascii")
    return sign


def _middle_cut(text: str, limit: int) -> str:
    """Return a text with an ellipsis for its middle where it is too long."""
    if len(text) <= limit:
        return text
    head = (limit - 1) * 3 // 5
    return f"{text[:head]}…{text[len(text) - (limit - 1 - head) :]}"
