"""Check that results show what users wrote as it is, and that JSON is JSON."""

import io
import json
import math
import sys

import numpy as np
import pytest

from gmt.cli.console import Terminal, json_line

NAMES = ["bo [/INST]", "mistral[instruct]", ":rocket:", "[bold red]x[/]", "\\[x]"]


@pytest.mark.parametrize("name", NAMES)
def test_markup_and_emoji_are_printed_as_they_are(name, capsys):
    terminal = Terminal()
    terminal.text(name)
    terminal.table(name, [name, "votes"], [[name, "3"]])
    terminal.note(name)
    terminal.warn(name)
    out, err = capsys.readouterr()
    assert out.count(name) == 4 and err.count(name) == 2


def test_escape_sequences_and_line_breaks_reach_no_terminal(capsys):
    terminal = Terminal()
    terminal.table("", ["user", "votes"], [["a\x1b[31m\nb\u202e", "3"]])
    terminal.text("first\nsecond\x1b[2J")
    terminal.warn("one\ntwo")
    out, err = capsys.readouterr()
    assert r"a\x1b[31m\nb\u202e" in out and "first\nsecond\\x1b[2J\n" in out
    assert err == "one\\ntwo\n" and "\x1b" not in out


def test_what_is_not_finite_is_null_in_json():
    value = {"a": math.nan, "b": [1.5, math.inf, (np.float64("nan"),)], "c": {"d": -math.inf}}
    assert json.loads(json_line(value)) == {"a": None, "b": [1.5, None, [None]], "c": {"d": None}}


@pytest.mark.parametrize(
    ("encoding", "text"), [("utf-8", "東京"), ("cp1252", "東京 é"), ("ascii", "é"), ("utf-8", "\ud800")]
)
def test_json_is_json_on_every_terminal(encoding, text, monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), encoding)
    monkeypatch.setattr(sys, "stdout", stream)
    Terminal(as_json=True).result({"user": text})
    stream.flush()
    assert json.loads(stream.buffer.getvalue().decode(encoding)) == {"user": text}  # pyright: ignore[reportAttributeAccessIssue]
