"""Share one small prepared demo and three trained runs among all tests that need them; `conftest.py` takes them in."""

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from data_prep.sources import demo
from gmt.cli.main import main

TINY = (
    *("model.width=16", "model.hidden=16", "model.heads=2"),
    *("train.steps=30", "train.eval_every=10", "episode.users=12"),
    *("posterior.network=true", "traits.steps=5"),
)
GOOD = ("model.width=32", "model.hidden=32", "train.steps=100", "train.eval_every=25", "traits.steps=40")
NETWORK = (*GOOD, "train.steps=50", "posterior.enabled=false", "posterior.network=true")


def settings(values: Sequence[str]) -> list[str]:
    """Return `section.key=value` strings as command line arguments."""
    return [part for value in values for part in ("--set", value)]


def must(arguments: list[str]) -> None:
    """Run a command line that has to succeed."""
    try:
        main(arguments)
    except SystemExit as stop:
        assert stop.code in (0, None), f"gmt {' '.join(arguments)} ended with {stop.code}"


@pytest.fixture
def short_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `gmt prep demo` make eight conversations of every user, for tests that walk through every command."""
    monkeypatch.setattr(demo, "CONVERSATIONS", 8)


@pytest.fixture(scope="session")
def demo_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the demo's data folder, encoded by hashing; nobody may change it."""
    out = tmp_path_factory.mktemp("data") / "demo"
    # Half as many conversations as the demo has: many tests train on it.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo, "CONVERSATIONS", 20)
        must(["prep", "demo", "--encoder", "hash:64", "--out", str(out), "--quiet"])
    return out


@pytest.fixture(scope="session")
def tiny_run(demo_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run that is all there but has learned little; nobody may change it."""
    run = tmp_path_factory.mktemp("runs") / "tiny"
    must(["train", str(demo_data), "--run", str(run), *settings(TINY)])
    return run


@pytest.fixture(scope="session")
def good_run(demo_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run that knows whose taste is whose; nobody may change it."""
    run = tmp_path_factory.mktemp("runs") / "good"
    must(["train", str(demo_data), "--run", str(run), *settings(GOOD)])
    return run


@pytest.fixture(scope="session")
def network_run(demo_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run in which the graph network alone scores; nobody may change it."""
    run = tmp_path_factory.mktemp("runs") / "network"
    must(["train", str(demo_data), "--run", str(run), *settings(NETWORK)])
    return run


def unsealed(run: Path) -> Path:
    """Turn a run into one of an earlier version, without a manifest, in which nothing but the parts finds damage."""
    (run / "manifest.json").unlink()
    card = json.loads((run / "card.json").read_text())
    del card["format"]
    (run / "card.json").write_text(json.dumps(card))
    return run


@pytest.fixture
def run_copy(tiny_run: Path, tmp_path: Path) -> Path:
    """Return a copy of the tiny run that a test may change."""
    return Path(shutil.copytree(tiny_run, tmp_path / "run"))


@pytest.fixture
def good_copy(good_run: Path, tmp_path: Path) -> Path:
    """Return a copy of the good run that a test may change."""
    return Path(shutil.copytree(good_run, tmp_path / "good"))


@pytest.fixture
def network_copy(network_run: Path, tmp_path: Path) -> Path:
    """Return a copy of the network's run that a test may change."""
    return Path(shutil.copytree(network_run, tmp_path / "network"))


@pytest.fixture
def unchecked_data(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a test change a data folder behind the back of its card, whose hashes would tell."""
    monkeypatch.setattr("gmt.data.dataset.check_files", lambda folder: None)


@pytest.fixture
def gmt(capsys: pytest.CaptureFixture[str]) -> Callable[..., dict]:
    """Return a caller of the command line: arguments in, the one JSON object it prints out."""

    def call(*arguments: object) -> dict:
        capsys.readouterr()
        must([*map(str, arguments), "--json"])
        return json.loads(capsys.readouterr().out)

    return call
