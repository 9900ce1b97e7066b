"""Check that damaged and absurd input is refused in one line, or read as it is meant, by every source alike."""

import csv
import json
import random
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from data_prep.read.cells import answer, number, text, timestamp, whole
from data_prep.read.file_formats import read_rows
from data_prep.read.json_text import parse_json
from data_prep.read.row import Rejected
from data_prep.sources.jsonl import read_rows as read_rows_in_memory
from data_prep.sources.source import SourceOptions
from data_prep.sources.source_registry import load_source
from gmt.data.comparisons import Candidate, Comparison
from gmt.errors import DataError
from tests.data_prep.samples import chat, jsonl

VOTES = SourceOptions(
    user="user", query="query", winner="winner", model_a="model_a", model_b="model_b", timestamp="timestamp"
)
FAR = (2**31, 10**18, 10**308, int("9" * 400))
VOTE = {"user": "ann", "query": "why?", "winner": "model_a", "model_a": "x", "model_b": "y", "timestamp": 1.7e9}
BATTLE = {
    "judge": "ann", "question_id": "81", "winner": "model_a", "model_a": "x", "model_b": "y", "turn": 1,
    "conversation_a": chat("why?", "so"), "conversation_b": chat("why?", "no"),
}  # fmt: skip
LINE = {
    "judge": "ann", "question_id": "81", "turn": 1, "model": "x", "conversation": [{"query": "q", "rating": 1}],
}  # fmt: skip
ROWS = {"jsonl": VOTE, "votes": VOTE, "arena": BATTLE, "mt-bench": BATTLE, "gmtrouter": LINE}


def read(source: str, path: Path) -> Any:
    return load_source(source).read(path, VOTES if source == "votes" else SourceOptions())


def reasons(source: str, path: Path) -> list[str]:
    """Return why rows or the file were refused, each on one line."""
    try:
        found = [row.reason for row in read(source, path).rejected]
    except DataError as error:
        found = [str(error)]
    assert all("\n" not in reason and len(reason) <= 300 for reason in found)
    return found


@pytest.mark.parametrize("source", ROWS)
@pytest.mark.parametrize("far", FAR, ids=["2^31", "1e18", "1e308", "400 digits"])
def test_numbers_out_of_all_range_are_refused_by_row(tmp_path: Path, source: str, far: int) -> None:
    for name in ("turn", "timestamp", "tstamp"):
        if name == "timestamp" and far == 2**31:
            continue  # a second of 2038
        row = ROWS[source]
        for value in (far, str(far), -far):
            path = jsonl(tmp_path / "rows.jsonl", [row, {**row, name: value}])
            said = reasons(source, path)
            assert len(said) <= 1
            if said:
                assert name in said[0]


@pytest.mark.parametrize("source", ROWS)
@pytest.mark.parametrize("wrong", [["x"], {"a": 1}, [1, [2]], [{"type": "image_url"}]], ids=str)
def test_lists_and_objects_are_no_text(tmp_path: Path, source: str, wrong: Any) -> None:
    row = ROWS[source]
    for name in row:
        path = jsonl(tmp_path / "rows.jsonl", [row, {**row, name: wrong}])
        if (source, name) in (("mt-bench", "judge"), ("arena", "turn")):
            continue  # the published votes name a judge by a list, and battles are read without turns
        assert len(reasons(source, path)) == 1, name


@pytest.mark.parametrize("source", ROWS)
def test_no_file_holds_half_a_character_and_the_encoding_is_not_blamed(tmp_path: Path, source: str) -> None:
    row = ROWS[source]
    name = "user" if "user" in row else "judge"
    (said,) = reasons(source, jsonl(tmp_path / "rows.jsonl", [row, {**row, name: "half \ud800"}]))
    assert said == f"{name} holds half a character (\\ud800, a lone surrogate); remove it"


def test_half_a_character_is_refused_in_memory_too() -> None:
    with pytest.raises(DataError, match="query holds half a character"):
        Comparison("u", "c", 0, "\udc00", (Candidate("m"),))
    for fields in ({"model": "\ud800"}, {"response": "a\ud800"}, {"feedback": "\udfff"}):
        with pytest.raises(DataError, match="half a character"):
            Candidate(**{"model": "m", **fields})


