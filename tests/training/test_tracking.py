"""Check that one setting sends training's numbers to a tracker, and that without it none is begun."""

import json
import sys

import accelerate.tracking
import pytest
import yaml
from accelerate.utils import LoggerType

from gmt.cli.main import main
from gmt.config import load_config
from gmt.errors import ConfigError, RunError
from gmt.runs import RunFolder
from gmt.training.train_run import train_run
from tests.trained import TINY, settings

SMALL = [*TINY, "train.steps=4", "train.eval_every=2", "traits.steps=3"]


def trained(data, run, *more, **how):
    lines = []
    card = train_run(data, load_config(None, [*SMALL, *more]), RunFolder(run), report=lines.append, **how)
    return card, lines


def test_by_default_nothing_is_tracked(demo_data, tmp_path):
    card, lines = trained(demo_data, tmp_path / "runs" / "plain")
    assert not (tmp_path / "runs" / "tracking").exists() and len(lines) > 6
    assert not any("Logged" in note for note in card["notes"])


def test_tensorboard_gets_every_number_that_is_reported(demo_data, tmp_path):
    accumulator = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="pip install tensorboard"
    )
    run = tmp_path / "runs" / "mine"
    card, lines = trained(demo_data, run, "train.tracker=tensorboard", "state.url=sqlite:////nowhere/secret.db")
    (folder,) = (tmp_path / "runs" / "tracking").iterdir()
    assert folder.name.startswith("mine-")
    events = accumulator.EventAccumulator(str(folder)).Reload()
    logged = {name: [(e.step, e.value) for e in events.Scalars(name)] for name in events.Tags()["scalars"]}
    network = [line for line in lines if "traits" not in line]
    traits = [line for line in lines if "traits" in line]
    assert logged["network/loss"] == [(line["step"], pytest.approx(line["loss"])) for line in network]
    told = [line["valid_auc"] for line in network if "valid_auc" in line]
    assert [value for _, value in logged["network/valid_auc"]] == pytest.approx(told) and len(told) == 2
    assert [value for _, value in logged["traits/loss"]] == pytest.approx([line["loss"] for line in traits])
    steps = [step for step, _ in logged["network/loss"] + logged["traits/loss"]]
    assert steps == sorted(set(steps)) and logged["valid/auc"][0][1] == pytest.approx(card["valid"]["auc"])
    (told,) = folder.rglob("hparams.yml")
    kept = yaml.safe_load(told.read_text())
    assert kept["train.tracker"] == "tensorboard" and kept["seed"] == 0 and "state.url" not in kept
    assert any(note.startswith("Logged for TensorBoard: tensorboard --logdir ") for note in card["notes"])
    # The run itself is what it is without a tracker, but for the setting.
    plain, _ = trained(demo_data, tmp_path / "runs" / "plain")
    assert plain["valid"] == card["valid"] and "Logged" not in json.dumps(json.loads((run / "card.json").read_text()))


FAKES = {
    "wandb": """
import json, os
lines = []
class Config:
    def update(self, values, allow_val_change): lines.append(["config", values["seed"]])
config = Config()
class Run:
    def log(self, values, step): lines.append([step, values])
    def finish(self):
        with open(os.environ["FAKE_LOG"], "w") as file: json.dump(lines, file)
def init(project, name, dir):
    lines.append([project, name.rsplit("-", 2)[0], os.path.basename(dir)])
    return Run()
""",
    "mlflow": """
import json, os
from types import SimpleNamespace
lines = []
utils = SimpleNamespace(validation=SimpleNamespace(MAX_PARAM_VAL_LENGTH=500, MAX_PARAMS_TAGS_PER_BATCH=100))
def search_experiments(filter_string): return []
def create_experiment(name, artifact_location, tags): lines.append([name]); return 1
def start_run(run_name, **options): lines[-1] += [run_name.rsplit("-", 2)[0], "tracking"]
def log_params(values): lines.append(["config", values["seed"]])
def log_metrics(values, step): lines.append([step, values])
def end_run():
    with open(os.environ["FAKE_LOG"], "w") as file: json.dump(lines, file)
""",
}


@pytest.mark.parametrize("name", FAKES)
def test_others_are_reached_the_same_way(name, demo_data, tmp_path, monkeypatch):
    """A stand-in of the package takes the calls that Accelerate makes."""
    if name in sys.modules:
        pytest.skip(f"{name} itself is loaded")
    place = tmp_path / "packages"
    (place / f"{name}-9.0.dist-info").mkdir(parents=True)
    (place / f"{name}-9.0.dist-info" / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 9.0\n")
    (place / f"{name}.py").write_text(FAKES[name])
    monkeypatch.syspath_prepend(str(place))
    monkeypatch.setattr(
        accelerate.tracking, "_available_trackers", [LoggerType(name)]
    )  # looked for when Accelerate is imported
    monkeypatch.setenv("FAKE_LOG", str(tmp_path / "log.json"))
    _, lines = trained(demo_data, tmp_path / "runs" / "mine", f"train.tracker={name}")
    monkeypatch.delitem(sys.modules, name)
    first, config, *logged = json.loads((tmp_path / "log.json").read_text())
    assert first == ["gmt", "mine", "tracking"] and config == ["config", 0]
    assert [step for step, _ in logged[:-1]] == list(range(1, len(lines) + 1)) and "valid/auc" in logged[-1][1]
    assert [next(iter(values)).split("/")[0] for _, values in logged[:4]] == ["network"] * 4


def test_a_missing_package_is_one_line_before_anything_is_written(demo_data, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("gmt.training.tracking.is_mlflow_available", lambda: False)
    said = "train.tracker is mlflow, and that package is not installed; pip install mlflow, or set train.tracker=none"
    with pytest.raises(ConfigError, match=said):
        trained(demo_data, tmp_path / "run", "train.tracker=mlflow")
    with pytest.raises(SystemExit, match="2"):
        main(["train", str(demo_data), "--run", str(tmp_path / "run"), *settings(["train.tracker=mlflow"])])
    assert said in capsys.readouterr().err and not (tmp_path / "run").exists()


def test_an_unknown_tracker_is_refused():
    with pytest.raises(ConfigError, match="train.tracker"):
        load_config(None, ["train.tracker=comet"])


def test_a_training_may_go_on_with_another_tracker(demo_data, tmp_path):
    card, _ = trained(demo_data, tmp_path / "run", "traits.enabled=false")
    (tmp_path / "run" / "config.yaml").write_text(
        (tmp_path / "run" / "config.yaml").read_text().replace("tracker: none", "tracker: wandb")
    )
    again, _ = trained(demo_data, tmp_path / "run", "traits.enabled=false", resume=True)
    assert again["valid"] == card["valid"]
    with pytest.raises(RunError, match="train.lr 0.002 → 0.5"):
        trained(demo_data, tmp_path / "run", "traits.enabled=false", "train.lr=0.5", resume=True)
