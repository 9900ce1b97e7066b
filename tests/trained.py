"""Share one small prepared demo, three trained runs and a whole demo among all tests and their processes."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from data_prep.sources import demo
from gmt.cli.main import main
from gmt.files import locked
from tests import readme_demo

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


@dataclass(frozen=True)
class WholeDemo:
    """Hold the folder in which `gmt demo` ran, and the lines it printed."""

    folder: Path
    printed: list[str]


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Iterator[Path]:
    """Yield a folder that the first of all test processes makes; when the tests are done, fail if it was changed."""
    # Each process of xdist has a folder of its own, beside those of the others.
    own = factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "shared" / name
    made = folder.with_name(f"{name}.json")
    with locked(made):
        if not made.exists():
            make(folder)
            made.write_text(json.dumps(hashes(folder)))
    yield folder
    before, after = json.loads(made.read_text()), hashes(folder)
    changed = sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))
    assert not changed, f"a test changed {', '.join(changed)} in {name}, which all tests share; let it use a copy"


def hashes(folder: Path) -> dict[str, str]:
    """Return the hash of every file in a folder, by its path there; not of the note that its hashes were compared."""
    found = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != ".verified.json")
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in found}


@pytest.fixture(scope="session")
def demo_data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return the demo's data folder, encoded by hashing; nobody may change it."""

    def make(out: Path) -> None:
        # Half as many conversations as the demo has: many tests train on it.
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(demo, "CONVERSATIONS", 20)
            must(["prep", "demo", "--encoder", "hash:64", "--out", str(out), "--quiet"])

    yield from made_once(tmp_path_factory, "demo", make)


def trained(data: Path, values: Sequence[str]) -> Callable[[Path], None]:
    """Return what trains a run."""
    return lambda run: must(["train", str(data), "--run", str(run), *settings(values)])


@pytest.fixture(scope="session")
def tiny_run(demo_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return a run that is all there but has learned little; nobody may change it."""
    yield from made_once(tmp_path_factory, "tiny", trained(demo_data, TINY))


@pytest.fixture(scope="session")
def good_run(demo_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return a run that knows whose taste is whose; nobody may change it."""
    yield from made_once(tmp_path_factory, "good", trained(demo_data, GOOD))


@pytest.fixture(scope="session")
def network_run(demo_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return a run in which the graph network alone scores; nobody may change it."""
    yield from made_once(tmp_path_factory, "network", trained(demo_data, NETWORK))


@pytest.fixture(scope="session")
def whole_demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WholeDemo]:
    """Return what `gmt demo` left and printed; nobody may change it."""

    def make(out: Path) -> None:
        (out / "folder").mkdir(parents=True)
        (out / "printed.txt").write_text("\n".join(readme_demo.demo(out / "folder")), "utf-8")

    for out in made_once(tmp_path_factory, "whole-demo", make):
        yield WholeDemo(out / "folder", (out / "printed.txt").read_text("utf-8").splitlines())


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
