"""Check that the demo issues commands that exist, in an order that works, and says where things are."""

import json
from pathlib import Path

import pytest
import typer

from gmt.cli import demo_run
from gmt.cli.console import Terminal
from gmt.cli.demo_run import activation, figures_of, print_closing, run_demo
from gmt.cli.main import app


@pytest.fixture
def issued(tmp_path):
    commands: list[list[str]] = []
    run_demo(tmp_path, commands.append, Terminal())
    return commands


def test_the_whole_job_is_done_in_order(issued):
    assert [words[0] for words in issued] == ["prep", "train", "eval", "adapt", "route", "figures"]


def test_every_command_exists_and_parses(issued, tmp_path):
    commands = typer.main.get_command(app).commands  # pyright: ignore[reportAttributeAccessIssue]
    for words in issued:
        context = commands[words[0]].make_context(words[0], words[1:])
        for name in ("run", "out"):
            value = context.params.get(name)
            assert value is None or tmp_path in Path(value).parents


def test_without_the_offline_encoder_it_hashes_and_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(demo_run, "find_spec", lambda name: None)
    commands: list[list[str]] = []
    run_demo(tmp_path, commands.append, Terminal())
    assert commands[0][-2:] == ["--encoder", "hash"]
    assert "hashing encoder" in capsys.readouterr().err


def test_a_command_that_fails_ends_the_demo(tmp_path):
    def fail(words: list[str]) -> None:
        raise SystemExit(2 if words[0] == "train" else 0)

    with pytest.raises(SystemExit) as stop:
        run_demo(tmp_path, fail, Terminal())
    assert stop.value.code == 2


@pytest.mark.slow
def test_the_whole_chain_runs(whole_demo, tmp_path, capsys):
    folder, out = whole_demo.folder, "\n".join(whole_demo.printed)
    for words in ("$ gmt prep demo", "$ gmt route", "user_bradley_terry", "ana: 20 rounds added", "Why "):
        assert words in out
    results = json.loads((folder / "runs/demo/results/seen.json").read_text())
    assert "gmt" in results["shots"]["all"]["routers"]
    figures = list(figures_of(folder).glob("*.png"))
    assert figures and all(str(path.relative_to(folder)) in out for path in figures)
    # What git sees of a checkout is what it saw before: everything lies where the demo is told, in data/ and runs/.
    assert sorted(path.name for path in folder.iterdir()) == ["data", "runs"]
    assert "router " not in out.split("$ gmt adapt")[1], "the results are printed once"
    assert "gmt route --user bela" in out.split("What could come next")[1]
    # In a folder of another name the run is named.
    print_closing(tmp_path, Terminal())
    end = capsys.readouterr().out
    assert "router " not in end and f"gmt route --run {tmp_path}/runs/demo --user bela" in end


@pytest.mark.parametrize("on_path", [False, True])
def test_the_end_says_how_gmt_gets_on_the_path_where_it_is_not(tmp_path, monkeypatch, on_path):
    own = tmp_path / ".venv/bin/gmt"
    own.parent.mkdir(parents=True)
    own.touch()
    monkeypatch.setattr("sys.prefix", str(tmp_path / ".venv"))
    monkeypatch.setattr("shutil.which", lambda name: str(own) if on_path else None)
    monkeypatch.chdir(tmp_path)
    assert activation() == (None if on_path else "source .venv/bin/activate")
