"""Check what a change of model costs within a conversation."""

import numpy as np
import pytest

from gmt.data.dataset import ModelInfo
from gmt.routing.staying import Staying, switch_costs, tokens_of

MODELS = {
    "dear": ModelInfo("dear", 10.0, 30.0, cached_input_price=1.0),
    "cheap": ModelInfo("cheap", 1.0, 3.0),
    "slow": ModelInfo("slow", 2.0, 3.0, switch_cost=5.0),
    "free": ModelInfo("free"),
}


def test_a_switch_reads_the_conversation_anew_at_the_new_models_price():
    names = ["dear", "cheap", "slow", "free"]
    found = switch_costs(MODELS, names, 2000.0, 0.5)
    # Two thousand tokens at the price less the cache's, in units of the dearest price, and what is declared beside.
    assert found == pytest.approx([0.5 + 2 * 0.9, 0.5 + 2 * 0.1, 5.0 + 2 * 0.2, 0.5 + 2 * 1.0])
    longer = switch_costs(MODELS, names, 4000.0, 0.5)
    assert np.allclose(longer - found, [1.8, 0.2, 0.4, 2.0])


def test_without_any_price_each_thousand_tokens_is_one_unit():
    unpriced = {"a": ModelInfo("a"), "b": ModelInfo("b")}
    assert switch_costs(unpriced, ["a", "b"], 500.0, 1.0) == pytest.approx([1.5, 1.5])
    free = {"a": ModelInfo("a", 0.0, 0.0), "b": ModelInfo("b", 0.0, 0.0)}
    assert switch_costs(free, ["a", "b"], 500.0, 0.0) == pytest.approx([0.0, 0.0])


def test_only_the_model_that_answered_last_costs_nothing():
    staying = Staying("b", 2.0, np.array([1.0, 1.0, 0.5]))
    assert staying.penalties(["a", "b", "c"]).tolist() == [2.0, 0.0, 1.0]
    assert staying.penalties(["a", "c", "d"]).tolist() == [0.0, 0.0, 0.0]


def test_tokens_are_about_four_characters():
    assert tokens_of(["x" * 40, None, "y" * 4]) == 11.0
