"""Name texts by their keys, and stand in for one that is not kept by its key and the few counts of its form."""

from __future__ import annotations

import re
from dataclasses import dataclass

from gmt.data.stored_texts import digest_of

# The space after the mark keeps negative numbers and decimals at a line's start from being lists.
LIST_ITEM = re.compile(r"^\s*(?:[-*•]|\d+[.)])\s", re.MULTILINE)
WITHHELD = "text:"
"""Begins what stands for a text that is not kept; its key follows, then its form where that is known."""
COUNTS = r"(\d{1,15})\.(\d{1,15})\.(\d{1,15})\.([01])\.([01])(?:\.(\d{1,15}))?"
STAND_IN = re.compile(rf"{WITHHELD}([0-9a-f]{{32}})(?::{COUNTS})?")


def key_of(text: str) -> str:
    """Return the key that a text is known by wherever texts are kept (first 32 hex digits of its SHA-256)."""
    return digest_of(text).hex()


@dataclass(frozen=True, slots=True)
class TextForm:
    """Count what is read of a text beside its vector.

    Args:
        characters: All of them.
        bare: Those without the blanks around it.
        breaks: Line breaks among these.
        has_code: There is a fenced block.
        has_list: A line begins as an item of a list.
        words: All of them; None where a stand-in does not state them.
    """

    characters: int
    bare: int
    breaks: int
    has_code: bool
    has_list: bool
    words: int | None


def form_of(text: str) -> TextForm:
    """Return the form of a text, or the one that its stand-in states."""
    found = STAND_IN.fullmatch(text)
    if found is not None and found[2] is not None:
        words = None if found[7] is None else int(found[7])
        return TextForm(int(found[2]), int(found[3]), int(found[4]), found[5] == "1", found[6] == "1", words)
    bare = text.strip()
    words = len(text.split()) if found is None else None
    return TextForm(len(text), len(bare), bare.count("\n"), "```" in bare, LIST_ITEM.search(bare) is not None, words)


def stand_in(text: str) -> str:
    """Return what stands for a text that is not kept, with its form, so that routing loses nothing; once is enough."""
    if STAND_IN.fullmatch(text) is not None:
        return text
    form = form_of(text)
    counts = f"{form.characters}.{form.bare}.{form.breaks}.{form.has_code:d}.{form.has_list:d}.{form.words or 0}"
    return f"{WITHHELD}{key_of(text)}:{counts}"


def readable(text: str) -> str:
    """Return a text on one line, or in place of one that is not kept what is known of it."""
    if stated_key(text) is None:
        return " ".join(text.split())
    words = form_of(text).words
    return f"(a text of {words} words, not kept)" if words else "(a text that is not kept)"


def stated_key(text: str) -> str | None:
    """Return the key that a stand-in states, None for a text."""
    found = STAND_IN.fullmatch(text)
    return None if found is None else found[1]


def keys_of(text: str) -> tuple[str, ...]:
    """Return the keys under which the vector of a text may be kept, the likeliest first.

    Nothing keeps a user from writing a text that looks like a stand-in, so its own key comes before the stated one.
    """
    stated = stated_key(text)
    return (key_of(text),) if stated is None else (key_of(text), stated)
