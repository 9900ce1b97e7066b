"""Check that databases of older schemas are upgraded, newer ones refused, and that no statement walks a table."""

import shutil
import uuid

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import event, inspect, text

from gmt.data.dataset import ModelInfo
from gmt.errors import RunError
from gmt.state import migrate
from gmt.state.database_tables import metadata
from tests.state.conftest import Place
from tests.state.plain import vote


@pytest.fixture(params=["sqlite", "postgresql"])
def own(request, tmp_path):
    """A place in a database that no other test looks into."""
    url = request.getfixturevalue("postgres_database") if request.param == "postgresql" else None
    return Place(tmp_path, url, str(uuid.uuid4()))


LATER = """
import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade():
    op.add_column("events", sa.Column("mood", sa.Text()))
    op.execute("UPDATE events SET mood = 'fine'")
    FAIL
"""


@pytest.fixture
def later(monkeypatch, tmp_path_factory):
    """Let this gmt have one more revision of the schema; called with what else the upgrade does."""

    def make(fail=""):
        folder = tmp_path_factory.mktemp("gmt") / "100% migrations"
        shutil.copytree(migrate.FOLDER, folder)
        (folder / "versions" / "0004_mood.py").write_text(LATER.replace("FAIL", fail))
        monkeypatch.setattr(migrate, "FOLDER", folder)
        monkeypatch.setattr(migrate, "HEAD", "0004")

    return make


def revision(store):
    with store._engine.connect() as connection:
        return connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one()


def test_the_revision_the_code_names_is_the_newest_and_makes_the_tables_it_uses(own):
    assert ScriptDirectory(str(migrate.FOLDER)).get_current_head() == migrate.HEAD
    with own.open() as store, store._engine.connect() as connection:
        assert revision(store) == migrate.HEAD
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_an_old_schema_is_upgraded_with_its_votes(own, later):
    with own.open() as store:
        store.add("ana", [vote(1)])
    later()
    with own.open() as store:
        assert revision(store) == "0004" and len(store.events_of("ana")) == 1
        with store._engine.connect() as connection:
            assert connection.execute(text("SELECT mood FROM events")).scalars().all() == ["fine"]


def test_an_upgrade_that_fails_leaves_the_old_schema(own, later, monkeypatch):
    with own.open() as store:
        store.add("ana", [vote(1)])
    with monkeypatch.context():
        later("raise ZeroDivisionError")
        with pytest.raises(ZeroDivisionError):
            own.open()
    monkeypatch.undo()
    with own.open() as store:
        assert revision(store) == "0003" and len(store.events_of("ana")) == 1
        assert "mood" not in {column["name"] for column in inspect(store._engine).get_columns("events")}


def test_a_newer_schema_is_refused_in_one_line_and_left_alone(own, later, monkeypatch):
    later()
    with own.open() as store:
        store.add("ana", [vote(1)])
    monkeypatch.undo()
    with pytest.raises(RunError, match=r"the state has schema 0004 and this gmt knows 0003; install the gmt that last"):
        own.open()
    later()
    with own.open() as store:
        assert len(store.events_of("ana")) == 1


def statements_of(store, work):
    """Return the statements, with their values, that some work sends."""
    sent = []

    def note(connection, cursor, statement, parameters, context, many):
        sent.append((statement, parameters[0] if many else parameters))

    event.listen(store._engine, "before_cursor_execute", note)
    work()
    event.remove(store._engine, "before_cursor_execute", note)
    return sent


GROW = """
INSERT INTO events (run_id, user_id, form, payload, content, seal, source, created, version)
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})
SELECT e.run_id, e.user_id, e.form, e.payload, 'other ' || n.i, e.seal, e.source, e.created, e.version
FROM n, (SELECT * FROM events WHERE id = {id}) e
"""


@pytest.mark.parametrize("count", [100_000, pytest.param(1_000_000, marks=pytest.mark.soak)])
def test_a_vote_costs_the_same_beside_any_number_of_others(own, count):
    sent = {}
    with own.open() as store:
        (first,) = store.add("ana", [vote(0)]).ids
        store.add("bo", [vote(0)])
        for total in (1000, count):
            with store._engine.begin() as connection:
                connection.execute(text(GROW.format(count=total - 1, id=first).replace("other", f"of {total}")))
                connection.execute(text("ANALYZE"))

            def work(total=total):
                # First turns, which begin conversations, then second ones, which join them.
                store.add("ana", [vote(7 * total)], keys=[f"k{total}"])
                store.add("bo", [vote(7 * total)])
                store.revoke(store.add("ana", [vote(7 * total + 1)]).ids[0])
                store.add_model(f"m{total}", ModelInfo(f"model {total}"))
                store.version(), store.news(store.version()), list(store.events_since(store.version()))

            sent[total] = statements_of(store, work)
        assert len(sent[1000]) == len(sent[count]) < 90
        with store._engine.connect() as connection:
            for statement, values in sent[count]:
                walks = walks_of(connection, statement, values)
                assert not walks, f"{statement} walks: {walks}"


FEW = ("SCAN models", "SCAN forgotten", "SCAN runs")  # with two rows a walk is the best plan


def walks_of(connection, statement, values):
    """Return the parts of a statement's plan that read a whole table of those that grow with the votes."""
    if statement.startswith(("BEGIN", "EXPLAIN", "PRAGMA")):
        return []
    if connection.dialect.name == "sqlite":
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values).all()
        return [row[-1] for row in plan if row[-1].startswith("SCAN") and row[-1] not in FEW]
    plan = connection.exec_driver_sql(f"EXPLAIN {statement}", values).scalars().all()
    return [line for line in plan if "Seq Scan on events" in line]
