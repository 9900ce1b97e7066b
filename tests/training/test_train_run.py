"""Check what a run folder holds, that it is enough to route, and that nothing old passes for new."""

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml

from gmt.config import load_config
from gmt.errors import DataError, RunError
from gmt.evaluation.measure import measure
from gmt.model.checkpoint import load_tensors, save_tensors
from gmt.runs import RunFolder
from gmt.serving.pretrained import Router
from gmt.training.train_run import train_run
from gmt.training.write_run import card_hash
from tests.trained import TINY, unsealed

SHORT = (*TINY, "train.steps=2", "train.eval_every=2", "traits.enabled=false")
VOTE = {"query": "hello", "model": "atlas-90b", "rating": 1.0}


def files(run: Path) -> set[str]:
    return {path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file()}


def contents(run: Path) -> dict[str, bytes]:
    return {name: (run / name).read_bytes() for name in files(run)}


def test_the_folder_holds_what_the_contract_promises(tiny_run):
    promised = {"config.yaml", "model.safetensors", "posterior.safetensors", "card.json", "metrics.jsonl"}
    assert promised | {"history.parquet", "models.json"} <= files(tiny_run)
    assert {"embeddings/vectors.npy", "embeddings/keys.parquet", "embeddings/encoder.json"} <= files(tiny_run)
    kinds = {Path(name).suffix for name in files(tiny_run)}
    assert kinds <= {".yaml", ".json", ".jsonl", ".safetensors", ".parquet", ".npy"}, "nothing may be pickled"
    np.load(tiny_run / "embeddings" / "vectors.npy", allow_pickle=False)


def test_the_card_says_what_the_run_was_made_from(tiny_run, demo_data):
    card = json.loads((tiny_run / "card.json").read_text())
    assert {"data", "encoder", "schema", "models", "versions", "seed", "protocol", "temperature", "best"} <= set(card)
    assert {"posterior", "network_weight", "valid", "notes"} <= set(card)
    traits, network = card["notes"]
    assert "traits" in traits and "network" in network
    assert set(card["valid"]) == {"auc", "accuracy"} and card["posterior"]["answer_variance"] > 0
    assert card["data"]["sha256"] == card_hash(demo_data)
    assert (card["encoder"]["id"], card["encoder"]["width"]) == ("hash:64", 64)
    assert card["models"] == list(json.loads((demo_data / "models.json").read_text()))
    assert card["protocol"] == "seen" and card["seed"] == 0 and card["temperature"] > 0
    assert card["versions"]["torch"] and card["best"]["steps"] == 30
    assert set(card["schema"]) == {"node_types", "edge_types"}


def test_the_settings_written_are_resolved_and_load_again(tiny_run):
    config = load_config(tiny_run / "config.yaml")
    assert config == load_config(None, TINY)
    assert yaml.safe_load((tiny_run / "config.yaml").read_text()) == config.to_dict()


def test_the_history_is_the_train_part(tiny_run, demo_data):
    table = pq.read_table(demo_data / "interactions.parquet", filters=[("split", "=", "train")])
    kept = pq.read_table(tiny_run / "history.parquet")
    assert kept["comparison"].to_pylist() == table["comparison"].to_pylist()
    assert set(kept["split"].to_pylist()) == {"train"}


def test_training_anew_keeps_votes_and_nothing_else_of_the_earlier_run(demo_data, run_copy):
    Router.from_pretrained(run_copy).add("newt", [{"query": "hello", "model": "atlas-90b", "rating": 1.0}])
    (run_copy / "results").mkdir()
    (run_copy / "results" / "seen.json").write_text("{}")
    card = train_run(demo_data, load_config(None, SHORT), RunFolder(run_copy))
    assert card["notes"][-1] == "The votes that 1 user added since the earlier training are kept."
    assert not any(name.startswith("results/") for name in files(run_copy))
    assert len((run_copy / "metrics.jsonl").read_text().splitlines()) == 1
    assert Router.from_pretrained(run_copy).votes("newt") == 1


def test_votes_whose_vectors_the_new_data_cannot_give_are_not_given_up(unchecked_data, demo_data, run_copy, tmp_path):
    router = Router.from_pretrained(run_copy)  # held, for its database is tidied up whenever it is let go
    router.add("newt", [VOTE])
    before = contents(run_copy)
    other = Path(shutil.copytree(demo_data, tmp_path / "data"))
    encoder = json.loads((other / "embeddings" / "encoder.json").read_text())
    (other / "embeddings" / "encoder.json").write_text(json.dumps(encoder | {"revision": "another"}))
    with pytest.raises(RunError, match="keeps votes that 1 users added, encoded by hash:64, and this data"):
        train_run(other, load_config(None, SHORT), RunFolder(run_copy))
    assert contents(run_copy) == before


