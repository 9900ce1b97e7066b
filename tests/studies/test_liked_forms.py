"""Check that the study of liked forms knows who likes lists where people do, and turns pairs the same way round."""

import json

import numpy as np
import pytest

from data_prep.prepare import PrepOptions, prepare
from gmt.config import RunConfig, load_config
from gmt.data.dataset import Dataset
from gmt.data.interactions import TEST
from gmt.runs import RunFolder
from gmt.studies import liked_forms
from gmt.training.train_run import train_run

LIST = "- one thing\n- another thing\n- a third thing\n"
PROSE = "One thing leads to another thing, and that leads to a third thing of some sort."


def rows(people: int = 16, rounds: int = 20) -> list[dict]:
    """Return votes of people of whom the even ones like lists, which one model writes, and the odd ones prose."""
    rng, out = np.random.default_rng(0), []
    for person in range(people):
        for number in range(rounds):
            first = bool(rng.integers(2))  # whether the answer shown first is the list
            said = [f"{LIST}{person} {number}", f"{PROSE} {person} {number}"]
            pair = ["lister", ("teller", "writer")[number % 2]]
            likes = (person % 2 == 0) == first
            vote = {"user": f"u{person}", "query": f"question {number}", "winner": "model_a" if likes else "model_b"}
            shown, models = (said, pair) if first else (said[::-1], pair[::-1])
            out.append(
                {**vote, "model_a": models[0], "model_b": models[1], "response_a": shown[0], "response_b": shown[1]}
            )
    return out


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    home = tmp_path_factory.mktemp("forms")
    (home / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows()))
    prepare(PrepOptions("jsonl", home / "data", str(home / "rows.jsonl"), "hash:16"))
    config: RunConfig = load_config(None, ["traits.enabled=false"], 0)
    train_run(home / "data", config, RunFolder(home / "run"))
    return home


def test_pairs_are_turned_to_the_list(run):
    data = Dataset.load(run / "data")
    asked = data.table.select(np.flatnonzero((data.table.split == TEST) & data.table.rated))
    at, more, less, won = liked_forms.turned_pairs(data, "lists")
    assert len(at) == len(asked) and (more + less == 1).all()
    for comparison, slot in zip(at, more, strict=True):
        row = asked.start[comparison] + slot
        assert asked.texts[asked.response[row]].startswith("- ")
    even = np.array([int(asked.users[code][1:]) % 2 == 0 for code in asked.user[at]])
    assert (won == even).all()


def test_areas_count_users_by_weight():
    gap, won, user = np.array([2.0, 1.0, 0.0, 3.0]), np.array([1, 0, 1, 0]), np.array([0, 0, 1, 1])
    weights = np.array([[1, 1], [1, 0], [0, 1]])
    assert liked_forms.area(gap, won, user, weights) == pytest.approx([0.25, 1.0, 0.0])
    assert np.isnan(liked_forms.area(gap, np.ones(4), user, weights)).all()


def test_who_likes_lists_is_known_from_the_own_history_alone(run):
    liked_forms.main([str(run / "run"), "--out", str(run / "out")])
    found = json.loads((run / "out" / "liked-forms.json").read_text())["lists"]
    assert found["gmt"]["value"] > 0.75 and found["users"] == 16
    assert found["gmt - owners_shuffled"]["low"] > 0
    assert "who likes" in (run / "out" / "liked-forms.md").read_text()
