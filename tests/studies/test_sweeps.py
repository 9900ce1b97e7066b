import json
from dataclasses import replace

import numpy as np
import pytest

from data_prep.simulate.planted import PlantedSettings
from gmt.data.interactions import TEST, VALID
from gmt.errors import DataError
from gmt.report.figure_file import FigureFile
from gmt.rivals.registry import make_router
from gmt.studies import sweeps
from gmt.studies.harness import Alone, block, score_targets, targets_of
from gmt.studies.sweep_figure import Sweep
from gmt.studies.sweep_population import TARGETS, population

SMALL = PlantedSettings(users=12, votes=16, models=4, questions=40)


@pytest.mark.parametrize("label", list(sweeps.FORMS))
def test_everybody_is_asked_the_same_clean_votes_whatever_they_said(label):
    data, world = population(replace(SMALL, **sweeps.FORMS[label]))
    plain, _ = population(SMALL)
    one, other = (found.table.select(targets_of(found)) for found in (data, plain))
    assert [one.users[code] for code in one.user] == [other.users[code] for code in other.user]
    assert (one.candidates[:, :2] == other.candidates[:, :2]).all()
    assert np.array_equal(one.ratings[:, :2], other.ratings[:, :2])
    assert len(one) == 12 * TARGETS and set(one.ratings[:, :2].ravel()) == {0.0, 1.0}
    asked = {data.table.conversations[code] for code in one.conversation}
    known = {data.table.conversations[code] for code in data.table.conversation[data.table.split != TEST]}
    assert not asked & known and (data.table.split == VALID).any()


def test_noise_is_in_what_was_said_and_not_in_what_is_asked():
    noisy, _ = population(replace(SMALL, noise_labels=1.0))
    plain, _ = population(SMALL)
    differs = (noisy.table.ratings[:, 0] != plain.table.ratings[:, 0]) & (noisy.table.split != TEST)
    assert differs.mean() > 0.3
    assert (noisy.table.ratings[noisy.table.split == TEST] == plain.table.ratings[plain.table.split == TEST]).all()


def test_a_sweep_writes_numbers_tables_and_figures_and_keeps_what_stands(tmp_path, monkeypatch):
    two = {"votes": {}, "text only": {"feedback": "text", "votes_kept": 0.0}}
    monkeypatch.setattr(sweeps, "KNOWN", 12)
    monkeypatch.setitem(sweeps.SWEEPS, "feedback", Sweep("form of feedback", two))
    arguments = ["--out", str(tmp_path), "--sweeps", "feedback", "--seeds", "0", "1", "--users", "12"]
    arguments += ["--set", "traits.steps=4", "traits.networks=1", "traits.count=2"]
    sweeps.main(arguments)
    found = json.loads((tmp_path / "sweep-feedback.json").read_text())
    assert found["text only"]["routers"]["bradley_terry"]["auc"]["value"] == 0.5
    assert found["votes"]["routers"]["oracle"]["auc"]["value"] > 0.8 and found["votes"]["seeds"] == [0, 1]
    assert {path.name for path in tmp_path.iterdir()} == {
        "sweep-feedback.json", "sweep-feedback.md", "sweeps.png", "sweeps.pdf", "figures"}  # fmt: skip
    assert FigureFile.read(tmp_path / "figures/sweeps.json").kind == "curves"
    monkeypatch.setattr(sweeps, "measure", lambda *_: pytest.fail("a point that stands was measured again"))
    sweeps.main(arguments)


def test_alone_nobody_elses_votes_are_read():
    data, _ = population(SMALL)
    router = make_router("user_bradley_terry").fit(data.select(data.table.split != TEST))
    scores = score_targets(data, {"all": router, "alone": Alone(router)})
    table = data.table
    user = int(table.user[targets_of(data)[0]])
    others = data.with_table(
        table.with_split(np.where((table.user != user) & (table.split != TEST), VALID, table.split))
    )
    mine = table.user[targets_of(data)] == user
    assert np.array_equal(score_targets(others, {"alone": Alone(router)})["alone"][mine], scores["alone"][mine])
    assert not np.allclose(scores["alone"][mine], scores["all"][mine])
    assert set(block(data, scores["all"], "0:").users) == {f"0:{name}" for name in table.users}


def test_settings_that_switch_traits_off_learn_none(monkeypatch):
    monkeypatch.setattr(sweeps, "learn_traits", lambda *_: pytest.fail("traits were learned"))
    monkeypatch.setattr(sweeps, "KNOWN", 8)
    settings = PlantedSettings(users=8, votes=8, models=4, questions=40)
    found = sweeps.measure(settings, [0], ["traits.enabled=false"])
    assert found["notes"] == ["The settings switch the learned traits off."] and found["set"] == [
        "traits.enabled=false"
    ]
    assert set(found["routers"]) >= {"gmt", *sweeps.RIVALS}


def test_single_points_of_a_sweep_can_be_measured(tmp_path, monkeypatch):
    monkeypatch.setattr(sweeps, "KNOWN", 8)
    arguments = ["--out", str(tmp_path), "--sweeps", "noise", "--seeds", "0", "--users", "8", "--points"]
    sweeps.main([*arguments, "0", "40", "--set", "traits.steps=4", "traits.networks=1", "traits.count=2"])
    assert list(json.loads((tmp_path / "sweep-noise.json").read_text())) == ["0", "40"]
    with pytest.raises(DataError, match="there is no point '41'; expected some of 0, 10, 20, 30, 40"):
        sweeps.main([*arguments, "41"])
