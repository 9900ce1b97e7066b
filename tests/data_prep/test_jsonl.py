"""Check rows and histories in the table's own column names."""

from pathlib import Path

import pytest

from data_prep.jsonl import read, read_history
from data_prep.sources import SourceOptions
from tests.data_prep.samples import jsonl

PAIR = {"user": "ana", "query": "why?", "model_a": "x", "model_b": "y", "winner": "model_b"}
SINGLE = {"user": "ana", "query": "why?", "model": "x", "rating": 0.25}


def test_a_row_alone_is_a_conversation(tmp_path: Path) -> None:
    data = read(jsonl(tmp_path / "rows.jsonl", [PAIR, SINGLE, SINGLE]), SourceOptions())
    assert [[(c.model, c.rating) for c in item.candidates] for item in data.comparisons] == [
        [("x", 0.0), ("y", 1.0)],
        [("x", 0.25)],
        [("x", 0.25)],
    ]
    assert len({item.conversation for item in data.comparisons}) == 3


def test_comparison_conversation_and_turn_group_rows(tmp_path: Path) -> None:
    rows = [
        {**SINGLE, "comparison": 1, "conversation": "k", "turn": 3, "model": "z", "rating": None},
        {**SINGLE, "comparison": 1, "conversation": "k", "turn": 3},
        {**SINGLE, "comparison": 1, "conversation": "k", "turn": 3},
        {**SINGLE, "comparison": 1, "conversation": "k", "turn": 4, "model": "w"},
        {**PAIR, "conversation": "k", "winner": None},
    ]
    data = read(jsonl(tmp_path / "rows.jsonl", rows), SourceOptions())
    assert [(item.turn, [c.model for c in item.candidates]) for item in data.comparisons] == [
        (3, ["z", "x"]),
        (4, ["x", "y"]),
    ]
    assert "x stands twice in comparison 1" in data.rejected[0].reason
    assert "turn differs from that of comparison 1 on line 1" in data.rejected[1].reason
    assert data.rows == 3


def test_a_history_may_leave_the_user_out(tmp_path: Path) -> None:
    anonymous = {key: value for key, value in PAIR.items() if key != "user"}
    path = jsonl(tmp_path / "ana.jsonl", [anonymous, PAIR, {**PAIR, "user": "bob"}])
    data = read_history(path, "ana")
    assert [item.user for item in data.comparisons] == ["ana", "ana"]
    assert data.rejected[0].reason == "user is 'bob'; expected ana, whose history this is"
    assert [row.reason for row in read_history(path).rejected] == ["user is empty; expected text"]


def test_a_row_keeps_its_conversation_in_another_file(tmp_path: Path) -> None:
    one = read_history(jsonl(tmp_path / "one.jsonl", [PAIR, SINGLE])).comparisons
    two = read_history(jsonl(tmp_path / "two.jsonl", [SINGLE, PAIR])).comparisons
    assert one == two[::-1]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "not JSON"),
        ("[1]", "found a list; expected one object a line"),
        ('{"user": "ana", "query": "q", "model": "x", "rating": 4}', "outside 0 to 1; expected a number from 0 to 1"),
        ('{"user": "ana", "query": "q", "model": "x", "rating": NaN}', "NaN is no JSON number"),
        ('{"user": "ana", "query": "q", "model": "x", "rating": "good"}', "rating is 'good'; expected a number"),
        ('{"user": "ana", "query": "\\ud800", "model": "x", "rating": 1}', "half a character"),
        ('{"user": "ana", "query": "q", "model": "x", "rating": 1, "turn": -1}', "turn is -1; expected a whole number"),
        ('{"user": "ana", "query": "q", "model": "x", "timestamp": "soon"}', "timestamp is 'soon'"),
        ('{"user": "ana", "query": "q", "rating": 1}', "model is empty"),
    ],
)
def test_bad_lines_are_named(tmp_path: Path, line: str, reason: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("\n" + line + "\n", "utf-8")
    (row,) = read(path, SourceOptions()).rejected
    assert (row.file, row.line) == ("rows.jsonl", 2)
    assert reason in row.reason
