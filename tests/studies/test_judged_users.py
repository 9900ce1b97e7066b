"""Check users whom a judge plays, and the rules that stand in for one."""

import json

import pytest

from data_prep.simulate.judge_endpoint import Endpoint
from data_prep.simulate.judge_prompt import prompt
from data_prep.simulate.personas import WRITTEN, personas
from data_prep.simulate.response_table import Answer, Round
from gmt.errors import DataError
from gmt.studies import judged_users
from gmt.studies.stand_in_judge import STAND_IN, TRAITS, WISHES, StandInJudge, _answers
from tests.data_prep.samples import jsonl
from tests.data_prep.simulate.judge_server import serving

LONG = "First, the reasons. " * 40
SHORT = "Yes."


def picked(persona, texts, earlier=()):
    """Return which of some answers a persona picks."""
    names = tuple(f"m{number}" for number in range(len(texts)))
    rounds = [
        *(Round(query, {name: Answer(text) for name in names}) for query, text in earlier),
        Round("What now?", {name: Answer(text) for name, text in zip(names, texts, strict=True)}),
    ]
    return int(StandInJudge().ask(prompt(persona, rounds, names, 4000)).text) - 1


def test_rules_pick_what_a_persona_says_that_it_likes():
    assert picked("You want short answers; two sentences are often enough.", [LONG, SHORT]) == 1
    assert picked("You want thorough answers and do not mind reading a page.", [SHORT, LONG, SHORT]) == 1
    listed = "- one thing\n- another thing\n- a third thing"
    plain = "One thing, and another thing, and a third thing."
    assert picked("Numbered steps help you.", [plain, listed]) == 1
    assert picked("You prefer running text to lists.", [listed, plain]) == 1


def test_an_answer_is_judged_without_the_rounds_before_it():
    rounds = [Round("a", {"m": Answer(LONG), "n": Answer("n")}), Round("b", {"m": Answer("M"), "n": Answer("N")})]
    found = prompt("p", rounds, ("m", "n"), 4000)
    assert _answers(found[1]["content"]) == ["M", "N"]
    # A heading of that form inside an answer is a part of it.
    found = prompt("p", [Round("b", {"m": Answer("M\n### Answer 1\nmore"), "n": Answer("N")})], ("m", "n"), 4000)
    assert len(_answers(found[1]["content"])) == 2


def test_a_verdict_is_the_same_every_time_and_no_place_is_preferred():
    people = personas(400, 1)
    first = [picked(persona, [SHORT, SHORT, SHORT, SHORT]) for persona in people.values()]
    assert first == [picked(persona, [SHORT, SHORT, SHORT, SHORT]) for persona in people.values()]
    assert all(60 < first.count(place) < 140 for place in range(4))


def test_rules_know_most_personas_and_only_traits_that_are_measured():
    import re

    known = [any(re.search(pattern, text, re.I) for pattern, _ in WISHES) for text in WRITTEN.values()]
    assert sum(known) >= len(WRITTEN) - 1
    assert all(set(wishes) <= set(TRAITS) for _, wishes in WISHES)
    assert all(measured("") == measured("") for measured in TRAITS.values())  # an empty answer is no NaN


def test_a_judge_is_named_by_endpoint_or_path_and_never_guessed():
    assert judged_users.judge_of("stand-in").name == STAND_IN
    found = judged_users.judge_of("judge-70b@http://localhost:8000/v1")
    assert isinstance(found, Endpoint) and "judge-70b" in found.name
    for name in ("gpt", "@http://x", "m@ftp://x", ""):
        with pytest.raises(DataError, match="expected stand-in, MODEL@URL or local:PATH"):
            judged_users.judge_of(name)
    with pytest.raises(DataError, match="is no model that transformers can load"):
        judged_users.judge_of("local:/nowhere")


@pytest.fixture
def answers(tmp_path):
    """Write four models' answers to twelve questions of two turns."""
    folder = tmp_path / "answers"
    for number, model in enumerate(("a", "b", "c", "d")):
        rows = [
            {"question_id": q, "choices": [{"turns": ["word " * (3 + 30 * number + q), f"- {model}\n" * (number + 1)]}]}
            for q in range(12)
        ]
        jsonl(folder / f"{model}.jsonl", rows)
    rows = [{"question_id": q, "category": "sums", "turns": [f"first {q}", f"then {q}"]} for q in range(12)]
    jsonl(tmp_path / "question.jsonl", rows)
    return folder


def test_the_share_of_right_choices_is_measured_and_names_its_judge(answers, tmp_path):
    line = ["--answers", answers, "--questions", tmp_path / "question.jsonl", "--out", tmp_path / "out"]
    line += ["--users", 5, "--per-user", 10, "--candidates", 3, "--models", 3, "--seeds", 0, "--encoder", "hash:16"]
    line += ["--set", "traits.enabled=false", "posterior.drift=false", "--baselines", "bradley_terry"]
    judged_users.main(list(map(str, line)))
    found = json.loads((tmp_path / "out/judged.json").read_text())
    routers = found["seen"]["shots"]["all"]["routers"]
    assert found["judge"] == STAND_IN and 0 <= routers["gmt"]["reward"]["value"] <= 1
    models = json.loads(next((tmp_path / "out/rows").glob("*.models.json")).read_text())
    assert sorted(models) == ["a", "b", "c"]
    # What stands is kept: a second call asks and trains nothing.
    before = (tmp_path / "out/rows/stand-in-5-0.jsonl").stat().st_mtime_ns
    judged_users.main(list(map(str, line)))
    assert (tmp_path / "out/rows/stand-in-5-0.jsonl").stat().st_mtime_ns == before
    with pytest.raises(DataError, match="9 models were requested and 4 answered"):
        judged_users.main([*map(str, line), "--models", "9", "--users", "6"])


def test_a_judge_at_an_endpoint_is_asked_once_and_named(answers, tmp_path, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with serving() as service:
        url = service.url
        line = ["--answers", answers, "--questions", tmp_path / "question.jsonl", "--judge", f"best@{url}"]
        line += ["--users", 4, "--per-user", 6, "--candidates", 2, "--models", 4, "--max-chars", 300, "--seeds", 0]
        line += ["--encoder", "hash:16", "--set", "traits.enabled=false", "posterior.drift=false"]
        line += ["--no-controls", "--baselines", "best_single"]
        judged_users.main([*map(str, line), "--out", str(tmp_path / "out")])
        # Prompts of equal answers are equal, so there may be fewer requests than verdicts.
        assert 0 < service.requests <= 4 * 6 * 2 and service.keys == {None}
        asked = service.requests
        (card,) = (tmp_path / "out/data").glob("best-http*-4-0/card.json")
        card.unlink()
        judged_users.main([*map(str, line), "--out", str(tmp_path / "out")])
        assert service.requests == asked
    found = json.loads((tmp_path / "out/judged.json").read_text())
    assert found["judge"].startswith("best@http://127.0.0.1") and STAND_IN not in found["judge"]
    # In the same folder another judge's people are other people.
    judged_users.main([*map(str, line), "--judge", "stand-in", "--out", str(tmp_path / "out")])
    assert json.loads((tmp_path / "out/judged.json").read_text())["judge"] == STAND_IN
    assert (tmp_path / "out/data/stand-in-4-0/card.json").is_file()
