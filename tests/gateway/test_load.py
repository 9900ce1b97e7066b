"""Check a gateway under crowds: every stream complete, no vote lost, and memory that stays what it is."""

import asyncio
import os

import pytest

from gmt.bench.gateway_load import gateway_under_load, many_streams, many_votes, request, soak, stream_load
from gmt.bench.server_process import server_process
from gmt.errors import RunError
from gmt.gateway.gateway_app import give_back_memory
from gmt.gateway.worker import raise_open_files
from gmt.serving.pretrained import Router
from tests.crashes import count_of

MODELS = ("m0", "m1")
MOST_GROWTH = 48.0
"""MiB by which a process may grow between the first and the last tenth of a soak, its start left out."""


@pytest.fixture(params=["sqlite", "postgresql"])
def state(request):
    return request.getfixturevalue("postgres_database") if request.param == "postgresql" else None


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    """Start one gateway of two processes, on SQLite, for all short tests; each has users of its own."""
    with gateway_under_load(tmp_path_factory.mktemp("loaded"), pause=0.05, workers=2) as running:
        yield running


@pytest.fixture
def voted_on(state, request, tmp_path):
    """Give a gateway of two processes for short tests on either database, and the database."""
    if state is None:
        yield request.getfixturevalue("loaded"), None
        return
    with gateway_under_load(tmp_path, workers=2, state=state) as running:
        yield running, state


def check_streams(running, count, rate):
    gateway, upstream, _ = running
    asyncio.run(many_streams(gateway.url, "gmt/auto", 5, 20.0))  # what is done once
    found = asyncio.run(stream_load(gateway, upstream, "m1", count, rate))
    print(found)
    for name in ("upstream alone", "plain name", "routed"):
        assert found[name]["complete"] == count, name
    assert found["routed"]["together"] > count / 4
    return found


def check_votes(running, state, writers, votes):
    """Every vote that was acknowledged is one event, and every one that was sent was acknowledged."""
    gateway, _, run = running
    found = asyncio.run(many_votes(gateway.url, writers, votes, MODELS))
    told = {user: asyncio.run(request(gateway.url, "/v1/route", {"user": user, "query": "query 1"}))
            for user in found.taken}  # fmt: skip
    print(f"{writers} x {votes}: sent again {found.sent_again}, seconds {sorted(found.seconds)[-5:]}")
    router = Router.from_pretrained(run, state)
    for user, taken in found.taken.items():
        events = router.events(user)
        assert {str(event.id) for event in events} == taken and len(events) == len(taken)
        assert told[user]["votes"] == router.votes(user) == len(events)
        keys = {event.key for event in events}
        assert keys == {f"writer {w} {n}" for w in range(writers) for n in range(votes)
                        if user == (f"writer {w}" if w % 2 == 0 else "writer shared")}  # fmt: skip
    assert sum(map(len, found.taken.values())) == writers * votes
    router.close()


def check_soak(running, seconds, rate):
    found = asyncio.run(soak(running[0], seconds, MODELS, rate))
    growth = found.growth()
    print(f"{found.requests} requests in {seconds:.0f} s, MiB {found.course()}, {len(found.failed)} failed")
    assert not found.failed, found.failed[:5]
    assert found.requests > seconds * rate / 4
    return growth


@pytest.mark.slow
def test_streams_that_are_open_together_are_all_complete(loaded):
    check_streams(loaded, 40, 80.0)


@pytest.mark.slow
def test_eight_writers_through_two_processes_lose_no_vote(voted_on):
    running, state = voted_on
    check_votes(running, state, 8, 5)


@pytest.mark.slow
def test_steady_work_is_all_answered(loaded):
    check_soak(loaded, 3.0, 40.0)


def test_a_server_that_cannot_start_is_said(tmp_path):
    with pytest.raises(RunError, match="ended with 3"), server_process(["sh", "-c", "exit 3"]):
        pass


def test_a_process_may_open_as_many_files_as_the_system_lets_it():
    resource = pytest.importorskip("resource")
    soft, hard = before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 512), hard))
    try:
        raise_open_files()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_freed_memory_is_given_back_where_the_system_can(monkeypatch):
    asked = []
    monkeypatch.setattr("ctypes.CDLL", lambda name: type("C", (), {"malloc_trim": staticmethod(asked.append)}))
    assert give_back_memory() and asked == [0]
    monkeypatch.setattr("ctypes.CDLL", lambda name: object())
    assert not give_back_memory()


@pytest.mark.soak
def test_a_thousand_streams_at_once_are_all_complete(tmp_path):
    with gateway_under_load(tmp_path, pause=5.0) as running:
        found = check_streams(running, 1000, 20.0)
    assert found["routed"]["together"] == 1000
    assert found["memory, MiB"]["most"] - found["memory, MiB"]["before"] < 200


@pytest.mark.soak
def test_eight_writers_of_a_thousand_votes_through_two_processes_lose_none(tmp_path, state):
    with gateway_under_load(tmp_path, workers=2, state=state) as running:
        check_votes(running, state, 8, count_of(1000))


@pytest.mark.soak
def test_memory_stays_what_it_is(tmp_path):
    """`GMT_SOAK_MINUTES` says how long, an hour by default."""
    seconds = 60 * float(os.environ.get("GMT_SOAK_MINUTES", "60"))
    with gateway_under_load(tmp_path, pause=0.01, workers=2) as running:
        growth = check_soak(running, seconds, 20.0)
    assert growth and max(growth.values()) < MOST_GROWTH, growth
