"""Check that many who tell a run things at once, in every way there is, lose nothing, while others ask it."""

import json
import multiprocessing
import shutil
import threading
import time

import numpy as np
import pytest

from gmt.bench.made_data import made_dataset, made_run
from gmt.cli.main import main
from gmt.runs import RunFolder
from gmt.serving.pretrained import Router
from tests.crashes import LEARNS_IN_FORKS, count_of

WRITERS, VOTES, AT_ONCE = 8, 20, 10
pytestmark = LEARNS_IN_FORKS
fork = multiprocessing.get_context("fork")


def votes_of(writer, count):
    return [
        {"query": f"writer {writer} vote {n}", "model_a": "m0", "model_b": "m1", "winner": "model_a"}
        for n in range(count)
    ]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    made_run(RunFolder(folder), made_dataset(4, 6, width=16))
    return folder


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request, made, tmp_path):
    """Return a run and the URL of its state."""
    url = request.getfixturevalue("postgres_database") if request.param == "postgresql" else None
    run = shutil.copytree(made, tmp_path / "run")
    if url is not None:
        Router.from_pretrained(run, url).close()  # the folder's manifest names the run from here on
    return run, url


def user_of(writer):
    return "shared" if writer % 2 else f"user {writer}"


def by_python(run, url, writer, count):
    router = Router.from_pretrained(run, url)
    for low in range(0, count, AT_ONCE):
        router.add(user_of(writer), votes_of(writer, count)[low : low + AT_ONCE])
    router.close()


def by_threads(run, url, writers, count):
    router = Router.from_pretrained(run, url)

    def tell(writer):
        for number, one in enumerate(votes_of(writer, count)):
            router.add(user_of(writer), [one], keys=[f"{writer} {number}"])

    threads = [threading.Thread(target=tell, args=(writer,)) for writer in writers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    router.close()


def by_command(run, url, writer, count):
    path = run.parent / f"{writer}.jsonl"
    for low in range(0, count, max(count // 2, 1)):
        path.write_text("".join(json.dumps(one) + "\n" for one in votes_of(writer, count)[low : low + count // 2]))
        where = ["--state", url] if url else []
        try:
            main(["adapt", "--user", user_of(writer), "--history", str(path), "--run", str(run), "--quiet", *where])
        except SystemExit as stop:
            assert stop.code in (0, None)


def by_commands(run, url, writer, count):
    """Tell every vote by a command of its own, as 8 × 50 times at a terminal."""
    path, where = run.parent / f"{writer}.jsonl", ["--state", url] if url else []
    for one in votes_of(writer, count):
        path.write_text(json.dumps(one) + "\n")
        try:
            main(["adapt", "--user", user_of(writer), "--history", str(path), "--run", str(run), "--quiet", *where])
        except SystemExit as stop:
            assert stop.code in (0, None)


def ask(run, url, stop, failures):
    """Ask somebody nobody writes about, whose scores must stay the same to the last digit, and one who tells more."""
    try:
        router = Router.from_pretrained(run, url)
        wanted = router.rank("u1", "how are you?", with_uncertainty=False)
        seen = 0
        while not stop.is_set():
            assert router.rank("u1", "how are you?", with_uncertainty=False) == wanted
            decision = router.rank("shared", "how are you?", with_uncertainty=False)
            assert decision.votes >= seen and np.isfinite([choice.score for choice in decision.ranking]).all()
            seen = decision.votes
            time.sleep(0.02)
    except BaseException as error:
        failures.put(repr(error))
        raise


def mixed(run, url, count):
    writers = [fork.Process(target=by_python, args=(run, url, w, count)) for w in (0, 1, 2)]
    writers += [fork.Process(target=by_command, args=(run, url, w, count)) for w in (3, 4)]
    return [*writers, fork.Process(target=by_threads, args=(run, url, (5, 6, 7), count))]


def check(run, url, count, made=mixed):
    stop, failures = fork.Event(), fork.Queue()
    readers = [fork.Process(target=ask, args=(run, url, stop, failures)) for _ in range(2)]
    writers = made(run, url, count)
    for process in (*readers, *writers):
        process.start()
    for process in writers:
        process.join()
    stop.set()
    for process in readers:
        process.join()
    assert failures.empty(), failures.get()
    assert [process.exitcode for process in (*readers, *writers)] == [0] * len((*readers, *writers))
    router = Router.from_pretrained(run, url)
    for user in {user_of(w) for w in range(WRITERS)}:
        wanted = [one["query"] for w in range(WRITERS) if user_of(w) == user for one in votes_of(w, count)]
        assert sorted(item.query for item in router.history(user)) == sorted(wanted)
        events = router.events(user)
        assert len({event.id for event in events}) == len(wanted) == router.votes(user)
    assert np.isfinite([choice.score for choice in router.rank("shared", "x").ranking]).all()
    # Every text has its own vector: that of the encoder, bit by bit.
    data, texts = router.data, router.run_data.texts
    some = np.linspace(0, len(data.table.texts) - 1, 50).astype(int)
    assert np.array_equal(data.vectors[some], texts.encode([data.table.texts[code] for code in some]))


def test_eight_writers_lose_nothing_while_two_ask(place):
    check(*place, VOTES)


@pytest.mark.soak
def test_eight_writers_of_a_thousand_votes_lose_nothing(place):
    check(*place, count_of(1000))


@pytest.mark.soak
def test_eight_writers_with_a_command_for_every_vote_lose_nothing(place):
    check(
        *place,
        count_of(50),
        lambda run, url, n: [fork.Process(target=by_commands, args=(run, url, w, n)) for w in range(8)],
    )
