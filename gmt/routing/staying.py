"""Say what it costs to change the model within a conversation, and weigh that against what is gained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gmt.data.dataset import ModelInfo

CHARACTERS = 4
"""Characters of a token, about."""


def tokens_of(texts: Sequence[str | None]) -> float:
    """Return about how many tokens the texts of a conversation have; None counts nothing."""
    return sum(len(text) for text in texts if text is not None) / CHARACTERS


def switch_costs(models: Mapping[str, ModelInfo], names: Sequence[str], tokens: float, flat: float) -> np.ndarray:
    """Return (K,) what it costs to change to each model within a conversation.

    cost_m = switch_cost_m + tokens / 1000 · (input_price_m - cached_input_price_m) / largest input price: another model
    reads the whole conversation anew, at its full price, where staying pays the price of its prompt cache. The unit is
    what a thousand tokens cost to read at the dearest model's price, so it depends on no currency.

    Args:
        models: Cards; where one states no input price, its tokens count as the dearest model's.
        names: K candidates.
        tokens: How long the conversation is.
        flat: What a switch costs beside that, for models that declare no `switch_cost`.
    """
    cards = [models[name] for name in names]
    known = [card.input_price for card in cards if card.input_price is not None]
    dearest = max(known, default=0.0) or 1.0
    prices = np.array([dearest if card.input_price is None else card.input_price for card in cards])
    # A cache that is not stated charges nothing: what a switch adds is then the whole price.
    cached = np.array([card.cached_input_price or 0.0 for card in cards])
    declared = np.array([flat if card.switch_cost is None else card.switch_cost for card in cards])
    return declared + tokens / 1000 * np.maximum(prices - cached, 0.0) / dearest


@dataclass(frozen=True)
class Staying:
    """Weigh a change of model within a conversation.

    Args:
        current: The model that answered last.
        weight: Logits of preference that one unit of `switch_costs` takes away.
        costs: (K,) what it costs to change to each candidate.
    """

    current: str
    weight: float
    costs: np.ndarray

    def penalties(self, names: Sequence[str]) -> np.ndarray:
        """Return (K,) logits that the candidates lose; nothing where the current model is none of them."""
        # Where the current model cannot be kept every candidate is a switch, and none loses more for being one.
        if self.current not in names:
            return np.zeros(len(names))
        return np.where(np.array(names) == self.current, 0.0, self.weight * self.costs)
