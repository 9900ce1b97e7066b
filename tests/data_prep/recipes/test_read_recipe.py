"""Check what a recipe makes of rows: joins, conditions, rounds and answers inside a row, several verdicts, scales."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from data_prep.recipes.read_recipe import read_by_recipe
from data_prep.recipes.recipe_files import build_recipe
from gmt.errors import DataError
from tests.data_prep.samples import chat, jsonl

RATED = {"columns": {"user": "u", "query": "q", "model": "m", "rating": "r"}}
PAIRS = {"columns": {"user": "u", "query": "q", "winner": "w", "model_a": "a", "model_b": "b"}}


def read(path: Path, values: dict[str, Any]) -> Any:
    return read_by_recipe(path, build_recipe(values, "my.yaml"))


def ratings(found: Any) -> list[dict[str, float | None]]:
    return [{one.model: one.rating for one in item.candidates} for item in found.grouped.comparisons()]


def with_columns(base: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {**base, "columns": base["columns"] | more}


@pytest.mark.parametrize(
    ("where", "kept"),
    [
        ({"m": "x"}, "ab"),
        ({"m": {"not": "x"}}, "c"),
        ({"n": 1}, "a"),
        ({"n": [1, 2]}, "ab"),
        ({"flag": True}, "b"),
        ({"flag": {"present": True}}, "ab"),
        ({"flag": {"present": False}}, "c"),
        ({"inner.kind": "good", "m": "x"}, "a"),
        ({"n": {"not": ["1", "3"]}}, "b"),
    ],
)
def test_conditions_keep_the_rows_that_meet_them(tmp_path: Path, where: dict[str, Any], kept: str) -> None:
    rows = [
        {"u": "a", "q": "why?", "m": "x", "r": 1, "n": "1", "flag": False, "inner": {"kind": "good"}},
        {"u": "b", "q": "why?", "m": "x", "r": 1, "n": 2.0, "flag": True},
        {"u": "c", "q": "why?", "m": "y", "r": 1, "n": 3, "flag": ""},
    ]
    found = read(jsonl(tmp_path / "rows.jsonl", rows), {**RATED, "where": where})
    assert "".join(item.user for item in found.grouped.comparisons()) == kept and not found.rejected


def test_a_condition_on_a_column_that_is_none_is_refused(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "rows.jsonl", [{"u": "a", "q": "why?", "m": "x", "r": 1}])
    with pytest.raises(DataError, match="no column 'kind' in rows.jsonl"):
        read(path, {**RATED, "where": {"kind": "x"}})
    with pytest.raises(DataError, match="no column 's.Q1' in rows.jsonl; the nearest are"):
        read(path, with_columns(RATED, rating="s.Q1"))


def test_the_rating_of_a_dialogue_stands_on_its_last_round(tmp_path: Path) -> None:
    talk = [
        {"role": "assistant", "content": "Hello!"},
        *chat("one?", "1", "two?", "2"),
        {"role": "user", "content": "three?"},
    ]
    rows = [{"u": "ann", "id": 7, "m": "x", "s": {"Q0": 3}, "talk": talk}]
    recipe = {
        "each": {"messages": "talk", "as": "round", "rated": "last"},
        "columns": {
            "user": "u",
            "query": "round.query",
            "response": "round.answer",
            "model": "m",
            "rating": "s.Q0",
            "conversation": "id",
            "turn": "round_number",
        },
        "rating_scale": [1, 4],
    }
    first, second = read(jsonl(tmp_path / "rows.jsonl", rows), recipe).grouped.comparisons()
    assert (first.query, first.candidates[0].response, first.candidates[0].rating) == ("one?", "1", None)
    assert (second.query, second.candidates[0].rating, second.turn) == ("two?", 2 / 3, 1)
    assert first.conversation == second.conversation == "7"


def test_ratings_of_turns_stand_in_lists_beside_the_turns(tmp_path: Path) -> None:
    rows = [{"u": "ann", "id": 7, "m": "x", "talk": [["one?", "1"], ["two?", "2"]], "help": [6, 0]}]
    columns = {"user": "u", "query": "turn.0", "response": "turn.1", "model": "m", "rating": "help.{turn_number}"}
    recipe = {
        "each": {"list": "talk", "as": "turn"},
        "columns": columns | {"conversation": "id"},
        "rating_scale": [0, 6],
    }
    found = read(jsonl(tmp_path / "rows.jsonl", rows), recipe).grouped.comparisons()
    assert [(item.query, item.turn, item.candidates[0].rating) for item in found] == [("one?", 0, 1), ("two?", 1, 0)]
    # A list in a CSV file is JSON in a cell.
    text = 'u,id,m,talk,help\nann,7,x,"[[""one?"",""1""]]","[3]"\n'
    path = tmp_path / "rows.csv"
    path.write_text(text, "utf-8")
    bad = read(path, recipe | {"columns": columns | {"rating": "turn_number"}})
    assert bad.grouped.comparisons()[0].candidates[0].rating == 0


def test_what_should_be_a_list_and_is_none_is_a_bad_row(tmp_path: Path) -> None:
    rows = [{"u": "ann", "q": "why?", "m": "x", "talk": 3}, {"u": "ann", "q": "why?", "m": "x", "talk": [1]}]
    recipe = {**with_columns(RATED, rating="item"), "each": {"list": "talk"}}
    found = read(jsonl(tmp_path / "rows.jsonl", rows), recipe)
    assert [str(row) for row in found.rejected] == ["rows.jsonl line 1: talk is 3; expected a list"]


def test_a_ranking_in_an_object_is_one_comparison_and_says_it_once(tmp_path: Path) -> None:
    prefs = {"gpt-4.1": 1, "b": 3, "c": 2}
    rows = [{"u": "ann", "prefs": prefs}, {"u": "ann", "prefs": prefs}, {"u": "bob", "prefs": None}]
    recipe = {
        "each": {"mapping": "prefs", "as": "place"},
        "constants": {"asked": "prefs"},
        "columns": {"user": "u", "query": "asked", "model": "place_key", "rating": "place", "comparison": "u"},
        "rating_scale": [3, 1],
        "once": True,
    }
    found = read(jsonl(tmp_path / "rows.jsonl", rows), recipe)
    assert ratings(found) == [{"gpt-4.1": 1, "b": 0, "c": 0.5}] and not found.rejected
    # Without `once`, and where the second ranking is another one, the row contradicts its comparison.
    assert len(read(tmp_path / "rows.jsonl", recipe | {"once": False}).rejected) == 3
    rows[1] = {"u": "ann", "prefs": {"gpt-4.1": 2}}
    (bad,) = read(jsonl(tmp_path / "rows.jsonl", rows), recipe).rejected
    assert "gpt-4.1 stands twice in comparison ann" in bad.reason


def test_several_verdicts_of_a_row_share_its_conversation_and_turn(tmp_path: Path) -> None:
    path = tmp_path / "votes.csv"
    path.write_text("id,u,q,a,b,overall,style\n1,ann,why?,x,y,A,N\n2,ann,what?,x,y,B,\n", "utf-8")
    recipe = {
        "constants": {"round": 0},
        "columns": {
            "user": "u",
            "query": "q",
            "model_a": "a",
            "model_b": "b",
            "conversation": "id",
            "turn": "round",
            "task": "criterion",
        },
        "labels": {"A": 1, "B": 0, "N": 0.5},
        "several": [
            {"constants": {"criterion": "overall"}, "columns": {"winner": "overall"}},
            {
                "constants": {"criterion": "style"},
                "columns": {"winner": "style"},
                "where": {"style": {"present": True}},
            },
        ],
    }
    found = read(path, recipe).grouped.comparisons()
    assert [(item.task, item.conversation, item.turn) for item in found] == [
        ("overall", "1", 0),
        ("style", "1", 0),
        ("overall", "2", 0),
    ]
    assert ratings(read(path, recipe)) == [{"x": 1, "y": 0}, {"x": 0.5, "y": 0.5}, {"x": 0, "y": 1}]


def test_several_ratings_are_averaged_and_one_with_a_minus_is_turned_round(tmp_path: Path) -> None:
    rows = [
        {"u": "ann", "q": "why?", "m": "x", "fun": 10, "dull": 4},
        {"u": "bob", "q": "why?", "m": "x", "fun": None, "dull": 0},
    ]
    recipe = with_columns(RATED, rating=["fun", "-dull"]) | {"rating_scale": [0, 10]}
    assert ratings(read(jsonl(tmp_path / "rows.jsonl", rows), recipe)) == [{"x": 0.8}, {"x": 1.0}]


def test_texts_of_several_columns_are_lines_and_names_are_joined(tmp_path: Path) -> None:
    rows = [{"u": "ann", "q": "Translate.", "more": "Hallo", "m": "x", "r": 1, "day": 1}]
    recipe = with_columns(RATED, query=["q", "more"], question=["u", "day"])
    (found,) = read(jsonl(tmp_path / "rows.jsonl", rows), recipe).grouped.comparisons()
    assert (found.query, found.question) == ("Translate.\nHallo", "ann/1")


def test_strength_of_a_preference_is_kept_and_both_bad_is_said(tmp_path: Path) -> None:
    rows = [{"u": "ann", "q": "why?", "a": "x", "b": "y", "w": word} for word in ("A-slightly", "neither")]
    recipe = PAIRS | {"labels": {"A-slightly": 0.75, "neither": "both bad"}}
    found = read(jsonl(tmp_path / "rows.jsonl", rows), recipe)
    assert ratings(found) == [{"x": 0.75, "y": 0.25}, {"x": 0.5, "y": 0.5}]
    assert found.grouped.comparisons()[1].candidates[0].feedback == "both bad"


def test_a_file_may_be_packed_in_another_encoding_and_with_other_separators(tmp_path: Path) -> None:
    text = "u;q;m;r;when\nJosé;¿por qué?;x;1;24.12.2024 10:00\n"
    recipe = with_columns(RATED, timestamp="when") | {
        "delimiter": "semicolon",
        "encoding": "cp1252",
        "time_format": "%d.%m.%Y %H:%M",
    }
    (tmp_path / "log.csv.gz").write_bytes(gzip.compress(text.encode("cp1252")))
    (found,) = read(tmp_path, recipe | {"file": "log.csv"}).grouped.comparisons()
    assert (found.user, found.query, found.timestamp) == ("José", "¿por qué?", 1735034400.0)
    (tmp_path / "odd.log").write_text(json.dumps({"u": "a", "q": "why?", "m": "x", "r": 1}) + "\n", "utf-16")
    found = read(tmp_path / "odd.log", RATED | {"format": "jsonl", "encoding": "utf-16"}).grouped.comparisons()
    assert [item.user for item in found] == ["a"]
    with pytest.raises(DataError, match="is not readable gzip"):
        (tmp_path / "cut.csv.gz").write_bytes(gzip.compress(text.encode())[:-20])
        read(tmp_path / "cut.csv.gz", RATED | {"delimiter": ";"})


def test_a_folder_without_the_named_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no votes.csv; name the folder of the published files"):
        read(tmp_path, RATED | {"file": "votes.csv"})


def test_an_answer_that_stands_for_an_empty_text_is_empty(tmp_path: Path) -> None:
    rows = [{"u": "a", "q": "why?", "m": "x", "r": 1, "said": "EMPTY STRING"}]
    (found,) = read(
        jsonl(tmp_path / "r.jsonl", rows), with_columns(RATED, response="said") | {"empty": "EMPTY STRING"}
    ).grouped.comparisons()
    assert found.candidates[0].response == ""
