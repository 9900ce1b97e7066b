"""Check rows and histories in the table's own column names."""

from pathlib import Path

import pytest

from data_prep.sources.jsonl import read, read_history
from data_prep.sources.source import SourceOptions
from gmt.errors import DataError
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


def test_a_rating_outside_0_to_1_stops_who_can_be_asked_for_its_scale(tmp_path: Path) -> None:
    row = {"user": "ana", "query": "q", "model": "x", "rating": 4}
    path = jsonl(tmp_path / "rows.jsonl", [row | {"rating": 1}, row])
    with pytest.raises(DataError, match="line 2: rating is 4, outside 0 to 1; state the scale"):
        read(path, SourceOptions())
    assert [c.rating for item in read(path, SourceOptions(rating_scale=(0, 4))).comparisons for c in item.candidates]
    (bad,) = read_history(path).rejected
    assert bad.reason == "rating is 4, outside 0 to 1; expected a number from 0 to 1"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "not JSON"),
        ("[1]", "found a list; expected one object a line"),
        ('{"user": "ana", "query": "q", "model": "x", "rating": NaN}', "NaN is no JSON number"),
        ('{"user": "ana", "query": "q", "model": "x", "rating": "great"}', "rating is 'great'; expected a number"),
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


def test_a_stated_split_is_kept_whole_or_refused(tmp_path: Path) -> None:
    rows = [PAIR | {"split": "test"}, SINGLE | {"split": "train"}, SINGLE | {"split": "valid"}]
    data = read(jsonl(tmp_path / "rows.jsonl", rows), SourceOptions())
    assert data.splits is not None and data.splits.tolist() == [2, 0, 1]
    with pytest.raises(DataError, match="1 of 2 comparisons state no split"):
        read(jsonl(tmp_path / "rows.jsonl", [PAIR, SINGLE | {"split": "test"}]), SourceOptions())
    (bad,) = read(jsonl(tmp_path / "rows.jsonl", [PAIR | {"split": "dev"}]), SourceOptions()).rejected
    assert bad.reason == "split is 'dev'; expected one of train, valid, test"


def test_the_card_beside_the_rows_says_what_ratings_stand_for(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "rows.jsonl", [SINGLE])
    assert read(path, SourceOptions()).rating_scale == "0..1"
    card = tmp_path / "rows.card.json"
    card.write_text('{"rating_scale": [-1, 1]}')
    assert read(path, SourceOptions()).rating_scale == "-1..1"
    assert read(path, SourceOptions(rating_scale=(0, 10))).rating_scale == "0..10"
    card.write_text('{"rating_scale": "wide"}')
    with pytest.raises(DataError, match="rating_scale is 'wide'; expected"):
        read(path, SourceOptions())


def test_a_vote_may_carry_what_each_answer_cost(tmp_path: Path) -> None:
    (item,) = read(jsonl(tmp_path / "rows.jsonl", [PAIR | {"cost_a": 0.5, "cost_b": 2}]), SourceOptions()).comparisons
    assert [candidate.cost for candidate in item.candidates] == [0.5, 2.0]


def test_the_parquet_form_of_a_table_is_read_as_rows(tmp_path: Path) -> None:
    items = read(
        jsonl(tmp_path / "rows.jsonl", [PAIR | {"split": "test"}, SINGLE | {"split": "train"}]), SourceOptions()
    )
    table = items.as_table()
    table.write(tmp_path / "rows.parquet")
    again = read(tmp_path / "rows.parquet", SourceOptions())
    assert again.rejected == [] and again.as_table().to_arrow().equals(table.to_arrow())
