"""Check the studies of more real people on made rows: what they read, leave out and choose."""

import json
from dataclasses import replace

import numpy as np
import pytest

from data_prep.prepare import PrepOptions, prepare
from gmt.data.dataset import Dataset
from gmt.data.interactions import TEST, VALID
from gmt.errors import DataError
from gmt.evaluation.score_blocks import ScoreBlock
from gmt.posterior.hierarchical import LONE_STANDING
from gmt.studies import leave_one_out, lone_losses, lone_settings, more_people
from gmt.studies.sweep_population import PlantedSettings, population


def write_checkmate(folder, people=6):
    """Write traces of the published shape: everybody meets three models and likes the last."""
    rows = []
    for person in range(people):
        for place, model in enumerate(("a", "b", "c")):
            turns = [[f"question {person} {model} {turn}", f"answer {turn}"] for turn in range(3)]
            rows.append(
                {
                    **{"person": f"p{person}", "model": model, "set": 0, "problem": f"{person}{model}"},
                    **{
                        "topic": "algebra",
                        "turns": turns,
                        "helpfulness": [2 * place + (turn == 1) for turn in range(3)],
                    },
                    **{"correctness": [1, 2, 3], "final_prefs": {"a": 3, "b": 2, "c": 1}, "seconds": 1.0},
                }
            )
    folder.mkdir()
    (folder / "traces.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_a_set_is_measured_over_seeds_and_its_table_names_what_was_measured(tmp_path, monkeypatch):
    write_checkmate(tmp_path / "checkmate")
    monkeypatch.setenv("GMT_REAL_DATA", str(tmp_path))
    out = tmp_path / "bench"
    arguments = ["--sets", "checkmate", "--seeds", "0", "1", "--out", str(out), "--encoder", "hash:16"]
    more_people.main([*arguments, "--baselines", "model_mean", "--set", "traits.enabled=false"])
    text = (out / "tables" / "default-checkmate-seen.md").read_text()
    assert "seeds 0, 1" in text and "AUC of lone ratings" in text and "| owners_shuffled |" in text
    # Nobody voted, so there is nothing to say of votes.
    assert "accuracy" not in text
    found = json.loads((out / "tables" / "default-checkmate-seen.json").read_text())
    assert [one["metric"] for one in found["verdicts"]] == ["lone_auc"] * 2
    # What stands can be asked for the log loss of pairs; a constant is a coin, and everybody likes c best.
    results = [str(out / "runs" / "default" / f"checkmate-seen-{seed}" / "results" / "seen.json") for seed in (0, 1)]
    lone_losses.main([*results, "--out", str(out)])
    losses = json.loads((out / "lone-losses.json").read_text())
    assert losses["constant"]["value"] == pytest.approx(np.log(2)) and losses["gmt"]["value"] < 0.68
    gap = losses["gmt"]["value"] - losses["constant"]["value"]
    assert losses["gmt - constant"]["value"] == pytest.approx(gap) and "oracle" not in losses


def test_a_pair_is_of_one_person_and_of_different_ratings():
    users, ratings = np.array(["a", "b", "a", "a"]), np.array([[1.0], [0.0], [0.0], [1.0]])
    block = ScoreBlock(users, np.array([[2.0], [9.0], [0.0], [-1.0]]), ratings)
    who, losses = lone_losses.pair_losses(block, 2.0)
    assert who.tolist() == ["a", "a"]
    assert losses == pytest.approx([np.log1p(np.exp(-1.0)), np.log1p(np.exp(0.5))])


@pytest.mark.parametrize("study", [more_people])
def test_the_folder_must_be_named(study, monkeypatch):
    monkeypatch.delenv("GMT_REAL_DATA", raising=False)
    with pytest.raises(DataError, match="GMT_REAL_DATA is not set"):
        study.main([])


@pytest.fixture(scope="module")
def traces(tmp_path_factory):
    home = tmp_path_factory.mktemp("traces")
    write_checkmate(home / "checkmate")
    prepare(PrepOptions("recipe:checkmate", home / "data", str(home / "checkmate"), "hash:16"))
    return Dataset.load(home / "data")


def test_who_is_left_out_is_in_no_fit_and_their_conversation_in_no_history(traces):
    learn = leave_one_out.without(traces, 2, seed=0)
    assert (learn.table.user != 2).all() and (learn.table.split == VALID).any() and (learn.table.split != TEST).all()
    asked = []
    for history, at in leave_one_out.parts_of(traces, 2, own=True):
        inside = np.unique(traces.table.conversation[at])
        assert len(inside) == 1 and not np.isin(history.table.conversation, inside).any()
        assert (history.table.user == 2).sum() == 6
        asked.append(at)
    assert sorted(np.concatenate(asked)) == np.flatnonzero(traces.table.user == 2).tolist()
    ((history, at),) = leave_one_out.parts_of(traces, 2, own=False)
    assert (history.table.user != 2).all() and len(at) == 9


def test_everybody_is_scored_while_left_out(traces):
    found = leave_one_out.measure(traces, 0, ["traits.enabled=false"])
    # All agree, so that what the others said ranks the models of whoever is left out.
    assert found["routers"]["gmt"]["lone_auc"]["value"] > 0.85
    assert found["routers"]["constant"]["lone_auc"]["value"] == 0.5
    assert found["users"]["lone_auc"] == 6 and f"gmt{leave_one_out.OWN} - gmt" in found["differences"]


def test_rules_are_compared_without_a_test_row(tmp_path):
    data, _ = population(PlantedSettings(users=12, votes=16, models=4, seed=5, feedback="ratings", candidates=1))
    hidden = np.flatnonzero(data.table.split == TEST)
    wrong = data.table.rating.copy()
    wrong[np.isin(data.table.row_comparison, hidden)] = 0.0
    both = [data, data.with_table(replace(data.table, rating=wrong))]
    cuts = [lone_settings.cut(one, lone_settings.SHARES, 1) for one in both]
    for one in cuts:
        assert len(one.table) == len(data.table) - len(hidden)
    tried = [lone_settings.tried_on(one.select(one.table.split != TEST), one) for one in cuts]
    assert tried[0].reached == tried[1].reached
    chosen = lone_settings.choices(tried[0], [tried[0]])
    assert chosen["standing"] == tuple(LONE_STANDING.values()) and chosen["impersonal"][1:] == (0.0, 0.0)
    assert chosen["lowest loss"] == chosen["cross-validated"]


def test_votes_are_no_lone_ratings():
    data, _ = population(PlantedSettings(users=12, votes=16, models=4, seed=5))
    with pytest.raises(DataError, match="lone ratings alone"):
        lone_settings.tried_on(data.select(data.table.split != TEST))
