"""Check votes of compar:IA on rows of the published shape."""

from pathlib import Path
from typing import Any

import pytest

from data_prep.sources.comparia import read
from data_prep.sources.source import RawData, SourceOptions
from tests.data_prep.samples import chat, jsonl


def vote(**more: Any) -> dict[str, Any]:
    return {
        "id": 7,
        "timestamp": "2024-10-14 09:12:01",
        "model_a_name": "m1",
        "model_b_name": "m2",
        "chosen_model_name": "m2",
        "both_equal": False,
        "opening_msg": "q1",
        "conversation_a": chat("q1", "a1", "q2", "a2"),
        "conversation_b": chat("q1", "b1", "q2", "b2"),
        "conv_turns": 2,
        "conversation_pair_id": "p7",
        "session_hash": "s1",
        "visitor_id": "v1",
        "conv_useful_a": False,
        "conv_useful_b": True,
        "conv_clear_formatting_b": True,
        "conv_superficial_a": True,
        **more,
    }


def reading(folder: Path, *rows: dict[str, Any]) -> RawData:
    return read(jsonl(folder / "votes.jsonl", rows), SourceOptions())


def test_the_vote_and_what_was_ticked_stand_on_the_last_round(tmp_path: Path) -> None:
    data = reading(tmp_path, vote())
    first, last = data.comparisons
    assert [one.rating for one in first.candidates] == [None, None]
    assert [(one.model, one.rating, one.feedback) for one in last.candidates] == [
        ("m1", 0.0, "superficial"),
        ("m2", 1.0, "useful, clear formatting"),
    ]
    assert (last.user, last.turn, last.timestamp) == ("v1", 1, 1728897121.0)
    assert not data.notes


def test_equal_is_a_tie_and_a_sitting_stands_for_a_visitor_who_is_not_named(tmp_path: Path) -> None:
    data = reading(tmp_path, vote(both_equal=True, chosen_model_name=None), vote(visitor_id=None))
    assert [one.rating for one in data.comparisons[1].candidates] == [0.5, 0.5]
    assert [one.user for one in data.comparisons] == ["v1", "v1", "sitting s1", "sitting s1"]
    assert "1 of 2 users are sittings" in data.notes[0]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"chosen_model_name": "m3"}, "chosen_model_name is 'm3'; expected m1 or m2"),
        ({"chosen_model_name": None}, "chosen_model_name is None"),
        ({"model_b_name": "m1"}, "against itself"),
        ({"conversation_b": chat("other", "b")}, "different questions"),
        ({"visitor_id": None, "session_hash": None}, "visitor_id is empty"),
    ],
)
def test_bad_votes_are_named(tmp_path: Path, change: dict[str, Any], reason: str) -> None:
    data = reading(tmp_path, vote(), vote(**change))
    assert [row.line for row in data.rejected] == [2]
    assert reason in data.rejected[0].reason
