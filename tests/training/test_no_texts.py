"""Check that `gmt train --no-texts` leaves vectors, hashes and lengths alone, and answers as with texts."""

import json

import pyarrow.parquet as pq
import pytest

from gmt.data.dataset import Dataset
from gmt.data.interactions import TRAIN
from gmt.data.text_keys import form_of, key_of, stand_in, stated_key
from gmt.serving.pretrained import Router
from tests.trained import TINY, must, settings

SECRET = "an answer nobody may read:\n- one\n- two\n```x = 1```"


def scores(router, user, query, **how):
    return {choice.model: choice.score for choice in router.rank(user, query, **how).ranking}


def vote(number):
    return {
        "query": f"a secret question {number}", "model_a": "atlas-90b", "model_b": "telegram-8b", "winner": "model_a",
        "response_a": f"{SECRET} {number}", "response_b": f"short secret {number}", "feedback": "a secret remark",
    }  # fmt: skip


def texts_in(run, texts):
    """Return which texts stand in any file of a folder, read as they are and unpacked."""
    files = [path for path in run.rglob("*") if path.is_file()]
    blobs = [path.read_bytes() for path in files]
    blobs += [repr(pq.read_table(path).to_pydict()).encode() for path in files if path.suffix == ".parquet"]
    return [text for text in texts if any(text.encode() in blob or repr(text)[1:-1].encode() in blob for blob in blobs)]


@pytest.fixture(scope="module")
def blind(demo_data, tmp_path_factory):
    run = tmp_path_factory.mktemp("runs") / "blind"
    must(["train", str(demo_data), "--run", str(run), "--no-texts", "--quiet", *settings(TINY)])
    return run


def test_no_file_of_the_run_holds_a_text_and_all_answers_are_the_same(blind, tiny_run, demo_data, tmp_path):
    import shutil

    run, kept = shutil.copytree(blind, tmp_path / "run"), shutil.copytree(tiny_run, tmp_path / "kept")
    table = Dataset.load(demo_data).table
    trained = table.select(table.split == TRAIN)
    long = [table.texts[code] for code in trained.text_order if len(table.texts[code]) > 12]
    assert len(texts_in(kept, long)) == len(long) > 100, "the search finds what is there"
    assert texts_in(run, long) == []
    # What is told later leaves no more.
    told, router, other = [vote(n) for n in range(5)], Router.from_pretrained(run), Router.from_pretrained(kept)
    for one in (router, other):
        one.add("guest", told)
        one.add("bela", told[:2])
    secret = [value for one in told for key, value in one.items() if key in ("query", "response_a", "feedback")]
    assert texts_in(run, [*long, *secret, "secret"]) == []
    # And nothing that is read of a text is lost, so every score is the same, to the last digit.
    router, other = Router.from_pretrained(run), Router.from_pretrained(kept)
    for user in ("guest", "bela", None):
        for query in ("a secret question 3", long[0], "something new"):
            assert scores(router, user, query) == scores(other, user, query)
    talk = [{"role": "user", "content": "a secret question 1"}, {"role": "assistant", "content": "yes"}]
    assert scores(router, "guest", long[1], conversation=talk) == scores(other, "guest", long[1], conversation=talk)
    # Repeats, of trained rounds too, are still known.
    assert router.add("guest", told)["repeats"] == 5
    theirs = [item for item in trained.to_comparisons() if item.user == "bela"][:4]
    assert router.add("bela", theirs)["repeats"] == 4
    assert router.removed("bela").rounds > 4 and texts_in(run, [*long, *secret, "bela"]) == []


def test_the_command_says_what_still_holds_texts(blind, demo_data, gmt):
    card = json.loads((blind / "card.json").read_text())
    assert "only vectors" not in str(card)  # a note for whoever trains, no fact of the run
    notes = gmt("train", demo_data, "--run", blind, "--no-texts", *settings([*TINY, "train.steps=2"]))["notes"]
    assert any(f"the data folder {demo_data} still holds them" in note for note in notes)


def test_training_anew_without_texts_drops_those_that_were_told(run_copy, demo_data, gmt):
    Router.from_pretrained(run_copy).add("guest", [vote(n) for n in range(3)])
    assert texts_in(run_copy, ["a secret question 1", "a secret remark"])
    gmt("train", demo_data, "--run", run_copy, "--no-texts", *settings([*TINY, "train.steps=2"]))
    assert texts_in(run_copy, ["secret"]) == [] and Router.from_pretrained(run_copy).votes("guest") == 3


def test_a_stand_in_states_key_and_form_and_stands_for_itself():
    for text in ("", " two words ", SECRET, "1. a\n2. b", "x" * 5000):
        found = stand_in(text)
        assert stated_key(found) == key_of(text) and form_of(found) == form_of(text)
        assert stand_in(found) == found and stated_key(text) is None
    # Earlier versions kept the key alone.
    assert stated_key(f"text:{key_of('x')}") == key_of("x")


@pytest.mark.parametrize("text", ["text: not one", "text:" + "a" * 32, f"text:{key_of('x')}:1.1.0.0.0", "text:"])
def test_a_user_may_write_what_looks_like_a_stand_in(run_copy, text):
    router = Router.from_pretrained(run_copy)
    router.add("guest", [{**vote(1), "query": text}])
    again = Router.from_pretrained(run_copy)
    assert [item.query for item in again.history("guest")] == [text] and scores(again, "guest", text)
