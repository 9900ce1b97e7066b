"""Check that no decision is lost while the database takes none, and that feedback waits for those made elsewhere."""

import threading
import time

import pytest

from gmt.errors import RunError
from gmt.gateway import decision_writer
from gmt.gateway.decision_number import LENGTH, is_young, new_number
from gmt.gateway.decision_writer import DecisionWriter
from gmt.serving.pretrained import Router
from gmt.state.kept_decisions import KeptDecision, KeptDecisions
from tests.gateway.conftest import A
from tests.gateway.test_feedback import route, say
from tests.gateway.upstreams import http


@pytest.fixture
def kept(good_copy):
    router = Router.from_pretrained(good_copy)
    yield KeptDecisions(router.live.state.made())
    router.close()


@pytest.fixture
def writer(kept, monkeypatch):
    monkeypatch.setattr(decision_writer, "RETRY", 0.05)
    found = DecisionWriter(kept, 1.0)
    yield found
    found.close()


def decision(kept, user="ana", query="q", **facts):
    told = {"tenant": "", "query": query, "model": A, "turn": 0, **facts}
    return KeptDecision(new_number(kept.store.run), user, f"c {user}", time.time(), told)


def until(true, seconds=20):
    deadline = time.monotonic() + seconds
    while not true() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert true()


def test_numbers_tell_their_age_to_their_own_run():
    number = new_number("run", 1000.0)
    assert len(number) == LENGTH <= 40 and len({new_number("run") for _ in range(100)}) == 100
    assert is_young(number, "run", 10, 1009.0) and is_young(number, "run", 10, 991.0)  # clocks differ
    assert not is_young(number, "run", 10, 1011.0) and not is_young(number, "run", 10, 989.0)
    assert is_young(number, "run", 10, 1000.0 + 2**32 / 1e3)  # times begin again
    assert not is_young(number, "another", 10, 1000.0)
    for wrong in (number[:-1], number + "0", "x" + number[1:], "", "dec_0", f"dec_{'é' * 36}", f"dec_{'0' * 36}"):
        assert not is_young(wrong, "run", 10, 1000.0)


def test_what_the_database_refuses_is_held_and_written_later(writer, kept, monkeypatch):
    add, refused = kept.add, []

    def failing(rows):
        if len(refused) < 3 and rows:
            refused.append(len(rows))
            raise RunError("state.db: database is locked")
        add(rows)

    monkeypatch.setattr(kept, "add", failing)
    monkeypatch.setattr(decision_writer, "FRESH", 0.0)  # held for no other reason than that it is not written
    rows = [decision(kept, f"user {n}") for n in range(3)]
    for row in rows:
        writer.put(row)
    assert writer.get(rows[0].id) == rows[0] and writer.last_of(rows[1].conversation) == rows[1]
    until(lambda: kept.get(rows[2].id) is not None)
    assert len(refused) == 3 and [kept.get(row.id) for row in rows] == rows
    add(rows)  # sent again, as where the connection broke after the commit
    assert [kept.get(row.id) for row in rows] == rows


def test_decisions_are_held_for_a_moment_and_while_they_are_not_written(writer, kept, monkeypatch):
    monkeypatch.setattr(decision_writer, "FRESH", 0.05)
    for number in range(200):
        writer.put(decision(kept, f"user {number}"))
    writer.flush()
    time.sleep(0.06)
    writer.put(decision(kept))
    assert len(writer._recent) <= 2 and len(writer._last) <= 2 and len(writer._unwritten) <= 1
    monkeypatch.setattr(decision_writer, "HELD", 10)
    monkeypatch.setattr(kept, "add", lambda rows: (_ for _ in ()).throw(RunError("full")))
    for number in range(30):
        writer.put(decision(kept, f"late {number}"))
    assert len(writer._unwritten) <= 10


def test_feedback_waits_for_a_decision_of_another_process_and_holds_nobody_up(started, kept):
    url, row, ended = started(), decision(kept, query="How do I plan a garden?"), []
    thread = threading.Thread(target=lambda: ended.append(say(url, decision=row.id, thumb="up")))
    waiting = [threading.Thread(target=http.post, args=(f"{url}/v1/feedback",), kwargs={"json": {
        "decision": new_number(kept.store.run), "thumb": "up"}}) for _ in range(5)]  # fmt: skip
    for one in (thread, *waiting):
        one.start()
    time.sleep(0.3)
    before = time.monotonic()
    other = route(url, "ben")  # no thread is held by those who wait
    assert say(url, decision=other["decision"], thumb="down")["added"]
    assert not ended
    kept.add([row])
    thread.join(20)
    assert ended and ended[0]["added"] and ended[0]["votes"] == 1
    assert time.monotonic() - before < 9  # the five that never come are still waited for
    for one in waiting:
        one.join(30)


def test_what_never_comes_is_said_and_what_was_made_up_is_not_waited_for(started, kept, monkeypatch):
    url = started()
    monkeypatch.setattr("gmt.gateway.feedback_routes.WRITTEN_WITHIN", 0.3)
    lost = say(url, 503, decision=new_number(kept.store.run), thumb="up")
    assert "not written yet" in lost["error"]["message"]
    looks, get = [], KeptDecisions.get
    monkeypatch.setattr(KeptDecisions, "get", lambda self, id: looks.append(id) or get(self, id))
    monkeypatch.setattr("gmt.gateway.feedback_routes.WRITTEN_WITHIN", 1e6)
    for made_up in ("dec_0", f"dec_{'0' * 36}", new_number("another run")):
        say(url, 404, decision=made_up, thumb="up")
    assert len(looks) == 3


def test_a_deleted_decision_is_known_to_be_gone(started, kept, monkeypatch):
    url = started()
    monkeypatch.setattr("gmt.gateway.feedback_routes.WRITTEN_WITHIN", 1e6)
    fresh = route(url, "ana", "a very rare question")
    assert http.delete(f"{url}/v1/users/ana").status_code == 200
    say(url, 404, decision=fresh["decision"], thumb="up")
    late = decision(kept, "ana", "a very rare question")
    kept.add([late])
    kept.drop([late.id])
    say(url, 404, decision=late.id, thumb="up")
    assert kept.of_user("ana") == [] and kept.last_of(late.conversation) is None
    left = kept.get(late.id)
    assert left is not None and left.user is None and not left.payload and not left.conversation
