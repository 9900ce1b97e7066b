"""Check the loop of a run in use: adapt, train again, adapt. People and models stay, what a network learned goes."""

import json

import numpy as np
import pytest

from data_prep.sources.jsonl import rows_of
from gmt.config import load_config
from gmt.data.dataset import ModelInfo
from gmt.data.load_data import load_dataset
from gmt.runs import RunFolder
from gmt.serving.pretrained import Router
from gmt.training.adapt import adapt_user
from gmt.training.train_run import train_run
from tests.trained import TINY

A, B = "atlas-90b", "telegram-8b"
QUICK = ["posterior.network=false", "traits.enabled=false"]
ALONE = [*TINY, "posterior.enabled=false", "train.steps=4", "train.eval_every=2"]


def rows(path, count, start=0):
    vote = {"model_a": A, "model_b": B, "winner": "model_a"}
    path.write_text("".join(json.dumps({"query": f"question {n}", **vote}) + "\n" for n in range(start, start + count)))
    return path


def scores(router, user):
    return {choice.model: choice.score for choice in router.rank(user, "Plan a trip").ranking}


def test_adapt_train_again_adapt(demo_data, tmp_path):
    run = RunFolder(tmp_path / "run")
    train_run(demo_data, load_config(None, QUICK), run)
    adapt_user(run.root, "newt", rows(tmp_path / "first.jsonl", 6))
    router = Router.from_pretrained(run.root)
    router.add_model("late-1b", ModelInfo("A small model.", 1.0, 2.0, 0.1, 3.0))
    router.remove_model("pocket-1b")
    router.update_model(B, output_price=9.0)
    first = router.events("newt")
    assert router.revoke(first[0].id)
    router.forget("bela")
    router.close()
    # 1. Another training of the same run, from the same data by other settings: nobody is asked for consent twice.
    card = train_run(demo_data, load_config(None, [*QUICK, "posterior.tie_widths=false"], seed=1), run)
    assert "The votes that 1 user added since the earlier training are kept." in card["notes"]
    router = Router.from_pretrained(run.root)
    assert [event.id for event in router.events("newt")] == [event.id for event in first[1:]]
    assert router.votes("newt") == 5 and "bela" not in router.users
    assert "pocket-1b" not in router.models and router.models[-1] == "late-1b"
    assert router.data.models["late-1b"].switch_cost == 3.0 and router.data.models[B].output_price == 9.0
    before = scores(router, "newt")
    assert before[A] > before[B] and scores(router, None)[A] - scores(router, None)[B] < before[A] - before[B]
    router.close()
    # 2. And on: what was told already is known, what is new counts with it.
    found = adapt_user(run.root, "newt", rows(tmp_path / "second.jsonl", 8))
    assert (found["added"], found["repeats"], found["votes"]) == (3, 5, 8)
    again = Router.from_pretrained(run.root)
    last = [event.id for event in again.events("newt")]
    assert last == sorted(last) and len(set(last)) == 8
    assert scores(again, "newt")[A] - scores(again, "newt")[B] > before[A] - before[B]


def test_what_was_learned_beside_a_network_goes_with_it(demo_data, tmp_path):
    run = RunFolder(tmp_path / "run")
    train_run(demo_data, load_config(None, ALONE), run)
    adapt_user(run.root, "newt", rows(tmp_path / "first.jsonl", 6), steps=2)
    with_offset = Router.from_pretrained(run.root)
    assert list(with_offset.router.user_offsets) == ["newt"]
    with_offset.close()
    # Wider states: what was learned for the narrow ones could not even be added to them.
    card = train_run(demo_data, load_config(None, [*ALONE, "model.width=24"]), run)
    assert "What gmt adapt --steps learned of 1 user went with the earlier network." in card["notes"]
    router = Router.from_pretrained(run.root)
    assert router.router.user_offsets == {} and router.votes("newt") == 6
    assert all(np.isfinite(list(scores(router, "newt").values())))
    adapt_user(run.root, "newt", rows(tmp_path / "second.jsonl", 8), steps=2)
    assert list(Router.from_pretrained(run.root).router.user_offsets) == ["newt"]


def test_a_training_that_fails_leaves_what_was_learned(demo_data, tmp_path, monkeypatch):
    run = RunFolder(tmp_path / "run")
    train_run(demo_data, load_config(None, ALONE), run)
    adapt_user(run.root, "newt", rows(tmp_path / "first.jsonl", 6), steps=2)
    monkeypatch.setattr("gmt.training.train_run.fit_parts", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        train_run(demo_data, load_config(None, ALONE), run)
    assert list(Router.from_pretrained(run.root).router.user_offsets) == ["newt"]


def test_rounds_that_training_saw_meanwhile_count_once(demo_data, tmp_path, gmt):
    run = RunFolder(tmp_path / "run")
    train_run(demo_data, load_config(None, QUICK), run)
    adapt_user(run.root, "newt", rows(tmp_path / "first.jsonl", 12))
    told = gmt("users", "export", "newt", "--run", run.root)["rows"]
    table = load_dataset(demo_data).table
    # Numbers of comparisons begin anew in each export.
    told = [{**row, "comparison": len(table) + row["comparison"]} for row in told]
    every = [*rows_of(table.to_comparisons()), *told]
    (tmp_path / "all.jsonl").write_text("".join(json.dumps(row) + "\n" for row in every))
    gmt("prep", "jsonl", tmp_path / "all.jsonl", "--encoder", "hash:64", "--out", tmp_path / "newer")
    newer = load_dataset(tmp_path / "newer").table
    trained = (newer.user == newer.users.index("newt")) & (newer.split == 0)
    assert 0 < trained.sum() < 12  # some are for validation and for the test
    train_run(tmp_path / "newer", load_config(None, QUICK), run)
    router = Router.from_pretrained(run.root)
    assert router.votes("newt") == len(router.history("newt")) == 12 and len(router.events("newt")) == 12
    assert adapt_user(run.root, "newt", rows(tmp_path / "second.jsonl", 13))["votes"] == 13
