"""Check that a message is one short line, whatever stands in it."""

import pytest

from gmt.errors import LINE, one_line, visible


def test_what_a_terminal_would_obey_is_shown():
    assert visible("\x1b[31mred\r\n\x00\x7f\x9b") == r"\x1b[31mred\r\n\x00\x7f\x9b"
    assert visible("a\u202eb\u2028c\ud800") == r"a\u202eb\u2028c\ud800"


@pytest.mark.parametrize("text", ["plain", "Zürich 東京 😀", "👩\u200d🔬", "می\u200cخواهم", "[/INST] :rocket:"])
def test_everything_else_stays(text):
    assert visible(text) == text == one_line(text)


def test_lines_of_a_text_may_be_kept():
    assert visible("a\n\tb\x1b", kept="\n\t") == "a\n\tb\\x1b"


@pytest.mark.parametrize("value", ["x" * 10_000, "x " * 10_000, "\x1b" * 10_000, "x" * 10**7, "\n" * 500])
def test_head_and_repair_stay_when_a_value_is_long(value):
    line = one_line(f"winner is {value!r}; expected one of left, right, tie")
    assert len(line) <= LINE and "\n" not in line and "…" in line
    assert line.startswith("winner is ") and line.endswith("; expected one of left, right, tie")


def test_a_path_of_usual_length_is_shown_whole():
    path = "/tmp/" + "folder/" * 18 + "votes.csv"
    assert path in one_line(f"{path} line 812: winner is 'Left'; expected one of left, right, tie. " + "Fix it. " * 20)
