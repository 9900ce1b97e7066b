import json

import pytest

from gmt.report.figure_file import FigureFile
from gmt.studies import choice, choice_harness


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(choice_harness, "learn_traits", lambda posterior, *_: (posterior, "traits left out"))


def test_regret_of_planted_users_is_least_for_the_oracle(tmp_path):
    arguments = ["regret", "--users", "16", "--votes", "12", "--seeds", "0", "--out", str(tmp_path), "--name", "r"]
    choice.main(arguments)
    found = json.loads((tmp_path / "r.json").read_text())
    assert found["command"] == "python -m gmt.studies.choice " + " ".join(arguments)
    regret = {name: metrics["regret"]["value"] for name, metrics in found["routers"].items()}
    assert regret["oracle"] == 0 and regret["gmt"] < regret["random"]
    assert {path.name for path in tmp_path.iterdir()} == {"r.json", "r.md", "r.png", "r.pdf", "figures"}
    assert FigureFile.read(tmp_path / "figures/r.json").made_by == found["command"]
    assert "| gmt − bradley_terry |" in (tmp_path / "r.md").read_text()


def test_exploring_is_measured_after_some_votes(tmp_path):
    arguments = ["explore", "--users", "12", "--votes", "10", "--newcomers", "4", "--rounds", "5", "--held", "5"]
    choice.main([*arguments, "--seeds", "0", "--out", str(tmp_path), "--name", "e"])
    found = json.loads((tmp_path / "e.json").read_text())["default"]
    assert set(found["auc"]) == {"0", "1", "2", "5"} and "order@5" in found["measures"]["best two"]
    assert "best two" in (tmp_path / "e.md").read_text()


def test_replay_reads_the_test_votes_of_a_folder(tmp_path, demo_data):
    choice.main(["replay", str(demo_data), "--out", str(tmp_path)])
    found = json.loads((tmp_path / "replay-votes.json").read_text())
    assert found["votes"] > 0 and 0 <= found["replay"]["gmt"]["matched"]["value"] <= 1
