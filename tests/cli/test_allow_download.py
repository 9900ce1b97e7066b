"""Check that every command which may need a run's encoder fetches it only when asked to, and is told how to ask."""

import json

import pytest

from gmt.cli.main import main
from gmt.data import encoder_by_name
from gmt.serving.pretrained import Router
from tests.trained import unsealed

COMMANDS = {
    "route": ["route", "--user", "ana", "--query", "something new"],
    "adapt": ["adapt", "--user", "ana"],
    "models add": ["models", "add", "new-1b", "--description", "small and new"],
    "eval": ["eval", "--baselines", "none"],
}


@pytest.fixture
def hub(monkeypatch):
    """Record how the hub is asked, and have nothing."""
    import huggingface_hub

    asked = []

    def snapshot_download(name, **how):
        asked.append(how["local_files_only"])
        raise OSError("offline")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    monkeypatch.delenv(encoder_by_name.ALLOW_DOWNLOAD, raising=False)
    return asked


@pytest.fixture
def foreign(run_copy):
    """Return a run whose encoder is not on this machine, with a vote whose text has no vector of it."""
    Router.from_pretrained(run_copy).add("newt", [{"query": "told", "model": "atlas-90b", "rating": 1.0}])
    unsealed(run_copy)
    for path in (run_copy / "card.json", run_copy / "embeddings" / "encoder.json"):
        found = json.loads(path.read_text())
        found.get("encoder", found)["id"] = "somebody/model"
        path.write_text(json.dumps(found))
    return run_copy


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("allowed", [False, True])
def test_the_hub_is_asked_only_with_the_option(foreign, hub, capsys, command, allowed):
    with pytest.raises(SystemExit) as stop:
        main([*COMMANDS[command], "--run", str(foreign), *(["--allow-download"] if allowed else [])])
    said = capsys.readouterr().err
    assert stop.value.code == 2 and hub and set(hub) == {not allowed}
    assert ("pass --allow-download" in said) is not allowed
    assert not allowed or "neither installed nor to be had from the hub" in said
