"""Check that files are hashed once, and again whenever one of them was written."""

import os
import time

import pytest

from gmt import verified
from gmt.errors import RunError
from gmt.manifest import seal
from gmt.verified import RECORD, verify_changed


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return a sealed folder, and count how often its files are hashed."""
    (tmp_path / "card.json").write_text("{}")
    (tmp_path / "embeddings").mkdir()
    (tmp_path / "embeddings" / "vectors.npy").write_bytes(b"0123456789")
    seal(tmp_path)
    hashed, real = [], verified.verify
    monkeypatch.setattr(verified, "SETTLED", -60.0)  # what was just written counts as settled
    monkeypatch.setattr(verified, "verify", lambda path, hashes: hashed.append(hashes) or real(path, hashes))
    return tmp_path, hashed


def test_nothing_is_hashed_twice(folder):
    path, hashed = folder
    first = verify_changed(path)
    assert verify_changed(path) == first and hashed == [True, False]


@pytest.mark.parametrize("changed", ["a bit", "a bit and the old time", "another file in its place", "the size"])
def test_what_was_written_is_hashed_again(folder, changed):
    path, _ = folder
    verify_changed(path)
    file = path / "embeddings" / "vectors.npy"
    before = file.stat()
    time.sleep(0.05)  # a step of the file system's clock
    if changed == "another file in its place":
        (path / "other").write_bytes(b"0123456780")
        os.replace(path / "other", file)
    else:
        file.write_bytes(b"0123456789abc" if changed == "the size" else b"0123456780")
    if changed != "a bit":
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(RunError, match=r"vectors\.npy"):
        verify_changed(path)


def test_files_beside_those_that_were_hashed_are_seen(folder):
    path, _ = folder
    verify_changed(path)
    (path / "extra.json").write_text("{}")
    with pytest.raises(RunError, match="not listed"):
        verify_changed(path)
    (path / "extra.json").unlink()
    (path / "card.json").unlink()
    with pytest.raises(RunError, match="missing"):
        verify_changed(path)


def test_what_was_just_written_is_not_remembered(folder, monkeypatch):
    path, hashed = folder
    monkeypatch.setattr(verified, "SETTLED", 3600.0)
    verify_changed(path)
    verify_changed(path)
    assert hashed == [True, True] and not (path / RECORD).exists()


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 100_000, '{"build": 1, "files": {}}'])
def test_a_damaged_record_is_no_record(folder, text):
    path, hashed = folder
    (path / RECORD).write_text(text)
    verify_changed(path)
    assert hashed == [True]
