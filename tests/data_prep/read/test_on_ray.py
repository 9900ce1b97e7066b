"""Check that Ray, started here with two workers, writes the very folder that the local engine writes."""

import dataclasses
import subprocess
import sys

import pytest

from data_prep.prepare import PrepOptions, prepare
from data_prep.read import on_ray, pieces
from data_prep.read.on_ray import session
from data_prep.sources.source import SourceOptions
from gmt.errors import DataError
from tests.data_prep.read.test_rated_input import VOTES, write_battles, write_rows, write_votes

pytest.importorskip("ray", reason="needs Ray: pip install 'gmt-router[ray]'")


@pytest.fixture(scope="module", autouse=True)
def two_workers():
    with session(2):
        yield


@pytest.fixture
def small_pieces(monkeypatch):
    monkeypatch.setattr(pieces, "PIECE_BYTES", 1500)


def both(source, path, out, columns):
    cards = []
    for engine in ("local", "ray"):
        chosen = dataclasses.replace(columns, engine=engine, workers=2 if engine == "ray" else 1)
        cards.append(
            prepare(PrepOptions(source, out / engine, path, "hash:32", drop_bad_rows=True, seed=3, columns=chosen))
        )
    return cards


@pytest.mark.parametrize(
    ("source", "write", "columns"),
    [
        ("votes", lambda folder: write_votes(folder / "votes.csv", 90), VOTES),
        ("jsonl", lambda folder: write_rows(folder / "rows.jsonl"), SourceOptions()),
        ("arena", lambda folder: write_battles(folder / "battles.jsonl"), SourceOptions()),
    ],
)
def test_the_folder_is_the_same_to_the_byte(tmp_path, small_pieces, source, write, columns):
    path = write(tmp_path)
    local, on_ray = both(source, path, tmp_path, columns)
    assert local == on_ray and local["bad_rows"] > 0 and len(local["files"]) > 4
    left = sorted(file.relative_to(tmp_path / "ray").as_posix() for file in (tmp_path / "ray").rglob("*"))
    assert left == sorted(file.relative_to(tmp_path / "local").as_posix() for file in (tmp_path / "local").rglob("*"))


def test_the_command_starts_a_ray_of_one_worker_and_stops_it(tmp_path):
    path = write_rows(tmp_path / "rows.jsonl")
    command = [sys.executable, "cli.py", "prep", "jsonl", str(path), "--encoder", "hash:32", "--drop-bad-rows"]
    shown = {}
    for engine in ("local", "ray"):
        out = tmp_path / engine
        done = subprocess.run([*command, "--engine", engine, "--out", str(out)], capture_output=True, timeout=200)
        assert done.returncode == 0, done.stderr.decode()
        shown[engine] = [part.decode().replace(str(out), "out") for part in (done.stdout, done.stderr)]
    assert shown["local"][0] == shown["ray"][0]
    lines = shown["ray"][1].splitlines()  # Ray may have lines of its own there
    said = shown["local"][1].splitlines()
    assert said.pop().startswith("written to out in ") and any(line.startswith("written to out in ") for line in lines)
    assert [line for line in lines if line.startswith(("rows.jsonl", "Note: "))] == said != []
    for name in ("interactions.parquet", "embeddings/vectors.npy", "embeddings/keys.parquet", "rejected.csv"):
        assert (tmp_path / "local" / name).read_bytes() == (tmp_path / "ray" / name).read_bytes()


def test_a_file_that_cannot_be_read_is_named_and_nothing_is_written(tmp_path):
    path = tmp_path / "votes.csv"
    path.write_bytes("u,q,w,a,b\nana,caf\xe9,tie,M,N\n".encode("latin-1"))
    columns = dataclasses.replace(VOTES, engine="ray", workers=2)
    with pytest.raises(DataError, match="not UTF-8"):
        prepare(PrepOptions("votes", tmp_path / "out", path, "hash:32", columns=columns))
    assert sorted(file.name for file in tmp_path.iterdir()) == ["votes.csv"]


def test_a_fault_of_the_call_names_the_line_and_stops_the_work(tmp_path, small_pieces):
    path = tmp_path / "rated.jsonl"
    path.write_text(
        "".join(f'{{"u": "ana", "q": "why {n}", "m": "x", "r": {7 if n == 69 else 1}}}\n' for n in range(90))
    )
    columns = SourceOptions(user="u", query="q", model="m", rating="r", engine="ray", workers=2)
    with pytest.raises(DataError, match="rated.jsonl line 70: r is 7, outside 0 to 1; state the scale"):
        prepare(PrepOptions("votes", tmp_path / "out", path, "hash:32", columns=columns))


def test_bad_rows_stop_the_work_as_they_do_here(tmp_path):
    path = write_rows(tmp_path / "rows.jsonl")
    columns = SourceOptions(engine="ray", workers=2)
    with pytest.raises(DataError, match="rows.jsonl line 21: not JSON .* 1 more are bad and 40 other rows are fine"):
        prepare(PrepOptions("jsonl", tmp_path / "out", path, "hash:32", columns=columns))


def test_what_ray_does_not_do_is_said(tmp_path, monkeypatch):
    with pytest.raises(DataError, match="mt-bench is read by the local .* reads votes, jsonl, arena"):
        prepare(PrepOptions("mt-bench", tmp_path / "out", tmp_path, columns=SourceOptions(engine="ray")))
    with pytest.raises(DataError, match="engine is 'spark'; expected one of local, ray"):
        SourceOptions(engine="spark")
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(DataError, match=r"--engine ray needs Ray .* pip install 'gmt-router\[ray\]'"):
        on_ray._imported()
