"""Check PRISM in both published shapes on rows of their form."""

import json
from pathlib import Path
from typing import Any

import pytest

from data_prep.sources.prism import STEP, read
from data_prep.sources.source import SourceOptions
from gmt.errors import DataError
from tests.data_prep.samples import jsonl

SAID = [
    # turn, place, model, answer, score, chosen
    (0, 0, "m1", "one", 50, False),
    (0, 1, "m2", "two", 80, True),
    (0, 2, "m3", "EMPTY STRING", 80, False),
    (1, 0, "m2", "yes", 30, False),
    (1, 1, "m2", "no", 90, True),
]


def utterance(turn: int, place: int, model: str, response: str, score: int, chosen: bool) -> dict[str, Any]:
    return {
        "utterance_id": f"ut{turn}{place}",
        "interaction_id": f"int{turn}",
        "conversation_id": "c1",
        "user_id": "user0",
        "turn": turn,
        "within_turn_id": place,
        "conversation_type": "unguided",
        "user_prompt": f"q{turn}",
        "model_response": response,
        "model_name": model,
        "model_provider": "api",
        "score": score,
        "if_chosen": chosen,
        "included_in_balanced_subset": True,
    }


def conversation() -> dict[str, Any]:
    history: list[dict[str, Any]] = []
    for turn in (0, 1):
        history.append({"turn": turn, "role": "user", "content": f"q{turn}", "score": None, "if_chosen": None})
        history += [
            {"turn": at, "role": "model", "content": response, "model_name": model, "model_provider": "api"}
            | {"score": score, "if_chosen": chosen, "within_turn_id": place}
            for at, place, model, response, score, chosen in SAID
            if at == turn
        ]
    return {
        "conversation_id": "c1",
        "user_id": "user0",
        "conversation_type": "unguided",
        "opening_prompt": "q0",
        "conversation_history": history,
        "generated_datetime": "2023-11-23 10:00:00",
    }


def write(folder: Path, form: str) -> None:
    rows = [utterance(*one) for one in SAID] if form == "utterances" else [conversation()]
    jsonl(folder / f"{form}.jsonl", rows)
    survey = [{"user_id": "user0", "age": "25-34", "religion": None}, {"user_id": "other", "age": "65+"}]
    jsonl(folder / "survey.jsonl", survey)


@pytest.mark.parametrize("form", ["utterances", "conversations"])
def test_both_shapes_say_the_same(tmp_path: Path, form: str) -> None:
    write(tmp_path, form)
    data = read(tmp_path, SourceOptions())
    first, second = data.comparisons
    assert (first.user, first.conversation, first.query, first.task) == ("user0", "c1", "q0", "unguided")
    assert [one.model for one in first.candidates] == ["m1", "m2", "m3"]
    # Equal scores: the chosen one stands half a point above.
    assert [one.rating for one in first.candidates] == pytest.approx([49 * STEP, 79 * STEP, 78.5 * STEP])
    assert [one.response for one in first.candidates] == ["one", "two", ""]
    # The same model twice: places stand for it.
    assert [(one.model, one.response) for one in second.candidates] == [("answer 1", "yes"), ("answer 2", "no")]
    assert [one.rating for one in second.candidates] == pytest.approx([29 * STEP, 89 * STEP])
    assert "1 rounds show one model several times" in data.notes[0]
    assert json.loads(data.extras["users.json"]) == {"user0": {"age": "25-34"}}
    assert not data.rejected


def test_a_choice_without_scores_is_a_vote_and_at_the_lower_end_the_chosen_one_is_raised(tmp_path: Path) -> None:
    unscored = [utterance(0, place, f"m{place}", "x", 1, place == 1) | {"score": None} for place in (0, 1)]
    lowest = [utterance(1, place, f"m{place}", "x", 1, place == 1) for place in (0, 1)]
    data = read(jsonl(tmp_path / "utterances.jsonl", unscored + lowest), SourceOptions())
    assert [[one.rating for one in item.candidates] for item in data.comparisons] == [[0.0, 1.0], [0.0, STEP / 2]]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"score": 101}, "score is 101; expected a number from 1 to 100"),
        ({"user_id": None}, "user_id is empty"),
        ({"within_turn_id": None}, "turn or within_turn_id is empty"),
        ({"model_name": ""}, "model_name is empty"),
    ],
)
def test_bad_utterances_are_named(tmp_path: Path, change: dict[str, Any], reason: str) -> None:
    rows = [utterance(*one) for one in SAID]
    rows[1] |= change
    data = read(jsonl(tmp_path / "utterances.jsonl", rows), SourceOptions())
    assert [(row.line, reason in row.reason) for row in data.rejected] == [(2, True)]


def test_a_folder_without_either_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"neither utterances.jsonl nor conversations.jsonl"):
        read(tmp_path, SourceOptions())
