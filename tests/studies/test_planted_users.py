import json

from gmt.studies import planted_users, seed_runs
from tests.trained import TINY


def test_populations_are_measured_once_and_joined(tmp_path, monkeypatch, capsys):
    arguments = ["--out", str(tmp_path), "--users", "12", "--votes", "16", "--seeds", "0", "1", "--encoder", "hash:32"]
    arguments += ["--set", *TINY, "posterior.network=false", "traits.networks=1", "--baselines", "bradley_terry"]
    planted_users.main(arguments)
    found = json.loads((tmp_path / "tables" / "default-12.json").read_text())["seen"]
    controls = {"owners_shuffled", "unknown_user", "constant", "best_single", "random"}
    assert found["seeds"] == [0, 1]
    assert set(found["shots"]["all"]["routers"]) == {"gmt", "bradley_terry", *controls}
    assert "| gmt - bradley_terry |" in (tmp_path / "tables" / "default-12.md").read_text()
    runs = {path.name for path in (tmp_path / "runs" / "default").iterdir() if path.is_dir()}
    assert runs == {"12-0", "12-1"}
    # A second call trains nothing anew.
    monkeypatch.setattr(seed_runs, "train_run", None)
    monkeypatch.setattr(planted_users, "prepare", None)
    (tmp_path / "tables" / "default-12.md").unlink()
    planted_users.main(arguments)
    assert (tmp_path / "tables" / "default-12.md").is_file()
