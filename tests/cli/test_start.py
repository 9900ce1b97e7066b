"""Check how a command starts: its versions and short options, what it loads, and what a stopped training says."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import gmt
from gmt.artefacts import CHECKPOINT, unfinished
from gmt.cli.main import main

ROOT = Path(__file__).resolve().parents[2]
UNNEEDED = ("torch", "torch_geometric", "transformers", "accelerate", "alembic", "pandas", "scipy.optimize", "sklearn")
VOTE = {"model_a": "atlas-90b", "model_b": "telegram-8b", "winner": "model_a"}
ROUTE = """
import json, sys
from gmt.cli.main import main
try:
    main(sys.argv[1:])
except SystemExit as stop:
    assert not stop.code, stop.code
print(json.dumps([name for name in %r if name in sys.modules]), file=sys.stderr)
"""


def python(*arguments, **environment):
    """Run Python in the checkout; return what it printed."""
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        capture_output=True, text=True, cwd=ROOT, check=True, env=os.environ | environment,
    )  # fmt: skip


def test_the_version_is_that_of_the_package():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert (
        project["tool"]["hatch"]["version"]["path"] == "gmt/__init__.py" and "version" in project["project"]["dynamic"]
    )
    assert f'__version__ = "{gmt.__version__}"' in (ROOT / "gmt" / "__init__.py").read_text("utf-8")


def test_versions_that_matter_are_one_line():
    out = python("-m", "gmt", "--version").stdout
    assert out.count("\n") == 1
    assert out.startswith(f"gmt {gmt.__version__}, Python {sys.version.split()[0]}, torch ") and ", device " in out


def test_short_help_is_help(capsys):
    said = []
    for option in ("-h", "--help"):
        with pytest.raises(SystemExit) as stop:
            main(["route", option])
        assert not stop.value.code
        said.append(capsys.readouterr().out)
    assert said[0] == said[1] and "--user" in said[0]


def test_a_shell_is_told_what_could_come_next():
    found = python("-m", "gmt", _GMT_COMPLETE="complete_bash", COMP_WORDS="gmt ro", COMP_CWORD="1").stdout
    assert found.split() == ["route"]


@pytest.mark.parametrize("told", [False, True], ids=["nobody told it anything", "somebody did"])
def test_routing_loads_only_what_it_needs(run_copy, told):
    query = pq.read_table(run_copy / "history.parquet")["query"][0].as_py()
    if told:
        from gmt import Router

        Router.from_pretrained(run_copy).add("guest", [{"query": query, **VOTE}])
    unneeded = UNNEEDED if told else (*UNNEEDED, "sqlalchemy")
    found = python("-c", ROUTE % (unneeded,), "route", "--run", run_copy, "--user", "bela", "--query", query, "--json")
    assert json.loads(found.stdout)["user"] == "bela"
    assert json.loads(found.stderr.splitlines()[-1]) == []


@pytest.mark.parametrize("saved", [False, True])
def test_a_stopped_training_says_how_to_go_on(demo_data, tmp_path, monkeypatch, capsys, saved):
    def stop(folder, config, run, *_):
        path = unfinished(run.root) / CHECKPOINT
        if saved:
            path.parent.mkdir(parents=True)
            path.write_text("{}")
        raise KeyboardInterrupt

    monkeypatch.setattr("gmt.training.train_run.train_run", stop)
    with pytest.raises(SystemExit) as ended:
        main(["train", str(demo_data), "--run", str(tmp_path / "run")])
    said = capsys.readouterr().err
    assert ended.value.code == 130 and said.count("\n") == 1
    assert ("--resume" in said) == saved
