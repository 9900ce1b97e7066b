"""Run the code of the pages that say how to add a source, a rival and an encoder."""

import csv
import importlib
import inspect
import json
import re
import sys
from pathlib import Path

import pytest

from data_prep.sources.source_registry import SOURCES
from gmt.cli.main import main
from gmt.data import encoder_by_name
from gmt.data.encoder_by_name import load_encoder
from gmt.data.encoders import card_of
from gmt.rivals import registry
from tests.rivals.test_every_router import TestEveryRouter as EveryRouter

ROOT = Path(__file__).resolve().parent.parent
TITLED = re.compile(r'^```python title="(\S+)"\n(.*?)^```', re.M | re.S)


def blocks(page: str) -> dict[str, str]:
    """Return path -> code of the titled blocks of a page."""
    return dict(TITLED.findall((ROOT / "docs" / page).read_text("utf-8")))


@pytest.fixture
def added(tmp_path, monkeypatch):
    """Return a function that adds the module of a page to its package, for one test."""
    names: list[str] = []

    def add(page: str) -> str:
        (path, code), *_ = blocks(page).items()
        name = path.removesuffix(".py").replace("/", ".")
        package = importlib.import_module(name.rpartition(".")[0])
        file = tmp_path / Path(path).name
        file.write_text(code, "utf-8")
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
        names.append(name)
        return name

    yield add
    for name in names:
        sys.modules.pop(name, None)


def register(page: str, names: dict) -> None:
    """Run the line of a page that registers its module."""
    _, (_, line) = blocks(page).items()
    exec(line, names)


def run(*words: str) -> None:
    try:
        main(list(words))
    except SystemExit as stop:
        assert not stop.code, words


@pytest.mark.parametrize("page", ["add-source.md", "add-rival.md", "add-encoder.md"])
def test_the_code_of_a_page_is_under_forty_lines(page):
    assert sum(code.count("\n") for code in blocks(page).values()) < 40
    assert all((ROOT / path).parent.is_dir() for path in blocks(page))


def test_the_source_of_the_page_preps(added, tmp_path, monkeypatch, capsys):
    added("add-source.md")
    monkeypatch.setitem(SOURCES, "team-poll", "")
    register("add-source.md", {"SOURCES": SOURCES})
    rows = [
        {
            **{"who": f"p{n % 5}", "asked": f"question {n}", "when": 86400 * n},
            **{"liked": f"m{n % 3}", "other": f"m{(n + 1) % 3}"},
        }
        for n in range(60)
    ]
    with (tmp_path / "poll.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows([*rows, {**rows[0], "liked": ""}])
    words = ("prep", "team-poll", str(tmp_path / "poll.csv"), "--encoder", "hash:16", "--out", str(tmp_path / "data"))
    with pytest.raises(AssertionError):
        run(*words)
    assert "line 62" in capsys.readouterr().err and not (tmp_path / "data/card.json").exists()
    run(*words, "--drop-bad-rows")
    card = json.loads((tmp_path / "data/card.json").read_text())
    assert (card["counts"]["comparisons"], card["counts"]["users"], card["counts"]["models"]) == (60, 5, 3)
    assert "62" in (tmp_path / "data/rejected.csv").read_text()


def test_the_rival_of_the_page_stands_in_tables(added, demo_data, tiny_run, tmp_path, monkeypatch):
    added("add-rival.md")
    monkeypatch.setitem(registry.RIVALS, "favourites", registry.RIVALS["random"])
    register("add-rival.md", {"RIVALS": registry.RIVALS, "Maker": registry.Maker})
    words = ("--baselines", "favourites,model_mean", "--no-controls", "--out", str(tmp_path / "out.json"))
    run("eval", "--run", str(tiny_run), "--data", str(demo_data), *words)
    found = json.loads((tmp_path / "out.json").read_text())["shots"]["all"]["routers"]
    assert found["favourites"]["accuracy"]["value"] > 0.5
    assert found["favourites"] != found["model_mean"]


def test_the_rival_of_the_page_passes_what_every_rival_must(added, tmp_path, monkeypatch):
    added("add-rival.md")
    monkeypatch.setitem(registry.RIVALS, "favourites", registry.RIVALS["random"])
    register("add-rival.md", {"RIVALS": registry.RIVALS, "Maker": registry.Maker})
    tests, ran = EveryRouter(), 0
    for called, test in vars(EveryRouter).items():
        wanted = set(inspect.signature(test).parameters) if called.startswith("test_") else {"?"}
        if wanted <= {"self", "name", "tmp_path"}:
            test(tests, **{key: {"name": "favourites", "tmp_path": tmp_path}[key] for key in wanted - {"self"}})
            ran += 1
    assert ran >= 10


def test_the_encoder_of_the_page_encodes_and_is_found_again(added, monkeypatch):
    added("add-encoder.md")
    monkeypatch.setitem(encoder_by_name.WITHOUT_WEIGHTS, "letters", "")
    register("add-encoder.md", {"WITHOUT_WEIGHTS": encoder_by_name.WITHOUT_WEIGHTS})
    encoder = load_encoder("letters:64")
    one, near, far = encoder.encode(["personalised routing", "personalized routing", "tomato soup"])
    assert one.shape == (64,) and one @ near > one @ far
    assert card_of(load_encoder(card_of(encoder).id)) == card_of(encoder)
    assert load_encoder("letters").width == 256
    assert encoder.encode([]).shape == (0, 64)
