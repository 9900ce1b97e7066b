"""Name answers by the place they were shown in, where a source names no models."""

from __future__ import annotations

import re

SLOT = re.compile(r"answer [1-9]\d*")
DESCRIPTION = "an answer whose author nobody named"
"""What stands for the description of each slot: alike for all, since a place says nothing of who wrote there."""


def slot_name(place: int) -> str:
    """Return what stands for the model of the answer at a place, from 0.

    A model of its own for each answer would be met once and teach nothing; shared by all first, second … answers, what
    is learned of a slot is the liking of a place, and only what an answer looks like and says tells answers apart.
    """
    return f"answer {place + 1}"


def is_slot(model: str) -> bool:
    """Tell whether a model's name is that of a place."""
    return SLOT.fullmatch(model) is not None
