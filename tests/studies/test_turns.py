import csv
import json
from dataclasses import replace

import numpy as np
import pytest

from data_prep.simulate.planted import PlantedSettings
from gmt.config import load_config
from gmt.studies import ablations, dialogues, turns

TINY = [
    "train.steps=4",
    "train.eval_every=4",
    "model.width=16",
    "model.hidden=8",
    "traits.steps=4",
    "traits.networks=1",
]


def write_dialogues(folder, people=9, rounds=6):
    """Write dialogues in HALIE's columns; one answer of the survey is blank."""
    rng = np.random.default_rng(0)
    events, surveys = [], []
    for person in range(people):
        key = {"session_id": f"s{person}", "worker_id": f"w{person}", "model": "Jumbo"}
        surveys.append({**key, "turn_id": -1, **dict.fromkeys(dialogues.SURVEY, "")})
        for turn in range(1, rounds + 1):
            said = f"word{rng.integers(9)} word{rng.integers(9)}"
            events.append({**key, "turn_id": turn, "user_input": said, "model_completion": "yes"})
            answers = {name: float(rng.integers(2)) for name in dialogues.SURVEY}
            surveys.append({**key, "turn_id": turn, **answers, "fluency": "" if turn == 1 else 1.0})
    for name, rows in (("event_blocks.csv", events), ("survey_responses.csv", surveys)):
        with (folder / name).open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)


def test_a_prediction_of_a_turn_reads_only_earlier_turns(tmp_path):
    write_dialogues(tmp_path)
    data = dialogues.read_dialogues(tmp_path, "hash:32")
    config = load_config(None, TINY)
    scorer = dialogues.train(data, np.arange(6), config, True)
    asked = np.flatnonzero(data.table.user == 7)
    scores = dialogues.predicted(data, asked, scorer, config, True)
    for at in range(len(asked)):
        rating = data.table.rating.copy()
        rating[asked[at:]] = 1 - rating[asked[at:]]  # this turn's rating and all later ones
        flipped = data.with_table(replace(data.table, rating=rating))
        found = dialogues.predicted(flipped, asked, scorer, config, True)
        assert np.allclose(found[: at + 1], scores[: at + 1])
        assert np.allclose(dialogues.so_far(flipped)[asked[: at + 1]], dialogues.so_far(data)[asked[: at + 1]])
    # Ratings that may be read do move what is predicted, so the checks above can fail.
    rating = data.table.rating.copy()
    rating[asked[0]] = 1 - rating[asked[0]]
    moved = dialogues.predicted(data.with_table(replace(data.table, rating=rating)), asked, scorer, config, True)
    assert moved[0] == scores[0] and not np.allclose(moved[1:], scores[1:])
    hidden = dialogues.predicted(flipped, asked, scorer, config, False)
    assert np.array_equal(hidden, dialogues.predicted(data, asked, scorer, config, False))


def test_dialogues_are_measured_within_users(tmp_path):
    write_dialogues(tmp_path)
    found = dialogues.dialogues(tmp_path, "hash:32", load_config(None, TINY))
    assert found["people"] == 9 and found["turns"] == 54
    assert set(dialogues.VARIANTS) < set(found)
    assert found["network: the turn alone"]["less the turn alone"]["value"] == 0
    assert "within a user" in dialogues.dialogues_table(found)
    data = dialogues.read_dialogues(tmp_path, "hash:32")
    assert list(dialogues.within(data, data.table.ratings[:, 0]).values()) == pytest.approx([1.0] * 9)


def test_turns_and_ablations_write_their_tables(tmp_path, monkeypatch):
    monkeypatch.setattr(turns, "MOVING", PlantedSettings(users=10, votes=20, turns=4, wander=True, questions=40))
    turns.main(["--out", str(tmp_path), "--planted", "0", "--set", *TINY])
    found = json.loads((tmp_path / "turns-votes.json").read_text())["planted, moving"]
    assert len(found["all"]["routers"]) == 6 and found["later"]["routers"]["neither"]["auc"]["value"] > 0
    assert "later rounds" in (tmp_path / "turns-votes.md").read_text()

    monkeypatch.setattr(ablations, "PlantedSettings", lambda seed: PlantedSettings(users=10, votes=20, seed=seed))
    names = ["default", "network", "no-query-quality", "network-no-graph"]
    ablations.main(["--out", str(tmp_path), "--planted", "0", "--configs", *names, "--set", *TINY])
    found = json.loads((tmp_path / "ablations.json").read_text())["planted-seen"]
    assert set(found["routers"]) == {*names, "one-graph-per-user", "network-one-graph-per-user"}
    assert set(found["differences"]) == set(found["routers"]) - {"default", "network"}
    # The network's graphs join nobody with anybody: people share its weights alone.
    alone, joint = (found["routers"][name]["auc"]["value"] for name in ("network-one-graph-per-user", "network"))
    assert abs(alone - joint) < 1e-6