@pytest.mark.parametrize("named_by", ["environment", "the new settings", "the earlier settings"])
def test_votes_kept_in_postgresql_count_when_a_run_is_trained_again(
    unchecked_data, demo_data, run_copy, tmp_path, postgres_database, monkeypatch, named_by
):
    Router.from_pretrained(run_copy, postgres_database).add("newt", [VOTE])
    more = []
    if named_by == "environment":
        monkeypatch.setenv("GMT_STATE", postgres_database)
    elif named_by == "the new settings":
        more = [f"state.url={postgres_database}"]
    else:
        settings = yaml.safe_load((run_copy / "config.yaml").read_text())
        settings["state"]["url"] = postgres_database
        (run_copy / "config.yaml").write_text(yaml.safe_dump(settings))
    other = Path(shutil.copytree(demo_data, tmp_path / "data"))
    encoder = json.loads((other / "embeddings" / "encoder.json").read_text())
    (other / "embeddings" / "encoder.json").write_text(json.dumps(encoder | {"revision": "another"}))
    config = load_config(None, [*SHORT, *more])
    with pytest.raises(RunError, match="keeps votes that 1 users added, encoded by hash:64, and this data"):
        train_run(other, config, RunFolder(run_copy))
    card = train_run(demo_data, config, RunFolder(run_copy))
    assert any("The votes that 1 user added since the earlier training are kept" in note for note in card["notes"])
    assert Router.from_pretrained(run_copy, postgres_database).votes("newt") == 1


def test_a_database_that_does_not_answer_stops_a_training_that_might_lose_votes(demo_data, run_copy, monkeypatch):
    before = contents(run_copy)
    monkeypatch.setenv("GMT_STATE", "postgresql://nobody@127.0.0.1:1/nothing")
    with pytest.raises(RunError, match="see that the server runs"):
        train_run(demo_data, load_config(None, SHORT), RunFolder(run_copy))
    assert contents(run_copy) == before


def test_a_folder_with_other_files_is_not_written_into(demo_data, tmp_path):
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(RunError, match="holds other files"):
        train_run(demo_data, load_config(None, SHORT), RunFolder(tmp_path))
    assert files(tmp_path) == {"thesis.tex"}
    with pytest.raises(RunError, match="is a file"):
        train_run(demo_data, load_config(None, SHORT), RunFolder(tmp_path / "thesis.tex"))