@pytest.mark.parametrize("source", ROWS)
@pytest.mark.parametrize(
    "raw",
    [
        "[" * 1000 + "]" * 1000,
        '{"user": ' + "[" * 990 + "]" * 990 + "}",
        '{"user": ' + "[" * 100_000,
        '{"user": "ann", "user": "bob"}',
        '{"turn": ' + "9" * 5000 + "}",
    ],
    ids=["deep", "deep value", "very deep", "twice", "long number"],
)
def test_json_that_nobody_means_is_a_bad_row(tmp_path: Path, source: str, raw: str) -> None:
    path = jsonl(tmp_path / "rows.jsonl", [ROWS[source]])
    path.write_text(path.read_text("utf-8") + raw + "\n", "utf-8")
    (said,) = reasons(source, path)
    assert "JSON" in said


def test_nesting_is_measured_and_not_guessed() -> None:
    assert parse_json("[" * 100 + "]" * 100)
    assert len(parse_json(json.dumps([[1]] * 5000))) == 5000
    with pytest.raises(ValueError, match="nested deeper"):
        parse_json("[" * 102 + "]" * 102)


@pytest.mark.parametrize("question", ["²", "8" * 5000, "٨١", "12.5", "-81"])
def test_any_name_of_a_question_is_read(tmp_path: Path, question: str) -> None:
    data = read("mt-bench", jsonl(tmp_path / "rows.jsonl", [BATTLE | {"question_id": question}]))
    assert not data.rejected and data.comparisons[0].task is None


# Damaged files.


def parquet(path: Path, **more: Any) -> Path:
    rows = [VOTE | {"user": f"u{n % 7}", "query": f"question {n}"} for n in range(200)]
    table = pa.Table.from_pylist(rows)
    for name, column in more.items():
        table = table.drop_columns([name] if name in table.column_names else []).append_column(name, column)
    pq.write_table(table, path)
    return path


def test_parquet_with_flipped_bits_or_cut_is_refused_in_one_line(tmp_path: Path) -> None:
    path = parquet(tmp_path / "rows.parquet")
    whole_file, dice, refused = path.read_bytes(), random.Random(0), 0
    for _ in range(120):
        broken = bytearray(whole_file)
        if dice.random() < 0.3:
            broken = broken[: dice.randrange(len(broken))]
        else:
            broken[dice.randrange(len(broken))] ^= 1 << dice.randrange(8)
        path.write_bytes(broken)
        refused += bool(reasons("votes", path))
    # Some bits lie where nobody reads; what is cut short cannot pass.
    assert refused > 30


def test_dates_that_python_has_no_place_for_are_bad_rows(tmp_path: Path) -> None:
    days = pa.array([1] * 199 + [2**30], pa.int32()).cast(pa.date32())
    data = read("votes", parquet(tmp_path / "rows.parquet", timestamp=days))
    assert len(data.comparisons) == 199
    assert data.rejected[0].line == 200 and "timestamp cannot be read" in data.rejected[0].reason


def test_bytes_are_no_text(tmp_path: Path) -> None:
    data = read("votes", parquet(tmp_path / "rows.parquet", user=pa.array([b"u0"] * 200)))
    assert not data.comparisons and data.rejected[0].reason == "user is a bytes (b'u0'); expected text"


def test_content_parts_of_type_text_are_joined_and_numbers_are_read() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "input_text", "text": "b"}]
    assert answer(parts, "x") == "a\nb"
    assert (answer(8.0, "x"), text(" ", "x"), answer(float("nan"), "x")) == ("8", None, None)
    for wrong in (b"a", [], ["a"], {"type": "text"}, [{"type": "image_url", "text": "a"}], [{"type": "text"}]):
        with pytest.raises(DataError, match=r"^x (is a|holds a part)"):
            answer(wrong, "x")


# Times.


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        (20240501, "2024-05-01"),
        ("20240501", "2024-05-01"),
        (20240501.0, "2024-05-01"),
        (202405011230, "2024-05-01T12:30:00"),
        ("20240501123005", "2024-05-01T12:30:05"),
    ],
)
def test_a_date_written_as_a_number_is_no_epoch(value: Any, meant: str) -> None:
    with pytest.raises(DataError, match=f"a date and not epoch seconds; write it as {meant}$"):
        timestamp(value)


