"""Check that a run's models are described anew and removed without retraining, and what that moves."""

import numpy as np
import pytest

from gmt.data.dataset import ModelInfo
from gmt.errors import UserError
from gmt.serving.pretrained import Router

QUERY = "How do I plan a garden?"
A, B = "atlas-90b", "telegram-8b"


@pytest.fixture
def mine(good_copy):
    return Router.from_pretrained(good_copy)


def scores(decision):
    return {choice.model: choice.score for choice in decision.ranking}


def both(mine, folder):
    """The router at work and one that loads the run now must say the same."""
    return mine, Router.from_pretrained(folder)


def test_a_removed_model_is_ranked_no_more_and_others_stay(mine, good_copy):
    before, votes = scores(mine.rank("bela", QUERY)), mine.votes("bela")
    mine.remove_model(A)
    for router in both(mine, good_copy):
        assert A not in router.models and len(router.models) == 8
        assert scores(router.rank("bela", QUERY)) == pytest.approx(
            {m: s for m, s in before.items() if m != A}, abs=1e-6
        )
        assert A not in router.preferences("bela") and router.votes("bela") == votes
        with pytest.raises(UserError, match=f"model {A} was removed from this run; gmt models add offers it again"):
            router.rank("bela", QUERY, [A, B])
    with pytest.raises(UserError, match=f"there is no model {A}; the run offers"):
        mine.remove_model(A)


def test_it_comes_back_in_its_place(mine, good_copy):
    names, before = mine.models, scores(mine.rank("bela", QUERY))
    card = mine.data.models[A]
    mine.remove_model(A)
    mine.add("bela", [{"query": "x", "model_a": A, "model_b": B, "winner": "tie"}])  # it may still be spoken of
    assert A not in mine.models
    assert mine.revoke(1)
    mine.add_model(A, card)
    for router in both(mine, good_copy):
        assert router.models == names
        assert scores(router.rank("bela", QUERY)) == pytest.approx(before, abs=1e-6)


def test_models_added_later_are_removed_too(mine, good_copy):
    for name in ("first-1b", "second-1b"):
        mine.add_model(name, ModelInfo(f"{name}, a small model"))
    mine.remove_model("first-1b")
    for router in both(mine, good_copy):
        assert router.models[-1] == "second-1b" and "first-1b" not in router.models
    mine.add_model("first-1b", ModelInfo("described anew"))
    for router in both(mine, good_copy):
        assert router.models[-2:] == ["first-1b", "second-1b"]


def test_the_last_model_stays(mine):
    for name in mine.models[1:]:
        mine.remove_model(name)
    with pytest.raises(UserError, match="is the only model on offer; add another one"):
        mine.remove_model(mine.models[0])


def test_prices_move_costs_and_nothing_else(mine, good_copy):
    before = mine.rank("bela", QUERY)
    found = mine.update_model(A, output_price=77.0, cached_input_price=0.5, switch_cost=4.0)
    assert (found.output_price, found.cached_input_price, found.switch_cost) == (77.0, 0.5, 4.0)
    for router in both(mine, good_copy):
        assert router.data.models[A] == found
        assert scores(router.rank("bela", QUERY)) == scores(before)
    assert mine.update_model(A, switch_cost=None).switch_cost is None


def test_what_a_model_added_later_declares_weighs_in_a_conversation(mine, good_copy):
    """Prices of a prompt cache and costs of a switch come through the state like those of models.json."""
    mine.add_model("sticky-1b", ModelInfo("A small model.", 1.0, 1.0, 0.1, 50.0))
    talk = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello", "model": B}]
    for router in both(mine, good_copy):
        plain, weighed = (scores(router.rank("bela", QUERY, conversation=talk, stay=stay)) for stay in (0.0, 0.5))
        lost = {name: plain[name] - weighed[name] for name in plain}
        assert lost[B] == 0 and lost["sticky-1b"] > 20 > max(lost[name] for name in lost if name != "sticky-1b")


def test_a_new_description_is_another_prior_here_and_after_loading(mine, good_copy):
    before = scores(mine.rank("bela", QUERY))
    text = mine.data.models[B].description
    mine.update_model(A, description=text)
    one, other = (scores(router.rank("bela", QUERY)) for router in both(mine, good_copy))
    assert one == pytest.approx(other, abs=1e-6)
    assert np.abs(np.array([one[name] - before[name] for name in one])).max() > 1e-4
    mine.update_model(A, description="A large general model that answers at length, in numbered steps.")
    one, other = (scores(router.rank("bela", QUERY)) for router in both(mine, good_copy))
    assert one == pytest.approx(other, abs=1e-6)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, "nothing to change of atlas-90b; name a description or a price"),
        ({"price": 1.0}, "a model has no price; expected some of input_price"),
        ({"input_price": -1.0}, "input_price of model atlas-90b is -1.0; expected 0 or more"),
        ({"description": " "}, "the description of model atlas-90b is empty"),
    ],
)
def test_a_wrong_update_is_refused_and_changes_nothing(mine, change, said):
    card = mine.data.models[A]
    with pytest.raises(UserError, match=said):
        mine.update_model(A, **change)
    assert mine.data.models[A] == card
    with pytest.raises(UserError, match="there is no model nobody-1b; the run offers fabler-12b, "):
        mine.update_model("nobody-1b", input_price=1.0)


def test_the_command_line_updates_removes_and_adds(gmt, good_copy):
    run = ("--run", good_copy)
    found = gmt("models", "update", A, "--cached-input-price", ".3", "--switch-cost", "2", *run)
    assert (found["cached_input_price"], found["switch_cost"]) == (0.3, 2.0)
    assert A not in gmt("models", "remove", A, *run)["models"]
    assert A not in gmt("models", "list", *run)["models"]
    gmt("models", "add", A, "--description", found["description"], "--cached-input-price", ".1", *run)
    assert gmt("models", "list", *run)["models"][A]["cached_input_price"] == 0.1
