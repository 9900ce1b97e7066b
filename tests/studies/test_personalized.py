"""Check the single-turn studies on a small matrix of scores."""

import json
from dataclasses import replace

import numpy as np
import pytest

from gmt.studies import personalized, personalized_data, personalized_feedback, personalized_newcomers
from tests.data_prep.samples import jsonl


@pytest.fixture
def scores(tmp_path, monkeypatch):
    """Write 90 training and 30 test questions of three tasks, and make populations small."""
    home, rng = tmp_path / "scores", np.random.default_rng(0)
    queries = [f"question {n} about {('cats', 'sums', 'maps')[n % 3]}" for n in range(120)]
    jsonl(
        home / "default_query_train.jsonl", [{"query": q, "task_name": f"task{n % 3}"} for n, q in enumerate(queries)]
    )
    jsonl(home / "default_query_test.jsonl", [])
    models = {"small": (0.1, 0.3), "mid": (0.5, 0.6), "large": (2.0, 0.8)}
    cards = {name: {"feature": name, "input_price": p, "output_price": p} for name, (p, _) in models.items()}
    (home / "default_llm.json").write_text(json.dumps(cards))
    for name, part in (("train", queries[:90]), ("test", queries[90:])):
        rows = [
            {"question": q, "scores": {m: float(rng.random() < v) for m, (_, v) in models.items()}, "cluster_id": 0}
            for q in part
        ]
        (home / f"dcrouter_{name}.json").write_text(json.dumps(rows))
    monkeypatch.setattr(personalized_data, "ENCODER", "hash:32")
    monkeypatch.setattr(personalized_newcomers, "ENCODER", "hash:32")
    monkeypatch.setattr(personalized_feedback, "NINE", replace(personalized_data.NINE, users=5))
    for module in (personalized_feedback, personalized_newcomers):
        monkeypatch.setattr(module, "THOUSAND", replace(personalized_data.THOUSAND, users=16, per_user=12))
    return home


def run(scores, out, study, *rivals):
    arguments = ["--scores", str(scores), "--out", str(out), "--studies", study, "--seeds", "0", "--rivals", *rivals]
    personalized.main(arguments)
    return json.loads((out / f"{study}.json").read_text())


def test_rewards_of_nine_users_stand_beside_the_best_possible(scores, tmp_path):
    (found,) = run(scores, tmp_path, "nine", "best_single").values()
    rewards = {name: metrics["reward"]["value"] for name, metrics in found["routers"].items()}
    assert rewards["oracle"] > rewards["gmt"] and set(rewards) == {"oracle", "gmt", "best_single"}
    assert len(found["alpha"]) == 1 and -1 <= found["alpha"][0] <= 1
    assert "| gmt − `best_single` |" in (tmp_path / "nine.md").read_text()


def test_a_model_joins_with_ever_more_outcomes(scores, tmp_path):
    found = run(scores, tmp_path, "models")
    assert list(found) == ["0 outcomes", "5 outcomes", "20 outcomes", "50 outcomes"]
    assert all("trained with it" in one["routers"] for one in found.values())


def test_a_half_life_is_measured_after_users_changed(scores, tmp_path):
    found = run(scores, tmp_path, "drift")
    assert len(found) == 7 and set(found["0 votes after"]["routers"]) == {
        "gmt",
        *(f"half-life {n}" for n in (3, 10, 30)),
    }


def test_a_study_of_any_extent_is_of_these_people_and_questions(scores, tmp_path):
    arguments = ["--scores", str(scores), "--out", str(tmp_path), "--seeds", "0", "--rivals", "best_single"]
    arguments += ["--users", "6", "--questions", "80", "--encoder", "hash:16", "--feedback", "full", "--steps", "2"]
    personalized.main([*arguments, "--layers", "0", "2", "--studies", "nine", "thousand", "newcomers", "depth"])
    found = {path.stem: json.loads(path.read_text()) for path in tmp_path.glob("*.json")}
    assert list(found["thousand"]) == ["full"] and found["thousand"]["full"]["settings"]["users"] == 6
    assert found["nine"]["nine users, full feedback"]["settings"]["users"] == 6
    assert "trained on them" in found["newcomers"]["0 votes"]["routers"] and list(found["depth"]) == ["0", "2"]


def test_fewer_questions_are_the_same_ones_whatever_the_seed(scores):
    matrix = personalized.matrix_from(scores, [])
    few = personalized_data.Extent(questions=20).part_of(matrix)
    assert len(few.queries) == 20 and set(few.queries) <= set(matrix.queries)
    assert few.queries == personalized_data.Extent(questions=20).part_of(matrix).queries
    assert personalized_data.WHOLE.part_of(matrix) is matrix
