"""Check every shipped recipe on small made rows of the published shape, and on the published files where they are."""

import csv
import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data_prep.read.parallel import InProcesses
from data_prep.recipes.read_recipe import read_by_recipe
from data_prep.recipes.recipe_files import load_recipe, shipped
from tests.data_prep.samples import chat, jsonl, real

SCORES = ("robotic", "interesting", "fun", "consistent", "fluent", "repetitive", "topic")
VERDICTS = (
    "validity",
    "coherence_logical",
    "coherence_stylistic",
    "coverage_broad",
    "coverage_deep",
    "consistency_internal",
    "quality_overall",
)


def table(path: Path, rows: list[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def llmfao(folder: Path) -> None:
    table(
        folder / "crowd-comparisons.csv",
        [
            {
                "id": 0,
                "prompt": 8,
                "model_x": 97,
                "model_y": 98,
                "worker": 58,
                "winner": "tie",
                "left": "L 70B",
                "right": "W",
            },
            {
                "id": 1,
                "prompt": 8,
                "model_x": 97,
                "model_y": 98,
                "worker": 14,
                "winner": "right",
                "left": "L 70B",
                "right": "W",
            },
        ],
    )
    jsonl(folder / "prompts.jsonl", [{"id": 8, "text": "Argue.", "type": "reflexion", "slug": "k8s"}])
    answers = [
        {"id": n, "model": n, "result": f"{name} says", "prompt": 8, "name": name}
        for n, name in enumerate(("L 70B", "W"))
    ]
    jsonl(folder / "results.jsonl", answers)


def crowdrag(folder: Path) -> None:
    row = {
        "submission_id": "s",
        "worker": "w",
        "item_index": 1,
        "query_id": "2024-1",
        "response_a": "r1",
        "response_b": "r2",
        "system_a": "llm-bullet",
        "system_b": "human-essay",
    }
    table(folder / "votes.csv", [row | dict.fromkeys(VERDICTS, "N") | {"quality_overall": "B"}])
    jsonl(
        folder / "responses.jsonl",
        [
            {"response": name, "topic": "2024-1", "style": "bullet", "kind": "llm", "text": f"text of {name}"}
            for name in ("r1", "r2")
        ],
    )


def llm_rubric(folder: Path) -> None:
    rows = [
        {
            "person": "22",
            "dialogue": "d",
            "system": "v2",
            "scores": {"Q1": 3, "Q0": 4},
            "messages": chat("one?", "1", "two?", "2"),
        }
    ]
    jsonl(folder / "real.jsonl", rows)
    scored = [
        {"person": "21", "dialogue": f"V1_{n}", "system": "V1", "round": "round1", "scores": {"Q0": n}} for n in (0, 1)
    ]
    jsonl(folder / "synthetic_scores.jsonl", scored)


def checkmate(folder: Path) -> None:
    row = {
        "person": "p",
        "set": 0,
        "problem": "x.html",
        "turns": [["one?", "1"], ["two?", "2"]],
        "helpfulness": [6, 3],
        "correctness": [6, 3],
        "final_prefs": {"a": 3, "b": 1, "c": 1},
        "seconds": 60.5,
        "topic": "Algebra",
    }
    jsonl(
        folder / "traces.jsonl",
        [row | {"model": "a"}, row | {"model": "b"}, row | {"model": "a", "person": "q", "final_prefs": None}],
    )


def dialogue_eval(folder: Path) -> None:
    row = {
        "run": "free1",
        "worker": "w",
        "hit": "h",
        "position": 0,
        "turns": [["hi", "hello"], ["bye", "so long"]],
        "scores": dict.fromkeys(SCORES, 100),
        "topic": [],
        "feedback": "None",
    }
    rows = [row | {"model_code": "A_p"}, row | {"model_code": "QualityControl", "position": 1}]
    (folder / "ratings.jsonl.gz").write_bytes(gzip.compress("".join(json.dumps(one) + "\n" for one in rows).encode()))


def halie(folder: Path) -> None:
    who = {"session_id": "s", "worker_id": "w", "model": "Jumbo"}
    said = [
        {
            "name": f"turn-0{n}",
            **who,
            "turn_id": n,
            "prompt": "p",
            "prompt_dataset": "d",
            "user_input": f"{n}?",
            "model_completion": f"{n}!",
        }
        for n in (1, 2)
    ]
    table(folder / "event_blocks.csv", said)
    asked = dict.fromkeys(
        ("interestingness", "boringness", "preference", "fluency", "sensibility", "specificity", "humanness")
    )
    survey = [{**who, "turn_id": n, **dict.fromkeys(asked, 1.0), "quality": ""} for n in (1, 2)]
    table(folder / "survey_responses.csv", [{**who, "turn_id": -1, **asked, "quality": 4.0}, *survey])


def wmt(folder: Path) -> None:
    row = {
        "langs": "en-cs",
        "line_id": 4,
        "src": "Hello",
        "doc_id": "d",
        "domain": "news",
        "esa_spans": [],
        "annotator": "n1",
        "speech_info": None,
    }
    jsonl(
        folder / "wmt24_esa.jsonl",
        [
            row | {"system": "Aya23", "tgt": "Ahoj", "esa_score": 90.0},
            row | {"system": "GPT-4", "tgt": "Nazdar", "esa_score": "40"},
        ],
    )
    scores = {
        "GPT-4.1": {"human1": 90, "annotator1": "x1", "errors1": [], "human2": 95, "annotator2": "x2"},
        "refA": {"human1": 10, "annotator1": "x1", "errors1": []},
    }
    segment = {
        "scores": scores,
        "src_text": "Hello",
        "tgt_text": {"GPT-4.1": "Ahoj", "refA": "Nazdar", "unjudged": "?"},
        "doc_id": "a_#_b_#_0",
    }
    jsonl(folder / "wmt25-genmt-humeval.jsonl", [segment, segment | {"scores": {}, "doc_id": "a_#_b_#_1"}])


def hub(folder: Path) -> None:
    row = {
        "user_id": "u",
        "conversation_id": "c",
        "turn": 0,
        "user_prompt": "why?",
        "conversation_type": "unguided",
        "if_chosen": True,
    }
    answers = [("x", 100, "because"), ("y", 1, "EMPTY STRING")]
    jsonl(
        folder / "utterances.jsonl",
        [row | {"model_name": name, "score": score, "model_response": said} for name, score, said in answers],
    )
    jsonl(
        folder / "rulm.jsonl",
        [
            {
                "result": "left",
                "instruction": "Переведи",
                "input": "hello",
                "left_answer": "привет",
                "right_answer": "пока",
                "left_model": "saiga",
                "right_model": "turbo",
                "worker_id": "w",
            }
        ],
    )
    votes = [
        {"evaluator": name, "overall_pref": said, "overall_confidence": "x", "timestamp": "2024-05-01"}
        for name, said in (("e1", "A-is-slightly-better"), ("e2", "Tie"))
    ]
    jsonl(
        folder / "multipref.jsonl",
        [
            {
                "comparison_id": "c",
                "prompt_id": "p",
                "text": "why?",
                "model_a": "x",
                "completion_a": "1",
                "model_b": "y",
                "completion_b": "2",
                "normal_worker_annotations": votes,
                "expert_worker_annotations": [
                    {"evaluator": "e1", "overall_pref": "B-is-slightly-better", "timestamp": "2024-05-02"},
                    {"evaluator": "e2", "overall_pref": "B-is-clearly-better", "timestamp": "2024-05-02"},
                ],
            }
        ],
    )


MADE = {
    "llmfao": (llmfao, None, [{"L 70B": 0.5, "W": 0.5}, {"L 70B": 0, "W": 1}]),
    "crowdrag": (crowdrag, None, [{"llm-bullet": 0, "human-essay": 1}]),
    "crowdrag_criteria": (
        crowdrag,
        None,
        [{"llm-bullet": 0, "human-essay": 1}] + 6 * [{"llm-bullet": 0.5, "human-essay": 0.5}],
    ),
    "llm_rubric": (llm_rubric, None, [{"v2": None}, {"v2": 1}]),
    "llm_rubric_synthetic": (llm_rubric, None, [{"V1": 0}]),
    "checkmate": (checkmate, None, [{"a": 1}, {"a": 0.5}, {"b": 1}, {"b": 0.5}, {"a": 1}, {"a": 0.5}]),
    "checkmate_ranking": (checkmate, None, [{"a": 0, "b": 1, "c": 1}]),
    "dialogue_eval": (dialogue_eval, None, [{"A_p": None}, {"A_p": pytest.approx(5 / 7)}]),
    "halie": (halie, None, [{"Jumbo": pytest.approx(6 / 7)}] * 2),
    "wmt-esa": (wmt, None, [{"Aya23": 0.9, "GPT-4": 0.4}]),
    "wmt25-esa": (wmt, None, [{"GPT-4.1": 0.9, "refA": 0.1}, {"GPT-4.1": 0.95}]),
    "prism_utterances": (hub, None, [{"x": 1, "y": 0}]),
    "rulm": (hub, "rulm.jsonl", [{"saiga": 1, "turbo": 0}]),
    "multipref_experts": (hub, "multipref.jsonl", [{"x": 0.25, "y": 0.75}, {"x": 0, "y": 1}]),
    "multipref": (hub, "multipref.jsonl", [{"x": 0.75, "y": 0.25}, {"x": 0.5, "y": 0.5}]),
}


@pytest.mark.parametrize("name", shipped())
def test_made_rows_of_the_published_shape_are_read(name: str, tmp_path: Path) -> None:
    make, file, wanted = MADE[name]
    make(tmp_path)
    found = read_by_recipe(tmp_path / file if file else tmp_path, load_recipe(f"recipe:{name}"))
    comparisons = found.grouped.comparisons()
    assert [{one.model: one.rating for one in item.candidates} for item in comparisons] == wanted
    assert not found.rejected
    # Texts that are published reach the table; ids stand for those that are not.
    silent = ("llm_rubric_synthetic", "checkmate_ranking")
    assert all((one.response is None) == (name in silent) for item in comparisons for one in item.candidates)


def test_recipes_are_read_by_several_processes(tmp_path: Path) -> None:
    crowdrag(tmp_path)
    recipe = load_recipe("recipe:crowdrag_criteria")
    one, several = (read_by_recipe(tmp_path, recipe, mapper).grouped for mapper in (None, InProcesses(2)))
    assert one.comparisons() == several.comparisons()


# As $GMT_REAL_DATA's own description counts them: rows, people, models, rated rounds.
REAL = {
    "llmfao": ("llmfao", 5792, 89, 52, 5792),
    "crowdrag": ("crowdrag", 5490, 337, 6, 5490),
    "crowdrag_criteria": ("crowdrag", 7 * 5490, 337, 6, 7 * 5490),
    "llm_rubric": ("llm_rubric", 727, 12, 3, 209),
    "llm_rubric_synthetic": ("llm_rubric", 648, 20, 5, 648),
    "checkmate": ("checkmate", 193, 19, 3, 193),
    "checkmate_ranking": ("checkmate", 25, 19, 3, 25),
    "dialogue_eval": ("dialogue_eval", 25336, 351, 10, 2886 - 481),
    "halie": ("halie_dialogue", 2063, 189, 4, 2063),
}


@pytest.mark.parametrize("name", REAL)
def test_a_published_set_is_read_whole(name: str) -> None:
    folder, rounds, users, models, rated = REAL[name]
    found = read_by_recipe(real(folder), load_recipe(f"recipe:{name}"))
    data = found.grouped.table()
    assert (len(data), len(data.users), len(data.models), int(data.rated.sum())) == (rounds, users, models, rated)
    assert not found.rejected
    given = data.ratings[np.isfinite(data.ratings)]
    assert 0 <= given.min() < given.max() <= 1
