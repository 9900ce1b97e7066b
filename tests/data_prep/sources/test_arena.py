"""Check how battles become conversations."""

from pathlib import Path
from typing import Any

import pytest

from data_prep.sources.arena import read
from data_prep.sources.source import RawData, SourceOptions
from tests.data_prep.samples import chat, jsonl


def battle(**more: Any) -> dict[str, Any]:
    return {
        "question_id": "x1",
        "model_a": "m1",
        "model_b": "m2",
        "winner": "model_b",
        "judge": "arena_user_7",
        "conversation_a": chat("q1", "a1", "q2", "a2"),
        "conversation_b": chat("q1", "b1", "q2", "b2"),
        "turn": 2,
        "language": "English",
        "tstamp": 1682351591.1,
        **more,
    }


def reading(folder: Path, *rows: dict[str, Any]) -> RawData:
    return read(jsonl(folder / "battles.jsonl", rows), SourceOptions())


def test_the_vote_stands_on_the_last_round(tmp_path: Path) -> None:
    first, last = reading(tmp_path, battle()).comparisons
    assert [candidate.rating for candidate in first.candidates] == [None, None]
    assert [candidate.rating for candidate in last.candidates] == [0.0, 1.0]
    assert (last.turn, last.query, last.question, last.timestamp) == (1, "q2", "x1", 1682351591.1)
    assert first.conversation == last.conversation


def test_rounds_that_one_side_lacks_are_left_out(tmp_path: Path) -> None:
    (only,) = reading(tmp_path, battle(conversation_b=chat("q1", "b1", "q2"))).comparisons
    assert (only.turn, only.candidates[1].rating) == (0, 1.0)


def test_both_bad_is_a_tie_with_feedback_and_an_empty_answer_is_kept(tmp_path: Path) -> None:
    row = battle(winner="tie (bothbad)", conversation_a=chat("q1", ""), conversation_b=chat("q1", "b1"))
    (only,) = reading(tmp_path, row).comparisons
    assert [(c.rating, c.feedback, c.response) for c in only.candidates] == [
        (0.5, "both bad", ""),
        (0.5, "both bad", "b1"),
    ]


def test_a_system_message_opens_no_round(tmp_path: Path) -> None:
    system = [{"role": "system", "content": "be kind"}]
    row = battle(conversation_a=system + chat("q1", "a1"), conversation_b=chat("q1", "b1"))
    assert len(reading(tmp_path, row).comparisons) == 1


def test_the_same_question_twice_is_two_conversations(tmp_path: Path) -> None:
    found = reading(tmp_path, battle(), battle(judge="other")).comparisons
    assert len({item.conversation for item in found}) == 2


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"conversation_a": chat("q1", "a1")[1:]}, "no answered question in common"),
        ({"conversation_a": chat(" ", "a1")}, "a question in conversation_a is empty"),
        ({"conversation_a": [{"role": "robot"}]}, "message 1 of conversation_a is from 'robot'; expected user"),
        ({"conversation_a": []}, "no answered question in common"),
        ({"conversation_a": chat("other", "a1")}, "different questions"),
        ({"conversation_a": "nonsense"}, "not JSON"),
        ({"winner": "both"}, "winner is 'both'"),
        ({"model_b": "m1"}, "against itself"),
        ({"judge": None}, "judge is empty"),
    ],
)
def test_bad_battles_are_named(tmp_path: Path, change: dict[str, Any], reason: str) -> None:
    data = reading(tmp_path, battle(), battle(**change))
    assert len(data.comparisons) == 2
    assert data.rejected[0].line == 2
    assert reason in data.rejected[0].reason
