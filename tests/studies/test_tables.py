import json

import pytest

from gmt.errors import DataError
from gmt.studies import tables


def metric(value):
    return {"value": value, "low": value - 0.01, "high": value + 0.01}


def summary(routers, shots=("all",), seeds=5):
    found = {name: {"auc": metric(value), "accuracy": metric(value - 0.1)} for name, value in routers.items()}
    gaps = {f"gmt - {name}": {m: metric(0.02) for m in ("auc", "accuracy")} for name in routers if name != "gmt"}
    return {"seeds": list(range(seeds)), "shots": {k: {"routers": found, "differences": gaps} for k in shots}}


@pytest.fixture
def folder(tmp_path):
    for name, value in (
        ("default-llmfao-seen", summary({"gmt": 0.84, "bradley_terry": 0.8})),
        ("paper-llmfao-seen", summary({"gmt": 0.7, "bradley_terry": 0.8}, seeds=3)),
        ("no-text-mine-seen", summary({"gmt": 0.6})),
        ("no-text-llmfao-seen", summary({"gmt": 0.6, "knn": 0.5})),
        ("default-llmfao-new-users", summary({"gmt": 0.84, "bradley_terry": 0.8}, ("0", "1", "20"))),
    ):
        (tmp_path / f"{name}.json").write_text(json.dumps({"label": value}))
    (tmp_path / "notes.json").write_text("no summary")
    return tmp_path


def test_every_config_adds_its_router_and_the_first_lends_the_rivals(folder, capsys):
    tables.main([str(folder)])
    lines = capsys.readouterr().out.splitlines()
    assert "| router | llmfao AUC | llmfao accuracy |" in lines
    assert "| **gmt** (`default.yaml`) | .840 [.830, .850] | .740 [.730, .750] |" in lines
    assert "| GMTRouter's design (`paper.yaml`), 3 seeds | .700 [.690, .710] | .600 [.590, .610] |" in lines
    assert "| `no-text.yaml` | .600 [.590, .610] | .500 [.490, .510] |" in lines
    assert "| llmfao, auc | 0 shots | 1 shot | 20 shots |" in lines
    assert not any(line.startswith("| `knn`") for line in lines)
    assert "| `bradley_terry` | llmfao, seen | +0.020 [+0.010, +0.030] | +0.020 [+0.010, +0.030] |" in lines
    assert "| `bradley_terry` | llmfao, new-users, 20 shots |" in "\n".join(lines)


def test_configs_can_be_chosen(folder, capsys):
    tables.main([str(folder), "--configs", "no-text", "paper"])
    out = capsys.readouterr().out
    assert "`no-text.yaml`" in out and "| `knn` |" in out and "default.yaml" not in out


@pytest.mark.parametrize(("configs", "words"), [((), "no <config>-<set>-<protocol>.json"), (["x"], "of config x")])
def test_what_is_missing_is_named(folder, tmp_path_factory, configs, words):
    empty = tmp_path_factory.mktemp("empty")
    with pytest.raises(DataError, match=words):
        tables.Summaries.read(folder if configs else empty, configs)
