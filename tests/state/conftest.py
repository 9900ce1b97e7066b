"""Give every test of the store a place to keep state in, once in SQLite and once in PostgreSQL."""

import uuid
from dataclasses import dataclass
from pathlib import Path

import pytest

from gmt.state.state_store import StateStore


@dataclass
class Place:
    """Name where the state of one run is, so that another process can open it too."""

    folder: Path
    url: str | None
    run: str

    def open(self, **options):
        return StateStore.open(self.folder, self.url, run=self.run, **options)

    def another(self):
        """Another run in the same database, where one database holds many."""
        run = str(uuid.uuid4())
        return Place(self.folder if self.url else self.folder / run[:8], self.url, run).ready()

    def ready(self):
        self.folder.mkdir(exist_ok=True)
        return self


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request, tmp_path):
    url = request.getfixturevalue("postgres_shared") if request.param == "postgresql" else None
    return Place(tmp_path, url, str(uuid.uuid4()))


@pytest.fixture
def sqlite_place(tmp_path):
    return Place(tmp_path, None, str(uuid.uuid4()))


@pytest.fixture
def postgres_place(tmp_path, postgres_shared):
    return Place(tmp_path, postgres_shared, str(uuid.uuid4()))


@pytest.fixture
def store(place):
    with place.open(encoder="hashing@1") as store:
        yield store
