"""Check that whatever a database says reaches the user as one line with a repair."""

import os

import pytest
from sqlalchemy import event, text

from gmt.errors import RunError, UserError
from gmt.state.engine import FILE, WRITE, connect, database_url
from gmt.state.state_store import StateStore
from tests.state.plain import vote


def test_the_database_stands_in_the_run_unless_a_url_names_another(tmp_path):
    assert database_url(tmp_path, None).database == str(tmp_path / FILE)
    url = database_url(tmp_path, "postgresql://gmt:secret@host/name")
    assert url.drivername == "postgresql+psycopg" and url.database == "name"
    assert database_url(tmp_path, f"sqlite:///{tmp_path}/x.db").database == f"{tmp_path}/x.db"


@pytest.mark.parametrize("url", ["", "nonsense", "mysql://host/name", "sqlite://", "sqlite:///:memory:"])
def test_a_url_that_names_neither_is_refused(tmp_path, url):
    with pytest.raises(UserError, match="--state .*expected .*postgresql://user@host/name"):
        database_url(tmp_path, url)


def one_line(error):
    message = str(error.value)
    return len(message.splitlines()) == 1 and len(message) <= 300


def test_a_server_that_does_not_answer_is_named_without_the_password(tmp_path):
    pytest.importorskip("psycopg")
    with pytest.raises(RunError, match="see that the server runs") as error:
        StateStore.open(tmp_path, "postgresql://gmt:secret@127.0.0.1:1/name", run="r")
    assert one_line(error) and "secret" not in str(error.value)


@pytest.mark.parametrize("data", [b"no database at all" * 300, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_file_that_is_no_database_is_named(tmp_path, data):
    (tmp_path / FILE).write_bytes(data)
    with pytest.raises(RunError, match="state.db: .*; restore it from a copy") as error:
        StateStore.open(tmp_path, run="r")
    assert one_line(error) and (tmp_path / FILE).read_bytes() == data


def test_a_folder_that_is_missing_is_named(tmp_path):
    with pytest.raises(RunError, match="unable to open database file; make the folder writable") as error:
        StateStore.open(tmp_path, f"sqlite:///{tmp_path}/not/there.db", run="r")
    assert one_line(error)


def test_a_full_disk_is_one_line_and_changes_nothing(sqlite_place):
    with sqlite_place.open() as store:
        store.add("ana", [vote(1)])

        def limit(connection, _):
            connection.execute(f"PRAGMA max_page_count = {connection.execute('PRAGMA page_count').fetchone()[0]}")

        event.listen(store._engine, "connect", limit)
        store._engine.dispose()
        with pytest.raises(RunError, match="disk is full; free some space and try again") as error:
            for number in range(2, 100):
                store.add("ana", [vote(number, words="long " * 500)])
        assert one_line(error)
        assert store.version() == len(store.events_of("ana")) >= 1


def test_a_writer_that_waited_too_long_is_told_why(sqlite_place, monkeypatch):
    monkeypatch.setattr("gmt.state.engine.WAIT", 0.05)
    with sqlite_place.open() as store, sqlite_place.open() as other:
        with other._engine.execution_options(**{WRITE: True}).begin(), pytest.raises(RunError) as error:
            store.add("ana", [vote(1)])
        assert "another command holds it; wait for it to end" in str(error.value) and one_line(error)
        store.add("ana", [vote(1)])


def test_what_is_acknowledged_is_on_the_disk_and_what_is_deleted_is_overwritten(sqlite_place):
    with sqlite_place.open() as store, store._engine.connect() as connection:
        values = {
            name: connection.execute(text(f"PRAGMA {name}")).scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "secure_delete", "busy_timeout")
        }
    assert values == {
        "journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "secure_delete": 1, "busy_timeout": 60000,
    }  # fmt: skip
    assert not os.path.exists(sqlite_place.folder / f"{FILE}-wal")


def test_an_old_sqlite_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr("sqlite3.sqlite_version_info", (3, 34, 0))
    with pytest.raises(RunError, match="3.35 or newer is needed"):
        connect(database_url(tmp_path, None))
