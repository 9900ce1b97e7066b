"""Check that a command killed before any of its writes leaves a run as it was or as it was to be."""

import errno
import json
import shutil
import sys

import pytest
from sqlalchemy import Engine, event

from gmt.bench.made_data import made_dataset, made_run
from gmt.data.dataset import ModelInfo
from gmt.runs import RunFolder
from gmt.serving.pretrained import Router
from gmt.training.adapt import adapt_user
from tests.crashes import DIED, DONE, FAILED, die_before, fail_at

POINTS = (1, 4, 9, 17)
"""Of each command, in CI; `-m soak` tries all."""


def vote(number):
    return {"query": f"told {number}", "model_a": "m0", "model_b": "m1", "winner": "model_a"}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Return a small run in whose state something was told already, to be copied, and a history to add."""
    folder = tmp_path_factory.mktemp("made")
    made_run(RunFolder(folder / "run"), made_dataset(4, 6, width=16))
    router = Router.from_pretrained(folder / "run")
    router.add("ana", [vote(n) for n in range(3)])
    router.add("u1", [vote(9)])
    router.close()
    (folder / "more.jsonl").write_text("".join(json.dumps(vote(n)) + "\n" for n in range(20, 24)))
    return folder


COMMANDS = {
    "adapt": lambda run: adapt_user(run, "ana", run.parent / "more.jsonl"),
    "adapt somebody new": lambda run: adapt_user(run, "newt", run.parent / "more.jsonl"),
    "adapt --replace": lambda run: adapt_user(run, "u1", run.parent / "more.jsonl", replace=True),
    "forget somebody trained on": lambda run: Router.from_pretrained(run).forget("u1"),
    "forget somebody who told": lambda run: Router.from_pretrained(run).forget("ana"),
    "models add": lambda run: Router.from_pretrained(run).add_model("late", ModelInfo("A small model."), []),
    "models update": lambda run: Router.from_pretrained(run).update_model("m3", "A large model.", input_price=2.0),
    "models remove": lambda run: Router.from_pretrained(run).remove_model("m3"),
    "revoke": lambda run: Router.from_pretrained(run).revoke(2),
}


def traced(work):
    """Do some work in which every statement that writes to the database, and every commit, counts as a change."""

    def statement(connection, cursor, text, *_):
        if text.lstrip()[:6] in ("INSERT", "UPDATE", "DELETE"):
            sys.audit("os.truncate", text[:20])

    event.listen(Engine, "before_cursor_execute", statement)
    event.listen(Engine, "commit", lambda connection: sys.audit("os.truncate", "commit"))
    work()


def said(run):
    """Return all that a run would say of users and models."""
    router = Router.from_pretrained(run)
    histories = {name: sorted(map(repr, router.history(name))) for name in router.users}
    events = {name: [event.id for event in router.events(name)] for name in router.users}
    cards = {name: router.data.models[name] for name in router.models}
    router.close()
    return {"histories": histories, "events": events, "models": cards}


def copied(made, folder):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    shutil.copy(made / "more.jsonl", folder)
    return shutil.copytree(made / "run", folder / "run")


def without_numbers(found):
    """A number that a transaction took and gave back is not used again, so only how many there are is compared."""
    return {**found, "events": {name: len(numbers) for name, numbers in found["events"].items()}}


def check(made, tmp_path, command, points):
    work = COMMANDS[command]
    old = said(copied(made, tmp_path / "old"))
    run = copied(made, tmp_path / "new")
    work(run)
    new = without_numbers(said(run))
    assert new != without_numbers(old)
    ended = {"old": 0, "new": 0}
    for point in points:
        run = copied(made, tmp_path / "killed")
        end = die_before(point, lambda run=run: traced(lambda: work(run)))
        if end == DONE:
            break
        assert end == DIED
        found = without_numbers(said(run))
        assert found in (without_numbers(old), new), f"killed before change {point}"
        ended["new" if found == new else "old"] += 1
        # What is gone cannot be taken back, or removed, twice.
        if command not in ("revoke", "models remove") or found != new:
            work(run)
        assert without_numbers(said(run)) == new
        assert not list(run.rglob("*.part")) and not list(run.parent.glob(".*.part"))
        assert not (run / ".forget.json").exists() and not (run / ".switch.json").exists()
    print(f"{command}: {ended}")
    return ended


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_that_is_killed_leaves_the_old_state_or_the_new(made, tmp_path, command):
    check(made, tmp_path, command, POINTS[:3])


@pytest.mark.soak
@pytest.mark.parametrize("command", COMMANDS)
def test_killed_before_every_one_of_its_writes(made, tmp_path, command):
    check(made, tmp_path, command, range(10_000))


@pytest.mark.parametrize("command", ["adapt --replace", "forget somebody trained on"])
def test_a_full_disk_leaves_the_old_state_or_the_new(made, tmp_path, command):
    work = COMMANDS[command]
    old = without_numbers(said(copied(made, tmp_path / "old")))
    run = copied(made, tmp_path / "new")
    work(run)
    new = without_numbers(said(run))
    for point in (2, 8, 15):
        run = copied(made, tmp_path / "full")
        assert fail_at(point, lambda run=run: work(run), OSError(errno.ENOSPC, "no space")) in (DONE, FAILED)
        assert without_numbers(said(run)) in (old, new)


def test_what_was_forgotten_is_completed_by_the_next_command(made, tmp_path):
    """A kill after the transaction has hidden the user; the next to open the run takes the rows out of its files."""
    run = copied(made, tmp_path / "run")
    for point in range(1, 200):
        run = copied(made, tmp_path / "run")
        if die_before(point, lambda run=run: Router.from_pretrained(run).forget("u1")) == DONE:
            break
        router = Router.from_pretrained(run)
        if "u1" not in router.users:
            break
    assert "u1" not in Router.from_pretrained(run).users
    assert b"u1" not in (run / "history.parquet").read_bytes()
