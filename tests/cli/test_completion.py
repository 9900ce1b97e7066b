"""Check what a shell is offered: runs, data, users, models, tasks, settings, rivals and sources of this very place."""

import json
from types import SimpleNamespace

import pytest

from gmt import Router
from gmt.cli import completion
from gmt.cli.main import main

VOTE = {"query": "told", "model_a": "atlas-90b", "model_b": "telegram-8b", "winner": "model_a"}


def asked(complete, word, **params):
    return complete(SimpleNamespace(params=params), word)


@pytest.fixture
def place(run_copy, tmp_path, monkeypatch):
    """Return a folder with runs/mine, in which everything else is empty."""
    home = tmp_path / "home"
    (home / "runs").mkdir(parents=True)
    (home / "empty").mkdir()
    run_copy.rename(home / "runs/mine")
    monkeypatch.chdir(home)
    return home


def test_runs_and_the_way_to_them(place):
    assert asked(completion.complete_run, "") == ["runs/"]
    assert asked(completion.complete_run, "ru") == ["runs/"]
    assert asked(completion.complete_run, "runs/") == ["runs/mine"]
    assert asked(completion.complete_run, f"{place}/runs/m") == [f"{place}/runs/mine"]
    assert asked(completion.complete_run, "runs/other") == []
    assert asked(completion.complete_run, "nowhere/") == []
    assert "runs/mine" not in asked(completion.complete_data, "runs/")


def test_users_of_the_run_trained_and_told(place):
    trained = asked(completion.complete_user, "be", run="runs/mine")
    assert "bela" in trained and all(name.startswith("be") for name in trained)
    Router.from_pretrained("runs/mine").add("berta", [VOTE])
    assert asked(completion.complete_user, "be", run="runs/mine") == sorted([*trained, "berta"])
    # No run, or a damaged one, offers nothing and breaks no shell.
    assert asked(completion.complete_user, "be") == []
    (place / "runs/mine/history.parquet").write_bytes(b"")
    assert asked(completion.complete_user, "be", run="runs/mine") == ["berta"]


def test_models_of_the_run_one_after_the_other(place):
    models = json.loads((place / "runs/mine/models.json").read_text())
    assert asked(completion.complete_model, "", run="runs/mine") == sorted(models)
    assert asked(completion.complete_model, "atlas-90b,t", run="runs/mine") == ["atlas-90b,telegram-8b"]
    assert "atlas-90b,atlas-90b" not in asked(completion.complete_model, "atlas-90b,", run="runs/mine")


def test_tasks_of_the_run(place):
    found = asked(completion.complete_task, "", run="runs/mine")
    assert found == sorted(Router.from_pretrained("runs/mine").tasks)


def test_settings_and_their_values():
    assert asked(completion.complete_setting, "train.s")[0].startswith("train.s")
    assert "train.steps=" in asked(completion.complete_setting, "train.")
    (found,) = asked(completion.complete_setting, "train.steps=")
    assert found.partition("=")[2].isdigit()
    assert asked(completion.complete_setting, "none.such=") == []


def test_rivals_sources_and_fixed_words():
    assert asked(completion.complete_rival, "knn,oth") == []
    assert "knn,ridge" in asked(completion.complete_rival, "knn,ri")
    assert {"mt-bench", "recipe:llmfao"} <= {*asked(completion.complete_source, ""), "recipe:llmfao"}
    assert asked(completion.one_of("test", "valid"), "v") == ["valid"]


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("gmt route --run runs/mine --user bel", "bela"),
        ("gmt users show --run runs/mine bel", "bela"),
        ("gmt route --run runs/mine --candidates atl", "atlas-90b"),
        ("gmt eval --run ru", "runs/"),
        ("gmt train --set train.step", "train.steps="),
        ("gmt prep mt-", "mt-bench"),
        ("gmt eval --baselines kn", "knn"),
    ],
)
def test_a_shell_gets_them(place, monkeypatch, capsys, words, offered):
    monkeypatch.setenv("_GMT_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(len(words.split()) - 1))
    with pytest.raises(SystemExit):
        main([])
    assert offered in capsys.readouterr().out.split()
