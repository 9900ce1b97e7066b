"""Check that what ends a command is one line: full disks, missing rights, names no disk takes, a user who stops it."""

import contextlib
import errno
import io
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from gmt.cli.failures import guarded, message_of
from gmt.cli.main import app
from gmt.cli.stopped import GO_ON
from gmt.errors import LINE, UserError
from tests.hostile.attempt import run_words
from tests.hostile.rows import GOOD_ROWS, score_folder, write_rows
from tests.trained import TINY, settings

ROOT = Path(__file__).resolve().parents[2]


class Failing:
    """Stand for a command that ends with an error."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def make_context(self, name, arguments):
        return contextlib.nullcontext()

    def invoke(self, context):
        raise self.error


def ended(error: BaseException, capsys, words: str = "") -> tuple[int, str]:
    with pytest.raises(SystemExit) as stop:
        guarded(Failing(error), words.split())
    return int(stop.value.code or 0), capsys.readouterr().err


SAID = {
    "no space": (OSError(errno.ENOSPC, "No space left on device", "/data/x"), "cannot write /data/x: the disk is full"),
    "rights": (PermissionError(errno.EACCES, "Permission denied", "/root/x"), "cannot use /root/x: permission denied"),
    "read-only": (OSError(errno.EROFS, "Read-only", "runs"), "cannot use runs: the file system is read-only"),
    "a folder": (IsADirectoryError(errno.EISDIR, "x", "runs"), "it is a folder"),
    "no errno": (OSError("Corrupt snappy compressed data"), "damaged or cannot be read (Corrupt snappy"),
    "rust": (RuntimeError("I/O error: No space left on device (os error 28)"), "the disk is full"),
    "rust, too large": (RuntimeError("I/O error: File too large (os error 27)"), "the file is too large"),
    "memory": (MemoryError(), "the memory is not enough"),
    "torch's memory": (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), "the memory is not"),
    "end of file": (EOFError("Ran out of input"), "a file ends too early"),
    "half a character": (UnicodeEncodeError("utf-8", "a\ud800", 1, 2, "surrogates not allowed"), r"\ud800"),
    "a long value": (UserError("x" * 10_000 + "; repair it"), "; repair it"),
    "line breaks": (UserError("a\nb\x1b[31m"), r"a\nb\x1b[31m"),
}


@pytest.mark.parametrize("what", SAID)
def test_an_error_is_one_line_and_exit_code_2(what, capsys):
    error, said = SAID[what]
    code, err = ended(error, capsys)
    assert code == 2 and said in err
    assert err.startswith("gmt: ") and err.count("\n") == 1 and len(err) <= LINE + 1 and "\x1b" not in err


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        ("train data/demo", "Training had not begun"),
        ("prep demo", "give the command again"),
        ("simulate judge answers --out x", "pays for nothing twice"),
        ("simulate planted --out x", "give the command again"),
        ("users forget ana", "whole or not at all"),
        ("replay log", "Give the command again"),
        ("", "Give the command again"),
    ],
)
def test_who_stops_a_command_hears_how_to_go_on(capsys, words, advice):
    code, err = ended(KeyboardInterrupt(), capsys, words)
    assert code == 130 and err.startswith("gmt: stopped. ") and advice in err and err.count("\n") == 1


def test_advice_is_about_commands_that_there_are():
    command = typer.main.get_command(app)
    for name in GO_ON:
        found = command
        for word in name.split():
            known = found.commands  # pyright: ignore[reportAttributeAccessIssue]
            assert word in known, name
            found = known[word]


def test_a_fault_of_ours_keeps_its_traceback():
    with pytest.raises(KeyError):
        guarded(Failing(KeyError("ours")), [])
    assert message_of(KeyError("ours")) is None


@pytest.mark.skipif(os.name == "nt", reason="pipes end otherwise")
def test_a_reader_that_goes_away_is_no_error():
    code = "from gmt.cli.main import main; main(['models', 'list', '--help'])"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT)
    assert process.stdout and process.stderr
    process.stdout.close()
    assert process.stderr.read() == b"" and process.wait() in (0, 1)


WRITERS = {
    "prep": ["prep", "jsonl", "rows.jsonl", "--encoder", "hash:16", "--out", "made"],
    "train": ["train", "data", "--run", "made", *settings([*TINY, "train.steps=1", "train.eval_every=1"])],
    "eval": ["eval", "--run", "run", "--baselines", "none", "--draws", "1"],
    "adapt": ["adapt", "--user", "ana", "--run", "run", "--history", "rows.jsonl"],
    "models add": ["models", "add", "new-1b", "--description", "small", "--run", "run"],
    "simulate planted": ["simulate", "planted", "--out", "made.jsonl", "--users", "9", "--questions", "20"],
    "simulate cost": ["simulate", "cost", "scores", "--out", "made.jsonl", "--users", "3", "--per-user", "0"],
    "simulate traits": ["simulate", "traits", "rows.jsonl", "--out", "made.jsonl", "--users", "3", "--votes", "2"],
}


@contextlib.contextmanager
def full_disk(size: int):
    """Let no file grow beyond some bytes, whoever writes it."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture
def place(tmp_path, demo_data, tiny_run, monkeypatch):
    """Return a folder with a run, data and rows, where commands are given."""
    shutil.copytree(tiny_run, tmp_path / "run")
    (tmp_path / "data").symlink_to(demo_data)
    rows = [row | {"model_a": "atlas-90b", "model_b": "telegram-8b", "user": "ana"} for row in GOOD_ROWS]
    write_rows(tmp_path / "rows.jsonl", rows)
    score_folder(tmp_path / "scores")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("size", [0, 300, 3000])
@pytest.mark.parametrize("command", WRITERS)
def test_a_file_that_cannot_be_written_is_named(command, size, place):
    with full_disk(size):
        code, _, err = run_words(WRITERS[command])
    if code == 0:  # small files fit
        return
    told_lines = [line for line in err.splitlines() if line.startswith("gmt: ")]
    assert code == 2 and len(told_lines) == 1 and len(told_lines[0]) <= LINE, err
    assert not list(place.rglob("*.part")), "nothing half-written stays"


TOO_LONG = "x" * 300


@pytest.mark.parametrize(
    "name", [TOO_LONG, "rows.jsonl/inside", "a\x00b", "\ud800"], ids=["long", "file", "null", "half"]
)
@pytest.mark.parametrize("command", [name for name in WRITERS if "made" in " ".join(WRITERS[name])])
def test_a_name_that_no_disk_takes_is_one_line(command, name, place):
    code, _, err = run_words([word.replace("made", name) for word in WRITERS[command]])
    assert code == 2 and err.startswith("gmt: ") and err.count("\n") == 1 and len(err) <= LINE + 1, err


def test_a_terminal_of_few_characters_gets_escapes(monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), "cp1252")
    monkeypatch.setattr(sys, "stderr", stream)
    with pytest.raises(SystemExit):
        guarded(Failing(UserError("model 東京 is unknown")), [])
    stream.flush()
    assert stream.buffer.getvalue().decode("cp1252").strip() == r"gmt: model \u6771\u4eac is unknown"  # pyright: ignore[reportAttributeAccessIssue]