def test_missing_data_is_named(tmp_path):
    with pytest.raises(DataError, match="gmt prep --out"):
        train_run(tmp_path / "nothing", load_config(None, SHORT), RunFolder(tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_a_run_works_without_its_data_and_eval_says_that_it_is_gone(demo_data, tmp_path):
    data = Path(shutil.copytree(demo_data, tmp_path / "data"))
    run = RunFolder(tmp_path / "run")
    train_run(data, load_config(None, SHORT), run)
    before = Router.from_pretrained(run.root).preferences("bela")
    shutil.rmtree(data)
    run.root.rename(tmp_path / "elsewhere")
    moved = RunFolder(tmp_path / "elsewhere")
    router = Router.from_pretrained(moved.root)
    assert router.preferences("bela") == pytest.approx(before, abs=1e-6) and router.rank("bela", "What is new?").votes
    with pytest.raises(RunError, match="is gone; pass the folder with --data"):
        measure(moved)


@pytest.mark.parametrize("name", ["config.yaml", "card.json", "models.json", "history.parquet"])
def test_a_missing_file_is_named(run_copy, name):
    (run_copy / name).unlink()
    with pytest.raises(RunError, match=f"holds no {name}; train it with gmt train"):
        Router.from_pretrained(run_copy)


@pytest.mark.parametrize("name", ["model.safetensors", "posterior.safetensors"])
def test_a_missing_half_is_named(run_copy, name):
    (run_copy / name).unlink()
    with pytest.raises(RunError, match=f"{name} is missing, and manifest.json lists it; restore it"):
        Router.from_pretrained(run_copy)
    unsealed(run_copy)
    with pytest.raises(RunError, match=f"{name} does not exist; train the run again"):
        Router.from_pretrained(run_copy)


def test_a_run_that_was_changed_does_not_route_on_with_other_scores(run_copy):
    config = run_copy / "config.yaml"
    config.write_text(config.read_text().replace("enabled: true", "enabled: no  ", 1))
    with pytest.raises(RunError, match=r"config.yaml .*; restore it from a copy"):
        Router.from_pretrained(run_copy)
    (run_copy / "manifest.json").unlink()
    with pytest.raises(RunError, match=r"manifest.json is missing; restore it, or write it with gmt runs upgrade"):
        Router.from_pretrained(run_copy)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda state: state.pop("covariance"), "holds no covariance"),
        (lambda state: state.update(query_centre=state["query_centre"] * float("nan")), "query_centre holds numbers"),
        (lambda state: state.update(covariance=state["covariance"][:-1]), r"covariance has shape .*, expected"),
        (lambda state: state.update(model_centre=state["model_centre"][:-1]), "model_centre has shape"),
    ],
)
def test_a_posterior_that_is_not_whole_is_refused_by_name(run_copy, change, says):
    path = unsealed(run_copy) / "posterior.safetensors"
    state = load_tensors(path)
    change(state)
    save_tensors(path, state)
    with pytest.raises(RunError, match=rf"posterior.safetensors .*{says}"):
        Router.from_pretrained(run_copy)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda card: card.pop("encoder"), "holds no encoder"),
        (lambda card: card["encoder"].pop("revision"), "holds no encoder.revision"),
        (lambda card: card.update(data=[1]), "data is no JSON object"),
        (lambda card: card.update(models={"a": 1}), "models is of the wrong type"),
        (lambda card: card.update(models=[1]), "models is not a list of names"),
        (lambda card: card.update(network_weight="much"), "network_weight is of the wrong type"),
        (lambda card: card.update(temperature=[]), "temperature is of the wrong type"),
    ],
)
def test_a_card_that_lacks_something_is_refused_by_name(run_copy, change, says):
    path = unsealed(run_copy) / "card.json"
    card = json.loads(path.read_text())
    change(card)
    path.write_text(json.dumps(card))
    with pytest.raises(RunError, match=rf"card.json.*{says}.*; restore it or train the run again"):
        Router.from_pretrained(run_copy)


@pytest.mark.parametrize(
    ("setting", "there", "gone", "weight"),
    [
        ("posterior.enabled=false", "model.safetensors", "posterior.safetensors", 1.0),
        ("posterior.network=false", "posterior.safetensors", "model.safetensors", 0.0),
    ],
)
def test_one_half_alone_leaves_nothing_of_the_other(demo_data, run_copy, setting, there, gone, weight):
    train_run(demo_data, load_config(None, [*SHORT, setting]), RunFolder(run_copy))
    assert there in files(run_copy) and gone not in files(run_copy)
    card = json.loads((run_copy / "card.json").read_text())
    assert card["network_weight"] == weight and card["temperature"] > 0
    assert [note for note in card["notes"] if "network" in note] == []
    assert ("best" in card) == (there == "model.safetensors") and ("posterior" in card) == (gone == "model.safetensors")
    decision = Router.from_pretrained(run_copy).rank("bela", "What is new?", explain=True)
    assert decision.votes and decision.reasons


def test_of_a_validation_too_large_to_score_a_part_is_drawn_and_said(demo_data, tmp_path, monkeypatch):
    whole = train_run(demo_data, load_config(None, [*SHORT, "posterior.network=false"]), RunFolder(tmp_path / "whole"))
    monkeypatch.setattr("gmt.training.train_run.MOST_COMPARED", 1)
    monkeypatch.setattr("gmt.training.train_run.LEAST_VALID", 60)
    found = [
        train_run(demo_data, load_config(None, [*SHORT, "posterior.network=false"]), RunFolder(tmp_path / name))
        for name in ("part", "again")
    ]
    assert set(whole["valid"]) == {"auc", "accuracy"} and found[0]["valid"]["comparisons"] == 60
    assert found[0]["valid"] == found[1]["valid"] and found[0]["temperature"] == found[1]["temperature"]
    # Another number, for it is of other votes; the same router, hence not far.
    assert 0 < abs(found[0]["valid"]["auc"] - whole["valid"]["auc"]) < 0.2
    assert (tmp_path / "part/posterior.safetensors").read_bytes() == (
        tmp_path / "whole/posterior.safetensors"
    ).read_bytes()