def test_times_are_read_as_before() -> None:
    for value in (1714521600, 1714521600.0, "1714521600000", 1714521600 * 10**9, "2024-05-01", "2024-05-01T00:00Z"):
        assert timestamp(value) == 1714521600.0
    assert (timestamp(20249901), timestamp(20.5), timestamp(datetime(2024, 5, 1, tzinfo=UTC))) == (
        20249901,
        20.5,
        1714521600.0,
    )


CELLS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.integers(-(10**400), 10**400), st.floats(), st.text(), st.binary(),
    st.lists(st.integers(), max_size=3), st.dictionaries(st.text(), st.none(), max_size=2), st.datetimes(), st.dates(),
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@example("9" * 400)
@example("1_0")
@given(CELLS)
def test_every_cell_is_read_or_refused_in_one_line(value: Any) -> None:
    for kind in (answer, text, number, whole, timestamp):
        try:
            found = kind(value, "x")
        except DataError as error:
            assert str(error).startswith("x ") and "\n" not in str(error) and len(str(error)) < 300
            continue
        assert found is None or isinstance(found, (str, int, float))
        if isinstance(found, str):
            found.encode("utf-8")


# CSV.


def rows_of(path: Path) -> tuple[list[dict[str, Any]], list[Rejected]]:
    rejected: list[Rejected] = []
    return [row for _, row in read_rows(path, rejected)], rejected


def test_columns_that_no_row_fills_are_empty(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a,b,c,d,,\n1,2\n3,4\n5\n")
    rows, rejected = rows_of(path)
    assert rows == [{"a": "1", "b": "2", "c": None, "d": None}, {"a": "3", "b": "4", "c": None, "d": None}]
    assert [row.reason for row in rejected] == ["1 fields; the header names 6"]


def test_a_short_row_among_full_ones_is_bad(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a,b\n1\n3,4\n5,6,7\n")
    rows, rejected = rows_of(path)
    assert rows == [{"a": "3", "b": "4"}] and [row.line for row in rejected] == [2, 4]


def test_rows_that_all_fail_say_why(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("user,query,winner,model_a,model_b,timestamp\nann,q,model_a,x,y,1,7\n")
    assert reasons("votes", path) == ["7 fields; the header names 6"]
    path = tmp_path / "a.jsonl"
    path.write_text("nonsense\n")
    (said,) = reasons("votes", path)
    assert "holds no row with columns (the first is bad: a.jsonl line 1: not JSON" in said


def test_very_wide_tables_are_refused_at_once(tmp_path: Path) -> None:
    names = [f"column {n}" for n in range(200_000)]
    path = tmp_path / "wide.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([names, ["1"] * len(names)])
    (said,) = reasons("votes", path)
    assert "there is no column 'user'" in said


# Words of a verdict that are names of models.


@pytest.mark.parametrize("source", ["jsonl", "votes", "arena", "mt-bench"])
@pytest.mark.parametrize(
    ("models", "winner"),
    [(("model_b", "x"), "model_b"), (("x", "model_a"), "model_a"), (("tie", "x"), "tie"), (("x", "tie"), "tie"),
     (("model_b", "model_a"), "model_a"), (("model_b", "model_a"), "model_b")],
)  # fmt: skip
def test_a_verdict_that_is_the_name_of_the_other_model_is_refused(
    tmp_path: Path, source: str, models: Any, winner: str
):
    row = ROWS[source]
    unclear = row | {"model_a": models[0], "model_b": models[1], "winner": winner}
    path = jsonl(tmp_path / "rows.jsonl", [row, unclear])
    # Not a bad row that may be dropped: without it, one side's votes would be missing.
    with pytest.raises(DataError, match=rf"line 2: winner is '{winner}', which is .*name of .*; rename the model"):
        read(source, path)


@pytest.mark.parametrize("source", ["jsonl", "votes", "arena", "mt-bench"])
def test_a_verdict_that_names_the_model_on_its_own_side_is_read(tmp_path: Path, source: str) -> None:
    row = ROWS[source] | {"model_a": "model_a", "model_b": "model_b", "winner": "model_b"}
    (found,) = read(source, jsonl(tmp_path / "rows.jsonl", [row])).comparisons
    assert {one.model: one.rating for one in found.candidates} == {"model_a": 0.0, "model_b": 1.0}


def test_a_vote_in_memory_whose_verdict_is_unclear_is_refused() -> None:
    with pytest.raises(DataError, match="row line 1: winner is 'model_a', which is also the name"):
        read_rows_in_memory([{**VOTE, "model_b": "model_a"}], "ann")
