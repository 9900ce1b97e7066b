"""Check that runs are verified, and that old ones are brought to the present form with equal scores."""

import json
import shutil

import pytest
import yaml

from gmt.cli.main import main
from gmt.config import load_config
from gmt.config.reading import RENAMED
from gmt.model.checkpoint import load_tensors, save_tensors
from gmt.posterior.hierarchical_settings import EARLIER_NAMES
from gmt.serving.pretrained import Router
from tests.trained import unsealed


def aged(run):
    """Return a run as an earlier version wrote it: old names of settings, no manifest, a last checkpoint."""
    unsealed(run)
    (run / "trained_rounds.npy").unlink()
    values = yaml.safe_load((run / "config.yaml").read_text())
    for old, new in RENAMED.items():
        section, _, name = new.partition(".")
        if name:
            values[section][old.partition(".")[2]] = values[section].pop(name)
    values["taste"] = values.pop("traits")
    (run / "config.yaml").write_text(yaml.safe_dump(values))
    state = load_tensors(run / "posterior.safetensors")
    for new, old in EARLIER_NAMES.items():
        state[f"settings.{old}"] = state.pop(f"settings.{new}")
    save_tensors(run / "posterior.safetensors", state)
    (run / "last").mkdir()
    (run / "last" / "state.json").write_text("{}")
    (run / "results").mkdir(exist_ok=True)
    (run / "results" / "seen.json").write_text("{}")
    return run


def test_an_old_run_is_read_as_it_is_and_upgraded_to_equal_scores(run_copy, tmp_path, gmt):
    new = Router.from_pretrained(run_copy)
    old = aged(shutil.copytree(run_copy, tmp_path / "old"))
    before = Router.from_pretrained(old).preferences("bela")
    assert before == new.preferences("bela")
    assert gmt("runs", "upgrade", old) == {"upgraded": {str(old): True}}
    assert Router.from_pretrained(old).preferences("bela") == before
    for name in ("config.yaml", "trained_rounds.npy", "history.parquet", "card.json"):
        if name != "card.json":
            assert (old / name).read_bytes() == (run_copy / name).read_bytes()
    assert load_config(old / "config.yaml") == load_config(run_copy / "config.yaml")
    assert (old / "results" / "seen.json").is_file() and not (old / "last").exists()
    assert gmt("runs", "upgrade", old) == {"upgraded": {str(old): False}}
    assert gmt("runs", "verify", old)["files"] == gmt("runs", "verify", run_copy)["files"]


def test_damage_is_named_in_one_line(run_copy, capsys):
    path = run_copy / "embeddings" / "vectors.npy"
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)
    with pytest.raises(SystemExit) as stop:
        main(["runs", "verify", str(run_copy)])
    said = capsys.readouterr().err
    assert stop.value.code == 2 and "vectors.npy is not what training wrote" in said and len(said.splitlines()) == 1


def test_a_run_whose_training_did_not_end_is_not_upgraded(run_copy, capsys):
    card = json.loads((unsealed(run_copy) / "card.json").read_text())
    del card["network_weight"]
    (run_copy / "card.json").write_text(json.dumps(card))
    with pytest.raises(SystemExit) as stop:
        main(["runs", "upgrade", str(run_copy)])
    assert stop.value.code == 2 and "did not end; train it again" in capsys.readouterr().err
