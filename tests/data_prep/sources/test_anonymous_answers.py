"""Check sources whose answers name no models: Community Alignment and PersonalRewardBench."""

from pathlib import Path
from typing import Any

import pytest

from data_prep.prepare import PrepOptions, prepare
from data_prep.sources import community_alignment, personal_reward_bench
from data_prep.sources.source import SourceOptions
from gmt.data.answer_slots import is_slot, slot_name
from gmt.data.comparisons import text_id
from gmt.data.interactions import TEST, TRAIN, VALID
from tests.data_prep.samples import chat, jsonl


def conversation(preferred: str = "response_b", **more: Any) -> dict[str, Any]:
    row: dict[str, Any] = {"conversation_id": "c1", "annotator_id": 41, "assigned_lang": "en"}
    for turn, word in enumerate(("first", "second")):
        row[f"{word}_turn_prompt"] = f"q{turn}"
        row |= {f"{word}_turn_response_{letter}": f"{letter}{turn}" for letter in "abcd"}
        row |= {f"{word}_turn_preferred_response": preferred, f"{word}_turn_feedback": "short"}
    return row | {"third_turn_prompt": None, "fourth_turn_prompt": None} | more


@pytest.mark.parametrize("preferred", ["response_b", "b", "B", "first_turn_response_b"])
def test_the_preferred_of_four_is_three_votes_and_no_tie(tmp_path: Path, preferred: str) -> None:
    data = community_alignment.read(jsonl(tmp_path / "x.jsonl", [conversation(preferred)]), SourceOptions())
    first = [item for item in data.comparisons if item.turn == 0]
    assert [[(one.model, one.response, one.rating) for one in item.candidates] for item in first] == [
        [("answer 1", "a0", 0.0), ("answer 2", "b0", 1.0)],
        [("answer 2", "b0", 1.0), ("answer 3", "c0", 0.0)],
        [("answer 2", "b0", 1.0), ("answer 4", "d0", 0.0)],
    ]
    assert {one.feedback for item in first for one in item.candidates if one.rating == 1.0} == {"short"}
    assert {item.user for item in first} == {"41"}
    assert len(data.comparisons) == 6
    assert data.answers_shown


def test_a_preference_for_nothing_shown_is_refused(tmp_path: Path) -> None:
    rows = [conversation(), conversation("e"), conversation(first_turn_response_b=None)]
    data = community_alignment.read(jsonl(tmp_path / "x.jsonl", rows), SourceOptions())
    assert ["expected response_a to response_d" in data.rejected[0].reason, data.rejected[1].reason] == [
        True,
        "first_turn_response_b is preferred and empty; expected text",
    ]


def pair(**more: Any) -> dict[str, Any]:
    return {
        "conversation_id": "c1",
        "user_id": "u1",
        "context": chat("q1", "a1", "q2"),
        "chosen": "good",
        "rejected": "poor",
        "turns": 2,
        "type": "unguided",
        "split": "train",
        "flip": False,
        **more,
    }


def test_a_pair_is_a_vote_on_places_with_the_rounds_before_it(tmp_path: Path) -> None:
    rows = [pair(), pair(chosen="finer", conversation_id="c2", context="plain", split="val"), pair(split="test")]
    data = personal_reward_bench.read(jsonl(tmp_path / "x.jsonl", rows), SourceOptions())
    shown = [[(one.model, one.response, one.rating) for one in item.candidates] for item in data.comparisons]
    placed = [
        [(f"answer {at + 1}", said, float(said != "poor")) for at, said in enumerate(sorted(texts, key=text_id))]
        for texts in (("good", "poor"), ("finer", "poor"))
    ]
    assert shown == [
        [("answer 1", "a1", None)],
        *placed,
        # The same conversation on another side of the split is another one, and its earlier round comes along too.
        [("answer 1", "a1", None)],
        placed[0],
    ]
    assert data.splits is not None
    assert data.splits.tolist() == [TRAIN, TRAIN, VALID, TEST, TEST]
    assert [item.query for item in data.comparisons] == ["q1", "q2", "plain", "q1", "q2"]


def test_an_answer_keeps_its_place_in_all_pairs_of_its_question(tmp_path: Path) -> None:
    said = ["best", "fine", "poor"]
    rows = [pair(chosen=a, rejected=b) for a, b in (said[:2], said[1:], said[::2])]
    data = personal_reward_bench.read(jsonl(tmp_path / "x.jsonl", rows), SourceOptions())
    shown = {(one.response, one.model) for item in data.comparisons if item.turn for one in item.candidates}
    assert len(shown) == 3
    assert {name for _, name in shown} == {"answer 1", "answer 2", "answer 3"}


def test_the_place_tells_nothing_of_the_verdict(tmp_path: Path) -> None:
    rows = [pair(conversation_id=f"c{at}", chosen=f"good {at}", rejected=f"poor {at}") for at in range(80)]
    data = personal_reward_bench.read(jsonl(tmp_path / "x.jsonl", rows), SourceOptions())
    first = [item.candidates[0].rating for item in data.comparisons if len(item.candidates) == 2]
    assert 20 < sum(rating or 0 for rating in first) < 60


def test_answers_may_be_messages(tmp_path: Path) -> None:
    rows = [pair(chosen=chat("q", "good"), rejected={"role": "assistant", "content": "poor"})]
    data = personal_reward_bench.read(jsonl(tmp_path / "x.jsonl", rows), SourceOptions())
    assert {one.response: one.rating for one in data.comparisons[-1].candidates} == {"good": 1.0, "poor": 0.0}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"split": "dev2"}, "split is 'dev2'"),
        ({"chosen": None}, "chosen is empty"),
        ({"chosen": "poor"}, "chosen and rejected are the same text"),
        ({"context": chat("q", "a")}, "context does not end in a question"),
        ({"rejected": {"text": "x"}}, "expected a text or a message with content"),
        ({"user_id": None}, "user_id is empty"),
    ],
)
def test_bad_pairs_are_named(tmp_path: Path, change: dict[str, Any], reason: str) -> None:
    data = personal_reward_bench.read(jsonl(tmp_path / "x.jsonl", [pair(), pair(**change)]), SourceOptions())
    assert [(row.line, reason in row.reason) for row in data.rejected] == [(2, True)]


def test_the_card_says_that_answers_are_ranked_and_keeps_the_split_of_the_source(tmp_path: Path) -> None:
    rows = [pair(conversation_id=f"c{at}", split=("train", "val", "test")[at % 3]) for at in range(9)]
    path = jsonl(tmp_path / "x.jsonl", rows)
    card = prepare(PrepOptions("personal-reward-bench", tmp_path / "out", path, "hash"))
    assert card["answers_shown"]
    assert card["protocol"] == "given"
    assert [card["splits"][name]["rated"] for name in ("train", "valid", "test")] == [3, 3, 3]


def test_names_of_places_are_told_from_names_of_models() -> None:
    assert [slot_name(at) for at in (0, 3)] == ["answer 1", "answer 4"]
    assert [is_slot(name) for name in ("answer 1", "answer 0", "answer one", "my answer 1", "gpt-4")] == [
        *(True, False),
        *(False, False, False),
    ]
