"""Check that the cache of vectors is safe between processes and that no damage to it reaches the caller."""

import sqlite3
import subprocess
import sys

import numpy as np
import pytest

from gmt.data.encoders import EncoderCard
from gmt.data.vector_cache import VectorCache

VECTORS = np.arange(12, dtype=np.float32).reshape(4, 3)


@pytest.fixture
def cache(tmp_path):
    return VectorCache(tmp_path / "deep" / "c.sqlite", 3)


def test_what_was_written_is_read_bit_by_bit(cache):
    assert cache.read(["a"]) == {}
    cache.write(list("abcd"), VECTORS)
    found = cache.read(["c", "none", "a"])
    assert sorted(found) == ["a", "c"]
    assert found["c"].tobytes() == VECTORS[2].tobytes() and found["a"].dtype == np.float32


def test_more_keys_than_fit_one_query_are_read(cache):
    keys = [f"k{n}" for n in range(1201)]
    cache.write(keys, np.arange(3.0 * len(keys)).reshape(-1, 3))
    found = cache.read([*keys, "none"])
    assert len(found) == len(keys) and found["k1200"].tolist() == [3600.0, 3601.0, 3602.0]


@pytest.mark.parametrize("content", [b"", b"no database", b"SQLite format 3\x00" + b"\xff" * 4096])
def test_a_damaged_file_is_no_error_and_is_remembered_into_again(cache, content):
    cache.path.parent.mkdir()
    cache.path.write_bytes(content)
    assert cache.read(["a"]) == {}
    cache.write(["a"], VECTORS[:1])
    cache.write(["a"], VECTORS[:1])  # a file that was no database is gone by now
    assert list(cache.read(["a"])) == ["a"]


def test_a_row_that_cannot_be_a_vector_is_passed_over(cache):
    cache.write(list("abcd"), VECTORS)
    with sqlite3.connect(cache.path) as database:
        database.execute("UPDATE vectors SET vector = x'00' WHERE key = 'a'")
        database.execute("UPDATE vectors SET vector = ? WHERE key = 'b'", [np.full(3, np.nan, np.float32).tobytes()])
    database.close()
    assert sorted(cache.read("abcd")) == ["c", "d"]


def test_a_write_that_fails_loses_nothing(cache, monkeypatch):
    cache.write(["a"], VECTORS[:1])
    with sqlite3.connect(cache.path) as database:
        database.execute("CREATE TRIGGER full BEFORE INSERT ON vectors BEGIN SELECT RAISE(ABORT, 'disk full'); END")
    database.close()
    cache.write(["b"], VECTORS[1:2])
    assert list(cache.read("ab")) == ["a"]


def test_a_folder_that_cannot_be_written_costs_nothing(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    cache = VectorCache(tmp_path / "file" / "c.sqlite", 3)
    cache.write(["a"], VECTORS[:1])
    assert cache.read(["a"]) == {}


def test_processes_that_write_at_once_lose_nothing(cache):
    """Start two processes that wait for each other, then write twenty chunks each, all vectors overlapping in part."""
    code = (
        "import sys, time; from pathlib import Path; import numpy as np\n"
        "from gmt.data.vector_cache import VectorCache\n"
        "path, own, other = Path(sys.argv[1]), sys.argv[2], sys.argv[3]\n"
        "Path(path.parent / own).touch()\n"
        "while not (path.parent / other).exists(): time.sleep(0.001)\n"
        "for n in range(20):\n"
        "    VectorCache(path, 3).write([f'{own}{n}', f'both{n}'], np.full((2, 3), n))\n"
    )
    cache.path.parent.mkdir()
    running = [subprocess.Popen([sys.executable, "-c", code, str(cache.path), *pair]) for pair in ("xy", "yx")]
    assert [process.wait() for process in running] == [0, 0]
    names = [f"{name}{n}" for name in ("x", "y", "both") for n in range(20)]
    found = cache.read(names)
    assert sorted(found) == sorted(names)
    assert all(found[f"both{n}"].tolist() == [n] * 3 for n in range(20))


def test_the_environment_says_where_the_cache_lies_or_that_there_is_none(tmp_path, monkeypatch):
    card = EncoderCard("some/encoder", "0123456789abcdef", 3)
    monkeypatch.setenv("GMT_CACHE", str(tmp_path))
    made = VectorCache.of(card)
    assert made is not None and made.path == tmp_path / "embeddings" / "some--encoder-0123456789ab-3.sqlite"
    assert VectorCache.of(EncoderCard("hash:64", "1", 64)) is None
    monkeypatch.setenv("GMT_CACHE", "off")
    assert VectorCache.of(card) is None
