"""Check chats with ratings on assistant turns."""

import json
from pathlib import Path
from typing import Any

import pytest

from data_prep.sources.chat import read
from data_prep.sources.source import RawData, SourceOptions
from gmt.errors import DataError
from tests.data_prep.samples import jsonl

ASK = {"role": "user", "content": "why?"}


def said(model: str | None = "m1", content: str = "so", **more: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": content} | ({} if model is None else {"model": model}) | more


def reading(folder: Path, *conversations: list[dict[str, Any]], **options: Any) -> RawData:
    rows = [{"id": f"c{at}", "user": "ana", "messages": one} for at, one in enumerate(conversations)]
    return read(jsonl(folder / "chats.jsonl", rows), SourceOptions(**options))


def test_ratings_thumbs_and_words_are_read_where_they_stand(tmp_path: Path) -> None:
    talk = [
        {"role": "system", "content": "be kind"},
        *(ASK, said(rating=1, feedback="well put")),
        *(ASK, said("m2", feedback="👎")),
        *(ASK, said("m3", feedback={"rating": "up", "comment": "thanks"}, signal="copied")),
        *(ASK, said("m1")),
    ]
    found = reading(tmp_path, talk).comparisons
    assert [(one.model, one.rating, one.feedback, one.signal) for item in found for one in item.candidates] == [
        ("m1", 1.0, "well put", None),
        ("m2", 0.0, None, None),
        ("m3", 1.0, "thanks", "copied"),
        ("m1", None, None, None),
    ]
    assert [item.turn for item in found] == [0, 1, 2, 3]
    assert len({item.conversation for item in found}) == 1


def test_answers_of_several_models_are_one_choice_and_of_one_model_the_last_counts(tmp_path: Path) -> None:
    talk = [ASK, said("m1", "first"), said("m2", "other", rating=0), said("m1", "second", rating=1)]
    (only,) = reading(tmp_path, talk).comparisons
    assert [(one.model, one.response, one.rating) for one in only.candidates] == [
        ("m2", "other", 0.0),
        ("m1", "second", 1.0),
    ]


def test_a_list_in_json_reads_like_lines_and_stars_need_their_scale(tmp_path: Path) -> None:
    row = {"user": "ana", "messages": [ASK, said(rating=4)], "model": "m9"}
    path = tmp_path / "chats.json"
    path.write_text(json.dumps([row]))
    with pytest.raises(DataError, match="rating is 4, outside 0 to 1; state the scale"):
        read(path, SourceOptions())
    (only,) = read(path, SourceOptions(rating_scale=(1, 5))).comparisons
    assert only.candidates[0].rating == 0.75


def test_the_conversation_may_name_the_model(tmp_path: Path) -> None:
    row = {"metadata": {"user_id": "bo"}, "model": "m9", "messages": [ASK, said(None)]}
    (only,) = read(jsonl(tmp_path / "x.jsonl", [row]), SourceOptions()).comparisons
    assert (only.user, only.candidates[0].model) == ("bo", "m9")


@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        ([ASK, said(None)], "message 2 names no model"),
        ([ASK], "no answered question"),
        ([{"role": "user", "content": " "}, said()], "a question is empty"),
        ("hello", "messages is str"),
        ([ASK, said(rating="grand")], "rating is 'grand'"),
        ([{"role": "robot", "content": "x"}], "message 1 is from 'robot'"),
    ],
)
def test_bad_chats_are_named(tmp_path: Path, messages: Any, reason: str) -> None:
    data = reading(tmp_path, [ASK, said()], messages)
    assert [(row.line, reason in row.reason) for row in data.rejected] == [(2, True)]
