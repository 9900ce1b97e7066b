import json
from pathlib import Path

import pytest

from gmt.errors import RunError
from gmt.files import write_json, write_text
from gmt.runs import RunFolder, read_jsonl, read_run_json


def test_a_file_is_written_whole_and_leaves_nothing_beside_it(tmp_path):
    path = tmp_path / "deep" / "er" / "note.txt"
    write_text(path, "größe\n")
    write_text(path, "日本語\n")
    assert path.read_bytes() == "日本語\n".encode() and list(path.parent.iterdir()) == [path]


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "note.txt"
    write_text(path, "old")
    written = Path.write_text

    def half(self, text, encoding):
        written(self, text[:2], encoding)
        raise OSError("disk full")

    monkeypatch.setattr(Path, "write_text", half)
    with pytest.raises(OSError, match="disk full"):
        write_text(path, "new text")
    assert path.read_text() == "old"


def test_the_name_of_the_file_never_shows_half_of_it(tmp_path, monkeypatch):
    path, seen = tmp_path / "note.txt", []
    written = Path.write_text

    def watch(self, text, encoding):
        done = written(self, text, encoding)
        seen.append((self.name, self.parent, path.exists()))
        return done

    monkeypatch.setattr(Path, "write_text", watch)
    write_text(path, "text")
    assert len(seen) == 1 and seen[0][0] != "note.txt" and seen[0][1:] == (tmp_path, False)


def test_json_comes_back_as_it_was(tmp_path):
    value = {"b": [1, 2.5, None, True], "a": {"name": "Zoë 日本"}}
    write_json(tmp_path / "v.json", value)
    assert read_run_json(tmp_path / "v.json") == value and list(read_run_json(tmp_path / "v.json")) == ["b", "a"]
    assert "Zoë 日本" in (tmp_path / "v.json").read_text("utf-8")


def test_missing_and_damaged_json_are_named(tmp_path):
    with pytest.raises(RunError, match=r"card.json does not exist; make the run with gmt train --run"):
        read_run_json(tmp_path / "card.json")
    for content in (b'{"a": 1', b"\xff\xfe"):
        (tmp_path / "card.json").write_bytes(content)
        with pytest.raises(RunError, match="card.json is not JSON .*; restore it or train the run again"):
            read_run_json(tmp_path / "card.json")


def test_json_lines_are_read_one_by_one(tmp_path):
    path = tmp_path / "metrics.jsonl"
    assert list(read_jsonl(path)) == []
    path.write_text('{"step": 1}\n\n{"step": 2, "name": "Zoë"}\n', "utf-8")
    assert list(read_jsonl(path)) == [{"step": 1}, {"step": 2, "name": "Zoë"}]


def test_a_run_folder_has_the_files_the_contract_names(tmp_path):
    run = RunFolder(tmp_path)
    names = {
        name: getattr(run, name).relative_to(tmp_path).as_posix()
        for name in dir(RunFolder)
        if isinstance(getattr(RunFolder, name), property)
    }
    assert names == {
        "config": "config.yaml", "card": "card.json", "models": "models.json",
        "weights": "model.safetensors", "posterior": "posterior.safetensors",
        "conditioned": "conditioned.safetensors", "history": "history.parquet", "embeddings": "embeddings",
        "metrics": "metrics.jsonl", "users": "users",
        "results": "results", "last": "last", "trained": "trained_rounds.npy",
    }  # fmt: skip


def test_an_unfinished_run_is_refused_by_the_file_it_lacks(tmp_path):
    run = RunFolder(tmp_path)
    for path in (run.config, run.card, run.models, run.history):
        with pytest.raises(RunError, match=rf"holds no {path.name}; train it with gmt train --run"):
            run.require()
        path.write_text(json.dumps({}))
    assert run.require() is run
