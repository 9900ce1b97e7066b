"""Check words of verdicts and ratings, and that nothing is dropped which a missing option would explain."""

import json
from pathlib import Path
from typing import Any

import pytest

from data_prep.prepare import PrepOptions, prepare
from data_prep.read.labels import OUR_LABELS, read_labels
from data_prep.sources import arena, jsonl, mt_bench, votes
from data_prep.sources.source import SourceOptions
from gmt.errors import DataError

COLUMNS = SourceOptions(user="u", query="q", model="m", rating="r")
ROW = {"user": "ann", "query": "why?", "model": "x"}


def table(folder: Path, *given: str) -> Path:
    path = folder / "ratings.csv"
    path.write_text("u,q,m,r\n" + "".join(f"ann,why {n}?,x,{word}\n" for n, word in enumerate(given)), "utf-8")
    return path


def lines(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


@pytest.mark.parametrize(
    ("word", "rating"),
    [
        ("up", 1),
        ("DOWN", 0),
        ("true", 1),
        ("False", 0),
        ("👍", 1),
        ("thumbs_down", 0),
        (True, 1),
        (False, 0),
        ("neutral", 0.5),
        ("0.25", 0.25),
        (" ", None),
        (None, None),
    ],
)
def test_thumbs_are_words_that_everybody_reads_alike(word: Any, rating: float | None) -> None:
    assert OUR_LABELS.rating(word, "r", None) == rating


def test_words_stand_for_nothing_where_a_scale_or_labels_are_stated() -> None:
    with pytest.raises(DataError, match="r is 'up'; expected a number"):
        OUR_LABELS.rating("up", "r", (1, 5))
    words = read_labels(("great", "awful", "so-so"))
    assert [words.rating(word, "r", None) for word in ("great", "awful", "so-so", "")] == [1, 0, 0.5, None]
    with pytest.raises(DataError, match="r is 'up'; expected one of great, awful, so-so"):
        words.rating("up", "r", None)


@pytest.mark.parametrize("given", [("5", "1", "1"), ("1", "1", "4"), ("0", "10")])
def test_ratings_without_their_scale_are_never_dropped(tmp_path: Path, given: tuple[str, ...]) -> None:
    options = PrepOptions(
        "votes", tmp_path / "out", table(tmp_path, *given), "hash", drop_bad_rows=True, columns=COLUMNS
    )
    with pytest.raises(DataError, match="outside 0 to 1; state the scale, e.g. --rating-scale"):
        prepare(options)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("given", [("great", "awful", "great"), ("1", "0", "great", "great")])
def test_words_that_labels_would_explain_are_never_dropped(tmp_path: Path, given: tuple[str, ...]) -> None:
    options = PrepOptions(
        "votes", tmp_path / "out", table(tmp_path, *given), "hash", drop_bad_rows=True, columns=COLUMNS
    )
    with pytest.raises(
        DataError, match="r is 'great'; expected a number or a word like up or down, or .*--labels GOOD,BAD"
    ):
        prepare(options)
    rows = [ROW | {"query": f"{n}?", "rating": word} for n, word in enumerate(given)]
    with pytest.raises(DataError, match="--labels GOOD,BAD"):
        jsonl.read(lines(tmp_path / "rows.jsonl", *rows), SourceOptions())


def test_a_slip_that_stands_once_is_a_bad_row_as_ever(tmp_path: Path) -> None:
    (bad,) = votes.read(table(tmp_path, "up", "down", "oops"), COLUMNS).rejected
    assert bad.line == 4 and "'oops'" in bad.reason


def test_the_name_of_a_model_is_a_verdict_in_every_source(tmp_path: Path) -> None:
    row = {"user": "ann", "query": "why?", "model_a": "x", "model_b": "y", "winner": "y"}
    (found,) = jsonl.read(lines(tmp_path / "rows.jsonl", row), SourceOptions()).comparisons
    assert [one.rating for one in found.candidates] == [0, 1]


@pytest.mark.parametrize(
    ("source", "row", "said"),
    [
        (
            jsonl,
            {"messages": [], "model": "x", "rating": 1},
            "no field user and no query; its fields are messages, model, rating",
        ),
        (jsonl, {"traceId": "t", "value": 1}, "no field user and no query; its fields are traceId, value"),
        (
            arena,
            {"user": "ann", "model_a": "x", "model_b": "y"},
            "no field conversation_a and no messages_a and no prompt.*its fields are user, model_a",
        ),
        (
            mt_bench,
            {"user": "ann", "model_a": "x", "model_b": "y"},
            "no field judge and no question_id and no turn and no winner",
        ),
    ],
)
def test_a_file_of_another_shape_is_told_its_fields(
    tmp_path: Path, source: Any, row: dict[str, Any], said: str
) -> None:
    path = lines(tmp_path / "rows.jsonl", row, row)
    with pytest.raises(DataError, match=f"rows.jsonl has {said}") as error:
        source.read(path, SourceOptions())
    assert "gmt prep votes rows.jsonl" in str(error.value) and "\n" not in str(error.value)


def test_rankings_that_fall_apart_are_said(tmp_path: Path) -> None:
    rows = [ROW | {"model": name, "rating": n / 2} for n, name in enumerate("xyz")] + [
        ROW | {"query": "what?", "rating": 1}
    ]
    data = jsonl.read(lines(tmp_path / "rows.jsonl", *rows), SourceOptions())
    assert len(data.comparisons) == 4
    assert "3 rated answers stand alone though their user rated other models on the same query" in data.notes[0]
    joined = [row | {"comparison": row["query"]} for row in rows]
    data = jsonl.read(lines(tmp_path / "rows.jsonl", *joined), SourceOptions())
    assert len(data.comparisons) == 2 and not data.notes


def test_rows_of_a_ranking_may_name_their_comparison_in_any_table(tmp_path: Path) -> None:
    path = tmp_path / "ranks.csv"
    path.write_text("u,q,m,r,task\nann,why?,x,1,t\nann,why?,y,3,t\nann,why?,z,2,t\n", "utf-8")
    options = SourceOptions(user="u", query="q", model="m", rating="r", rating_scale=(3, 1), comparison="task")
    (found,) = votes.read(path, options).comparisons
    assert [one.rating for one in found.candidates] == [1, 0, 0.5]


def test_a_header_in_one_field_names_the_delimiter(tmp_path: Path) -> None:
    path = tmp_path / "semi.csv"
    path.write_text("u;q;m;r\nann;why?;x;up\n", "utf-8")
    with pytest.raises(DataError, match="first line is one field with semicolons in it.*--delimiter semicolon"):
        votes.read(path, COLUMNS)
    (found,) = votes.read(
        path, SourceOptions(user="u", query="q", model="m", rating="r", delimiter="semicolon")
    ).comparisons
    assert found.candidates[0].rating == 1
