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


def test_all_releases_say_the_same(tmp_path: Path) -> None:
    """Read one battle in the shape of every release."""
    plain = {"model_a": "m1", "model_b": "m2"}
    a, b = chat("q1", "a1", "q2", "a2"), chat("q1", "b1", "q2", "b2")
    typed = [
        [
            {**said, "content": [{"type": "text", "text": said["content"], "image": None, "mimeType": None}]}
            for said in side
        ]
        for side in (a, b)
    ]
    texts = {"prompt": '["q1", "q2"]', "response_a": '["a1", "a2"]', "response_b": '["b1", "b2"]'}
    releases = {
        "100k": plain | {"winner": "model_b", "judge_hash": "ab12", "conversation_a": a, "conversation_b": b},
        "140k": plain
        | {"winner": "model_b", "evaluation_session_id": "s9", "timestamp": "2025-06-01T10:00:00Z", "id": "k"}
        | {"conversation_a": typed[0], "conversation_b": typed[1], "evaluation_order": 1, "is_code": True},
        "55k": plain | texts | {"id": 30192, "winner_model_a": 0, "winner_model_b": 1, "winner_tie": 0},
        "search": plain | {"winner": "model_b", "judge": "j", "messages_a": a, "messages_b": b},
    }
    users = {}
    for name, row in releases.items():
        data = reading(tmp_path, row)
        first, last = data.comparisons
        users[name] = last.user
        assert [(c.response, c.rating) for c in last.candidates] == [("a2", 0.0), ("b2", 1.0)], name
        assert (first.query, last.query, last.turn) == ("q1", "q2", 1)
        assert bool(data.notes) == (name in ("140k", "55k"))
    assert users == {"100k": "ab12", "140k": "sitting s9", "55k": "unnamed 30192", "search": "j"}
    (_, last) = reading(tmp_path, releases["140k"]).comparisons
    assert (last.timestamp, last.task, last.question) == (1748772000.0, "code", "k")
    assert "sittings and no people" in reading(tmp_path, releases["140k"]).notes[0]
    assert "--protocol new-users" in reading(tmp_path, releases["55k"]).notes[0]


def test_both_bad_of_the_release_of_2025_is_a_tie_with_feedback(tmp_path: Path) -> None:
    *_, last = reading(tmp_path, battle(winner="both_bad")).comparisons
    assert [(c.rating, c.feedback) for c in last.candidates] == 2 * [(0.5, "both bad")]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"winner_tie": 1}, "2 of winner_model_a, winner_model_b, winner_tie are 1; expected exactly one"),
        ({"prompt": '["q1", null]'}, "a question in prompt is empty"),
        ({"prompt": "q1"}, "prompt is not JSON"),
        ({"response_a": "[null]"}, "no answered question in common"),
    ],
)
def test_bad_rows_of_the_release_without_people_are_named(tmp_path: Path, change: dict[str, Any], reason: str) -> None:
    row = {"id": 1, "model_a": "m1", "model_b": "m2", "prompt": '["q1"]', "response_a": '["a"]', "response_b": '["b"]'}
    row |= {"winner_model_a": 1, "winner_model_b": 0, "winner_tie": 0}
    data = reading(tmp_path, row, row | change)
    assert len(data.comparisons) == 1
    assert reason in data.rejected[0].reason


def test_a_battle_with_a_picture_is_refused(tmp_path: Path) -> None:
    seen = [{"role": "user", "content": [{"type": "image", "image": "x", "text": None}]}, *chat("", "a")[1:]]
    data = reading(tmp_path, battle(), battle(conversation_a=seen))
    assert "part of type 'image'; expected parts of type text" in data.rejected[0].reason
