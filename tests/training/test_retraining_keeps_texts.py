"""Check that what users told is read after a run was trained again: with texts or without, other data or encoder."""

import json
import shutil

import numpy as np
import pytest
from sqlalchemy import create_engine, text

from gmt.config import load_config
from gmt.data.store import EmbeddingStore
from gmt.data.text_keys import key_of, stated_key
from gmt.errors import RunError
from gmt.runs import RunFolder
from gmt.serving.pretrained import Router
from gmt.state.engine import database_url
from gmt.training.train_run import train_run
from tests.trained import must

QUICK = ("posterior.network=false", "traits.enabled=false")
WITHOUT = "state.texts=false"


def votes(word, count=40):
    """Return votes of four users, of whose texts none is in those of another word."""
    return [
        {
            "user": f"u{n % 4}", "conversation": f"c{n}", "query": f"{word} {n % 20}", "feedback": f"{word} remark {n}",
            "model_a": "x", "model_b": "y" if n % 3 else "z", "winner": "model_a" if n * 7 % 5 < 3 else "model_b",
            "response_a": f"{word} yes {n}", "response_b": f"{word} no {n}",
        }
        for n in range(count)
    ]  # fmt: skip


TOLD = [{**row, "user": "newt"} for row in votes("blue", 8)]
"""Votes on texts that the first data holds, so that the first run has their vectors among its artefacts."""
WORDS = [row[name] for row in TOLD for name in ("query", "response_a", "response_b", "feedback")]


def trained(data, run, *more):
    return train_run(data, load_config(None, [*QUICK, *more]), RunFolder(run))


def scores(run, state=None):
    router = Router.from_pretrained(run, state)
    assert router.votes("newt") == 8
    found = {choice.model: choice.score for choice in router.rank("newt", "a new question").ranking}
    router.close()
    return found


def told_to(run, state=None):
    router = Router.from_pretrained(run, state)
    assert router.add("newt", TOLD)["added"] == 8
    router.close()


def changed(run, state, *statements):
    """Change a state behind the back of gmt."""
    engine = create_engine(database_url(run, state))
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Return the name of a data folder -> its path: other texts, and the first ones by another encoder."""
    home = tmp_path_factory.mktemp("data")
    for name, word, width in (("blue", "blue", 16), ("red", "red", 16), ("wide", "red", 32)):
        (home / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in votes(word)))
        must(["prep", "jsonl", str(home / f"{name}.jsonl"), "--encoder", f"hash:{width}", "--out", str(home / name)])
    return {name: home / name for name in ("blue", "red", "wide")}


@pytest.fixture(scope="module")
def first(data, tmp_path_factory):
    """Return whether texts are kept -> a run of the first data; nobody may change it."""
    home = tmp_path_factory.mktemp("first")
    for kept in (True, False):
        trained(data["blue"], home / str(kept), *[] if kept else [WITHOUT])
    return {kept: home / str(kept) for kept in (True, False)}


@pytest.fixture(scope="module")
def expected(data, tmp_path_factory):
    """Return the scores of a run of the other data to which the same was told."""
    run = tmp_path_factory.mktemp("expected") / "run"
    trained(data["red"], run)
    told_to(run)
    return scores(run)


@pytest.mark.parametrize(
    ("before", "after", "where"),
    [(a, b, "sqlite") for a in (True, False) for b in (True, False)] + [(True, False, "postgresql")],
)
def test_all_that_was_told_is_read_beside_other_data(data, first, expected, tmp_path, request, before, after, where):
    read_beside_other_data(data, first, expected, tmp_path, request, before, after, where)


@pytest.mark.parametrize(("after", "where"), [(True, "sqlite"), (False, "sqlite"), (False, "postgresql")])
def test_so_is_what_an_earlier_gmt_kept(data, first, expected, tmp_path, request, after, where):
    read_beside_other_data(data, first, expected, tmp_path, request, True, after, where, of_an_earlier_gmt=True)


def read_beside_other_data(data, first, expected, tmp_path, request, before, after, where, of_an_earlier_gmt=False):
    state = request.getfixturevalue("postgres_database") if where == "postgresql" else None
    run = shutil.copytree(first[before], tmp_path / "run")
    told_to(run, state)
    if of_an_earlier_gmt:  # kept no vectors of texts that the run itself knew
        known = ", ".join(f"'{key}'" for key in EmbeddingStore.open(run / "embeddings").known_keys(map(key_of, WORDS)))
        changed(run, state, f"DELETE FROM vectors WHERE key IN ({known})")
    more = [f"state.url={state}"] if state else []
    trained(data["red"], run, *more, *[] if after else [WITHOUT])
    assert scores(run) == scores(run) == expected
    router = Router.from_pretrained(run)
    queries = {event.comparison.query for event in router.events("newt")}
    assert router.live.state.made().without_vector() == {}
    assert len(queries) == 8 and {stated_key(query) is None for query in queries} == {before and after}
    assert router.add("newt", TOLD)["repeats"] == 8
    router.close()


def test_a_state_that_the_training_did_not_know_of_is_read_by_another_encoder(data, first, tmp_path, postgres_database):
    run, other = shutil.copytree(first[True], tmp_path / "run"), tmp_path / "other"
    told_to(run, postgres_database)
    trained(data["wide"], run, WITHOUT)  # with no word of the database: nothing in the folder keeps votes
    found = scores(run, postgres_database)
    trained(data["wide"], other)
    told_to(other)
    assert found == scores(other) == scores(run, postgres_database)
    router = Router.from_pretrained(run, postgres_database)
    assert all(stated_key(event.comparison.query) for event in router.events("newt"))


def test_what_could_not_be_read_any_more_is_said_before_the_training(data, first, tmp_path):
    run = shutil.copytree(first[False], tmp_path / "run")
    told_to(run)
    wanted = scores(run)
    changed(run, None, "DELETE FROM vectors")
    for file in (run / "embeddings").iterdir():  # nor do the artefacts hold them
        file.unlink()
    with pytest.raises(RunError, match="keeps votes with 32 texts that are neither kept nor in this data"):
        trained(data["red"], run)
    # Data of these texts mends it for good.
    trained(data["blue"], run, WITHOUT)
    assert scores(run) == wanted
    trained(data["red"], run)
    scores(run)


def test_votes_stay_where_the_earlier_settings_keep_them(data, first, tmp_path):
    run, kept, other = (tmp_path / name for name in ("run", "kept.db", "other.db"))
    trained(data["blue"], run, f"state.url=sqlite:///{kept}")
    told_to(run)
    trained(data["red"], run)
    scores(run)
    notes = trained(data["red"], run, f"state.url=sqlite:///{other}")["notes"]
    assert any(f"1 user lie in sqlite:///{kept}, which is not read" in note for note in notes)
    scores(run, f"sqlite:///{kept}")


def test_what_steps_learned_goes_though_all_votes_were_taken_back(data, first, tmp_path):
    run = shutil.copytree(first[True], tmp_path / "run")
    router = Router.from_pretrained(run)
    router.add("newt", TOLD[:1], offset=np.full(4, 0.5, np.float32))
    router.revoke(router.events("newt")[0].id)
    router.close()
    notes = trained(data["red"], run)["notes"]
    assert any("steps learned of 1 user went" in note for note in notes)
    assert Router.from_pretrained(run).router.user_offsets == {}
