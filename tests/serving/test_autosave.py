"""Check that a router without autosave leaves the run on disk as it is, and still knows and keeps what it is told."""

import contextlib
import gc
import hashlib
import os
from pathlib import Path

import pytest

from gmt.data.dataset import ModelInfo
from gmt.errors import UserError
from gmt.runs import RunFolder
from gmt.serving.pretrained import Router
from gmt.state.user_files import UserFiles

QUERY = "How do I plan a garden?"
A, B = "atlas-90b", "telegram-8b"


def votes(count, start=0):
    return [{"query": f"q{n}", "model_a": A, "model_b": B, "winner": "model_a"} for n in range(start, start + count)]


def contents(run):
    """Every file of a run but locks, and what says which files were hashed."""
    return {
        path.relative_to(run).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in run.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }


def test_nothing_told_reaches_the_disk(good_copy):
    before = contents(good_copy)
    router = Router.from_pretrained(good_copy, autosave=False)
    assert router.add("guest", votes(5))["votes"] == 5
    assert router.add_model("late-1b", ModelInfo("A small model.")) == 0
    router.remove_model(B)
    assert router.revoke(router.events("guest")[0].id) and router.votes("guest") == 4
    assert contents(good_copy) == before
    other = Router.from_pretrained(good_copy)
    assert "guest" not in other.users and "late-1b" not in other.models and B in other.models


def test_what_the_run_was_told_before_is_known_and_stays_as_it_was(good_copy):
    saved = Router.from_pretrained(good_copy)
    saved.add("ana", votes(5))
    saved.add("bo", votes(1))
    saved.close()
    before = contents(good_copy)
    router = Router.from_pretrained(good_copy, autosave=False)
    with contextlib.closing(Router.from_pretrained(good_copy)) as saved:
        assert router.rank("ana", QUERY) == saved.rank("ana", QUERY)
        events = saved.events("ana")
    assert [event.comparison for event in router.events("ana")] == [event.comparison for event in events]
    router.add("ana", votes(3, 5))
    router.add("bo", votes(2, 7), replace_history=True)
    assert router.votes("ana") == 8 and router.votes("bo") == 2 and contents(good_copy) == before
    assert Router.from_pretrained(good_copy).votes("ana") == 5


def test_saving_keeps_it_in_a_run_of_its_own(good_copy, tmp_path):
    router = Router.from_pretrained(good_copy, autosave=False)
    router.add("guest", votes(5))
    copy = Router.from_pretrained(router.save_pretrained(tmp_path / "copy"))
    assert copy.votes("guest") == 5 and copy.rank("guest", QUERY) == router.rank("guest", QUERY)


def test_forgetting_needs_the_run_itself(good_copy):
    router = Router.from_pretrained(good_copy, autosave=False)
    with pytest.raises(UserError, match="autosave=False.*open the run without"):
        router.forget("bela")
    assert "bela" in router.users and not (good_copy / ".forget.json").exists()


def test_a_run_that_cannot_be_written_may_be_told_things_all_the_same(good_copy, recwarn, monkeypatch):
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK and access(path, mode))
    router = Router.from_pretrained(good_copy, autosave=False)
    assert router.add("guest", votes(2))["votes"] == 2 and not recwarn.list


def test_files_of_an_older_gmt_are_read_and_stay(good_copy):
    saved = Router.from_pretrained(good_copy, autosave=False)
    saved.add("ana", votes(3))
    UserFiles(RunFolder(good_copy).users).write("ana", saved.history("ana"))
    router = Router.from_pretrained(good_copy, autosave=False)
    assert router.votes("ana") == 3 and list((good_copy / "users").glob("ana*.jsonl"))
    assert not (good_copy / "state.db").exists()


@pytest.mark.parametrize("closed", [True, False])
def test_what_is_kept_apart_goes_with_the_router(good_copy, closed):
    router = Router.from_pretrained(good_copy, autosave=False)
    router.add("guest", votes(1))
    path = Path(router.live.state.existing().url.database)
    assert path.is_file() and good_copy not in path.parents
    if closed:
        router.close()
        router.close()
    del router
    gc.collect()
    assert not path.exists()
