"""Check that a conversation changes what a run answers: by its texts, by what was rated in it, and by who answered."""

import json

import numpy as np
import pytest
import torch
import yaml

from gmt.errors import UserError
from gmt.model.checkpoint import load_tensors, save_tensors
from gmt.serving.pretrained import Router
from tests.trained import must, unsealed

A, B = "atlas-90b", "telegram-8b"
FOLLOW_UP, CODE, GARDEN = "shorter, please", "Write a python function that reverses a list", "How do I plan a garden?"
READ = {"context_decay": 0.9, "context_words": 8.0, "context_answers": 0.5, "conversation_scale": 3.0}


@pytest.fixture
def reading(good_copy) -> Router:
    """Return a run of the closed form that reads conversations."""
    path = good_copy / "posterior.safetensors"
    state = load_tensors(path)
    for name, value in READ.items():
        state[f"settings.{name}"] = torch.tensor(value, dtype=torch.float64)
    save_tensors(path, state)
    unsealed(good_copy)
    return Router.from_pretrained(good_copy)


def said(query, answer="well", model=A):
    return [{"role": "user", "content": query}, {"role": "assistant", "content": answer, "model": model}]


def rated(query, winner):
    return {"query": query, "model_a": A, "model_b": B, "winner": winner}


def scores(decision):
    return {choice.model: choice.score for choice in decision.ranking}


def test_a_follow_up_is_read_with_its_conversation(reading):
    alone = reading.rank("bela", FOLLOW_UP)
    code, garden = (reading.rank("bela", FOLLOW_UP, conversation=said(text)) for text in (CODE, GARDEN))
    assert scores(alone) != scores(code) != scores(garden)
    other = reading.rank("bela", FOLLOW_UP, conversation=said(CODE, "def reverse(items): return items[::-1]"))
    assert scores(other) != scores(code)
    # It is nearer to its own subject than to another one.
    whole = {text: scores(reading.rank("bela", text)) for text in (CODE, GARDEN)}
    near, far = (
        np.corrcoef([scores(code)[name] for name in whole[text]], list(whole[text].values()))[0, 1]
        for text in (CODE, GARDEN)
    )
    assert near > far
    # An opening within an empty conversation is the opening itself, and nothing is left behind for the next.
    assert scores(reading.rank("bela", CODE, conversation=[])) == whole[CODE]
    assert scores(reading.rank("bela", FOLLOW_UP)) == scores(alone)


@pytest.mark.parametrize("user", ["bela", "nobody known"])
def test_what_was_rated_in_the_conversation_moves_its_next_round(reading, user):
    for_a, for_b = (
        reading.rank(user, FOLLOW_UP, conversation=[rated(CODE, winner), rated("and in C?", winner)], explain=True)
        for winner in ("model_a", "model_b")
    )
    gaps = [scores(decision)[A] - scores(decision)[B] for decision in (for_a, for_b)]
    assert gaps[0] > gaps[1] + 0.5
    # Of whoever asks, not of an unknown user: it shows in the margin.
    margin = {choice.model: choice.margin for choice in for_a.ranking}
    assert margin[A] > margin[B]
    queries = {reason.query for reason in for_a.reasons}
    assert {CODE, "and in C?"} <= queries and (user == "bela") == (len(queries) > 2)
    unrated = reading.rank(user, FOLLOW_UP, conversation=[{**rated(CODE, "model_a"), "winner": "tie"}])
    assert scores(unrated) != scores(for_a)


def test_rounds_told_one_by_one_are_read_as_one_conversation(reading):
    rows = [
        rated(query, winner) | {"conversation": "talk", "turn": turn}
        for turn, (query, winner) in enumerate([(CODE, "model_a"), (FOLLOW_UP, "model_a"), ("and in C?", "model_b")])
    ]
    for user, told in (("together", [rows]), ("one by one", [[row] for row in rows])):
        for part in told:
            reading.add(user, part)
    apart = [row | {"conversation": f"talk {number}", "turn": 0} for number, row in enumerate(rows)]
    reading.add("apart", apart)
    together, one_by_one, alone = (scores(reading.rank(user, CODE)) for user in ("together", "one by one", "apart"))
    assert one_by_one == pytest.approx(together, abs=1e-6)
    assert alone != pytest.approx(together, abs=1e-3)


def test_a_switch_is_weighed_against_its_gain(reading):
    plain = reading.rank("bela", GARDEN, conversation=said(GARDEN))
    assert plain.stay is None and plain.model != plain.ranking[-1].model
    last = plain.ranking[-1].model
    talk = said(GARDEN, "word " * 400, last)
    kept = reading.rank("bela", GARDEN, conversation=talk, stay=100.0)
    assert kept.model == last and kept.stay is not None and kept.stay.cost > kept.stay.gain > 0
    assert str(kept.stay).startswith(f"stayed with {last}: the switch to ")
    left = reading.rank("bela", GARDEN, conversation=talk, stay=1e-4)
    assert left.model != last and str(left.stay).startswith(f"left {last} for {left.model}")
    # The longer the conversation, the more there is to read anew.
    longer = reading.rank("bela", GARDEN, conversation=said(GARDEN, "word " * 4000, last), stay=100.0)
    assert longer.stay.cost > kept.stay.cost
    # Nobody to stay with: no round yet, or nobody says who answered.
    for none in ([], [talk[0], {"role": "assistant", "content": "hm"}]):
        assert reading.rank("bela", GARDEN, conversation=none, stay=100.0).stay is None


def test_the_command_says_that_it_stayed_and_the_settings_may_ask_for_it(reading, tmp_path, capsys):
    worst = reading.rank("bela", GARDEN, conversation=said(GARDEN)).ranking[-1].model
    path, root = tmp_path / "talk.json", reading.folder.root
    path.write_text(json.dumps(said(GARDEN, "hm", worst)))
    given = ["route", "--run", str(root), "--user", "bela", "--query", GARDEN, "--conversation", str(path)]
    must([*given, "--stay", "50"])
    assert f"Stayed with {worst}: the switch to " in " ".join(capsys.readouterr().out.split())
    must([*given, "--stay", "50", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert found["model"] == found["stay"]["chosen"] == worst and found["stay"]["reason"].startswith("stayed")
    must([*given, "--json"])
    assert "stay" not in json.loads(capsys.readouterr().out)
    settings = yaml.safe_load((root / "config.yaml").read_text())
    assert settings["routing"] == {"stay": 0.0, "switch_cost": 1.0}
    (root / "config.yaml").write_text(yaml.safe_dump(settings | {"routing": {"stay": 50.0, "switch_cost": 1.0}}))
    must([*given, "--json"])
    assert json.loads(capsys.readouterr().out)["stay"] == found["stay"]


def test_rows_that_cannot_be_read_are_named(reading):
    with pytest.raises(UserError, match="row line 2: winner is 'nobody'"):
        reading.rank("bela", GARDEN, conversation=[rated(CODE, "model_a"), rated(CODE, "nobody")])
