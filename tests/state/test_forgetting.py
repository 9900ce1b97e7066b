"""Check that nothing a person told can be read out of the file once they are forgotten."""

import os
import struct

import numpy as np
import pytest
from sqlalchemy import text

from gmt.data.comparisons import Candidate, Comparison
from gmt.data.store import key_of
from gmt.errors import RunError
from tests.crashes import DIED
from tests.state.plain import vote

VECTOR = np.array([1.2345679, -9.8765432], np.float32)
SECRETS = ["Zebedäus", "what ails me", "take two pills", "rude answer", "secret talk", "odd-question-id", "my task"]


def secret_rounds(count=3):
    pair = (Candidate("x", "take two pills", 1.0), Candidate("y", None, 0.0, "rude answer"))
    return [
        Comparison("anybody", "secret talk", n, f"what ails me {n}", pair, "odd-question-id", "my task", 1.0)
        for n in range(count)
    ]


def remains(folder):
    """Return what of the secrets the bytes of the folder still hold."""
    data = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    needles = {name: [name.encode(), name.encode("utf-16-le")] for name in [*SECRETS, "Zebed"]}
    needles["vector"] = [struct.pack("<f", VECTOR[0])]
    return {name for name, forms in needles.items() if any(form in data for form in forms)}


def fill(store):
    store.add("bo", [vote(n, words="harmless") for n in range(50)])
    vectors = {f"what ails me {n}": VECTOR for n in range(3)}
    found = store.add("Zebedäus", secret_rounds(), vectors=vectors, keys=["my task 0", "my task 1", "my task 2"])
    store.set_offset("Zebedäus", VECTOR)
    store.revoke(found.ids[0])
    store.add("bo", [vote(n, words="more") for n in range(50)])


def test_forgetting_leaves_neither_name_nor_text_in_the_files(sqlite_place):
    with sqlite_place.open() as store, sqlite_place.open() as other:
        fill(store)
        assert len(other.events_of("Zebedäus")) == 2
        assert remains(sqlite_place.folder) >= {"Zebedäus", "what ails me", "take two pills", "rude answer", "vector"}
        found = store.forget("Zebedäus")
        assert (found.events, found.texts, found.remains) == (3, 5, None)
        assert remains(sqlite_place.folder) == set()
        store.add("bo", [vote(999)])
    assert remains(sqlite_place.folder) == set()


def test_many_rounds_forgotten_leave_nothing_in_freed_pages(sqlite_place):
    with sqlite_place.open() as store:
        for n in range(20):
            store.add("bo", [vote(n, words="harmless " * 40)])
            store.add("Zebedäus", secret_rounds(20 * n + 20)[-20:])
        store.forget("Zebedäus")
        assert remains(sqlite_place.folder) == set() and len(store.events_of("bo")) == 20


def test_while_somebody_reads_the_command_says_what_remains_and_the_next_clears_it(sqlite_place, monkeypatch):
    monkeypatch.setattr("gmt.state.engine.WAIT", 0.05)
    with sqlite_place.open() as store, sqlite_place.open() as other:
        fill(store)
        with other._engine.begin() as reading:
            reading.execute(text("SELECT * FROM users")).all()
            found = store.forget("Zebedäus")
            assert "state.db-wal holds it while another command reads the run" in str(found.remains)
            assert remains(sqlite_place.folder) and store.events_of("Zebedäus") == []
    with sqlite_place.open() as store:
        assert remains(sqlite_place.folder) == set() and len(store.events_of("bo")) == 100


def test_a_command_killed_between_forgetting_and_overwriting_is_completed_by_the_next(sqlite_place):
    with sqlite_place.open() as store:
        fill(store)
    child = os.fork()
    if child == 0:
        import gmt.state.state_store

        gmt.state.state_store.scrub = lambda *_: os._exit(DIED)
        sqlite_place.open().forget("Zebedäus")
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == DIED and remains(sqlite_place.folder)
    with sqlite_place.open() as store:
        assert remains(sqlite_place.folder) == set() and list(store.users()) == ["bo"]


def test_without_texts_none_is_ever_written(sqlite_place):
    with sqlite_place.open(keep_texts=False) as store:
        store.add("Zebedäus", secret_rounds())
        assert remains(sqlite_place.folder) & {"what ails me", "take two pills", "rude answer"} == set()


def test_on_postgresql_the_command_says_what_the_server_keeps(postgres_place):
    with postgres_place.open() as store:
        fill(store)
        found = store.forget("Zebedäus")
        assert "PostgreSQL keeps deleted rows until it reuses their pages" in str(found.remains)
        tables = ("users", "events", "texts", "uses", "conversations", "vectors", "models", "forgotten")
        with store._engine.begin() as connection:
            for table in tables:
                rows = connection.execute(text(f"SELECT t::text FROM {table} t")).scalars()
                assert not [row for row in rows if any(secret in row for secret in SECRETS)]
    with postgres_place.open() as store:
        assert list(store.users()) == ["bo"]


DAMAGE = {
    "UPDATE events SET payload = replace(payload, '1.0', '0.5')": r"event \d+ in the state is damaged",
    "UPDATE events SET key = 'other'": r"event \d+ in the state is damaged",
    "UPDATE events SET user_id = (SELECT max(id) FROM users u WHERE u.run_id = events.run_id)": r"event \d+ .*damaged",
    "UPDATE users SET name = 'Ana'": "the name of a user in the state is damaged",
}


@pytest.mark.parametrize("statement", DAMAGE)
def test_a_changed_row_is_found_and_named(place, statement):
    with place.open() as store:
        store.add("ana", [vote(1)])
        store.add("bo", [vote(2)])
        with store._engine.begin() as connection:
            connection.execute(text(f"{statement} WHERE run_id = {store._run_id}"))
        with pytest.raises(RunError, match=f"{DAMAGE[statement]}.*; restore the state from a copy"):
            [*store.events_of("ana"), *store.events_of("bo"), *store.events_since()]


def test_a_changed_text_or_vector_is_found(place):
    with place.open() as store:
        store.add("ana", [vote(1)], vectors={"question 1": VECTOR})
        mine = {"run": store._run_id, "data": b"question 2"}
        with store._engine.begin() as connection:
            connection.execute(text("UPDATE texts SET text = :data WHERE run_id = :run"), mine)
            connection.execute(text("UPDATE vectors SET vector = :data WHERE run_id = :run"), mine)
        with pytest.raises(RunError, match="text .* in the state is damaged"):
            store.events_of("ana")
        with pytest.raises(RunError, match="the vector of text .* in the state is damaged"):
            store.vectors([key_of("question 1")])
