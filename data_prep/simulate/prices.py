"""Guess what an answer costs where no price is stated, from a model's name."""

from __future__ import annotations

import re

from gmt.data.dataset import ModelInfo

# $ per million input and output tokens, as their makers listed them when the answers below were made.
LISTED = {
    "gpt-4-1106-preview": (10.0, 30.0),
    "gpt-4": (30.0, 60.0),
    "gpt-3.5-turbo": (1.5, 2.0),
    "claude-instant-v1": (1.63, 5.51),
    "claude-v1": (11.02, 32.68),
    "palm-2-chat-bison-001": (2.0, 2.0),
}
# About what hosts of open models charge; a size of ten billion puts a model without one in the middle.
PER_BILLION, UNKNOWN_SIZE = 0.02, 10.0


def priced(name: str, known: ModelInfo | None = None) -> ModelInfo:
    """Return a model's card with prices: those stated, those listed, or $0.02 per billion parameters in its name.

    A name without a size, such as `koala`, counts as ten billion; `8x7b` counts as fifty-six.
    """
    card = known or ModelInfo(name)
    if card.input_price is not None and card.output_price is not None:
        return card
    listed = LISTED.get(name)
    if listed is None:
        # One price for both directions, as hosts of open models have.
        guess = round(PER_BILLION * size(name), 4)
        listed = guess, guess
    return ModelInfo(card.description, *listed)


def size(name: str) -> float:
    """Return the billions of parameters that a name states."""
    found = re.search(
        r"(?<![\w.])(?:(\d+)x)?(\d+(?:\.\d+)?)b(?![a-z])", name.lower().replace("_", " ").replace("-", " ")
    )
    return UNKNOWN_SIZE if found is None else float(found[1] or 1) * float(found[2])
