"""Run a private PostgreSQL server for a session of tests: a free local port, a folder of its own, nothing kept."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from pathlib import Path

import pytest

OWNER = "postgres"  # the server refuses to run as root


def programs():
    """Return the folder of the newest installed server, or None."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).parent if on_path else None


@pytest.fixture(scope="session")
def postgres_server():
    """Give the URL of a running server, without the name of a database."""
    bin = programs()
    if bin is None:
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    pytest.importorskip("psycopg", reason="psycopg is not installed: pip install 'gmt-router[postgres]'")
    as_owner = {"user": OWNER, "group": OWNER, "extra_groups": []} if os.geteuid() == 0 else {}
    folder = Path(tempfile.mkdtemp(prefix="gmt-pg-"))
    try:
        if as_owner:
            shutil.chown(folder, OWNER, OWNER)
        data, quiet = folder / "data", {"stdout": subprocess.DEVNULL, "stderr": subprocess.STDOUT, "cwd": folder}
        options = ["-A", "trust", "-U", "gmt", "-E", "UTF8", "--locale=C", "--no-sync"]
        subprocess.run([bin / "initdb", "-D", data, *options], check=True, **quiet, **as_owner)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        settings = [
            "listen_addresses=127.0.0.1",
            f"unix_socket_directories={folder}",
            "fsync=off",
            "max_connections=200",
        ]
        command = [bin / "postgres", "-D", data, "-p", str(port), *(word for s in settings for word in ("-c", s))]
        server = subprocess.Popen(command, **quiet, **as_owner)
        try:
            _wait(port, server)
            yield f"postgresql://gmt@127.0.0.1:{port}"
        finally:
            server.send_signal(signal.SIGINT)  # at once; by SIGTERM it waits for its clients to go
            server.wait()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgres_database(postgres_server):
    """Give the URL of a new, empty database."""
    yield new_database(postgres_server)


@pytest.fixture(scope="session")
def postgres_shared(postgres_server):
    """Give the URL of one database for many runs."""
    return new_database(postgres_server)


def new_database(server):
    import psycopg

    name = f"db{uuid.uuid4().hex[:12]}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return f"{server}/{name}"


def _wait(port, server):
    import psycopg

    for _ in range(600):
        if server.poll() is not None:
            raise RuntimeError(f"postgres ended with {server.returncode} before it answered")
        try:
            psycopg.connect(f"postgresql://gmt@127.0.0.1:{port}/postgres", connect_timeout=2).close()
            return
        except psycopg.OperationalError:
            time.sleep(0.1)
    raise RuntimeError("postgres did not answer")
