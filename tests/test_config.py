from dataclasses import fields, is_dataclass, replace
from pathlib import Path

import pytest
import yaml

from gmt.config import GraphConfig, ModelConfig, RunConfig, TrainConfig, build_config, load_config, setting_names
from gmt.errors import ConfigError

CONFIGS = sorted((Path(__file__).resolve().parents[1] / "configs").rglob("*.yaml"))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"model": {"widht": 8}}, "run.yaml: there is no setting model.widht. Did you mean model.width?"),
        ({"modle": {"width": 8}}, "run.yaml: there is no setting modle. Did you mean model?"),
        ({"train": {"learning_rates": 1}}, "run.yaml: there is no setting train.learning_rates. "),
        (
            {"zzzzzz": 1},
            "there is no setting zzzzzz. The sections are episode, graph, model, posterior, routing, seed, state, "
            "train, traits, utility.",
        ),
        ({"model": {"width": "wide"}}, "run.yaml: model.width is 'wide'; expected a whole number"),
        ({"model": {"width": 8.0}}, "model.width is 8.0; expected a whole number"),
        ({"model": {"layers": True}}, "model.layers is True; expected a whole number"),
        ({"model": {"bind": 1}}, "model.bind is 1; expected true or false"),
        ({"model": {"bind": "yes please"}}, "expected true or false"),
        ({"train": {"lr": "fast"}}, "train.lr is 'fast'; expected a number"),
        ({"train": {"lr": False}}, "train.lr is False; expected a number"),
        ({"train": {"lr": None}}, "train.lr is None; expected a number"),
        ({"train": {"lr": [1]}}, r"train.lr is [1]; expected a number"),
        ({"train": {"ties": 1}}, "train.ties is 1; expected a name"),
        ({"model": 3}, "run.yaml: model is 3; expected a block of settings"),
        ([1, 2], "run.yaml: the file is [1, 2]; expected a block of settings"),
        ({"seed": "zero"}, "seed is 'zero'; expected a whole number"),
    ],
)
def test_what_cannot_be_read_is_named_with_what_was_wanted(values, words):
    with pytest.raises(ConfigError) as error:
        build_config(values, "run.yaml")
    assert words in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("section", "key", "value", "words"),
    [
        ("graph", "history_limit", 0, "expected at least 1"),
        ("model", "width", 250, "heads is 4; the width must be a multiple of the heads, e.g. 248"),
        ("model", "width", 0, "e.g. 4"),
        ("model", "hidden", 6, "model.hidden is 6 and model.heads is 4; the hidden must be a multiple"),
        ("model", "heads", 0, "model.heads is 0; expected at least 1"),
        ("model", "heads", -4, "model.heads is -4; expected at least 1"),
        ("model", "layers", -1, "expected 0 to 8"),
        ("model", "layers", 9, "expected 0 to 8"),
        ("model", "dropout", 1.0, "model.dropout is 1.0; expected 0 up to below 1"),
        ("model", "residual_dropout", -0.1, "model.residual_dropout is -0.1"),
        ("model", "dropout", float("nan"), "model.dropout is nan"),
        ("episode", "users", 0, "episode.users is 0"),
        ("episode", "targets", 0, "episode.targets is 0"),
        ("episode", "history", 0, "episode.history is 0"),
        ("episode", "target_pairs", -1, "expected 0 or more"),
        ("episode", "history_length", "long", "episode.history_length is 'long'; expected one of varied, fixed"),
        ("train", "steps", 0, "train.steps is 0; expected at least 1"),
        ("train", "lr", 0, "train.lr is 0.0; expected above 0"),
        ("train", "lr", float("nan"), "train.lr is nan"),
        ("train", "weight_decay", -0.1, "train.weight_decay is -0.1; expected 0 or more"),
        ("train", "warmup", -1, "train.warmup is -1"),
        ("train", "patience", -1, "train.patience is -1"),
        ("train", "clip", 0, "train.clip is 0.0; expected above 0"),
        ("train", "eval_every", 0, "train.eval_every is 0"),
        ("train", "accumulate", 0, "train.accumulate is 0"),
        ("train", "accumulate", 7, "train.accumulate is 7; validate after whole updates, e.g. every 49"),
        ("train", "schedule", "linear", "expected one of cosine, constant"),
        ("train", "ties", "both", "expected one of half, ignore"),
        ("train", "precision", "fp8", "expected one of no, fp16, bf16"),
    ],
)  # fmt: skip
def test_values_out_of_range_are_refused_from_files_and_from_the_command_line(section, key, value, words, tmp_path):
    with pytest.raises(ConfigError) as error:
        build_config({section: {key: value}}, "run.yaml")
    assert str(error.value).startswith("run.yaml: ") and words in str(error.value)
    text = yaml.safe_dump(value).removesuffix("...\n").strip()
    with pytest.raises(ConfigError) as error:
        load_config(None, [f"{section}.{key}={text}"])
    assert str(error.value).startswith("--set: ") and words in str(error.value)


def test_a_name_that_yaml_takes_for_a_truth_value_stays_a_name(tmp_path):
    assert load_config(None, ["train.precision=no"]).train.precision == "no"
    (tmp_path / "run.yaml").write_text("train:\n  precision: no\n")
    assert load_config(tmp_path / "run.yaml", []).train.precision == "no"
    with pytest.raises(ConfigError, match="train.precision is 'yes'; expected one of no, fp16, bf16"):
        load_config(None, ["train.precision=yes"])


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_seed_no_generator_takes_is_refused(seed):
    for build in (lambda: RunConfig(seed=seed), lambda: load_config(None, seed=seed)):
        with pytest.raises(ConfigError, match=f"seed is {seed}; expected 0 up to 4294967295"):
            build()


@pytest.mark.parametrize("text", ["2e-3", "0.002", "2.0e-3", "'2e-3'"])
def test_numbers_yaml_reads_as_text_are_numbers(tmp_path, text):
    path = tmp_path / "run.yaml"
    path.write_text(f"train:\n  lr: {text}\n")
    assert load_config(path).train.lr == 0.002
    assert load_config(None, [f"train.lr={text}"]).train.lr == 0.002
    assert isinstance(load_config(None, ["train.weight_decay=0"]).train.weight_decay, float)


def test_a_file_states_only_what_differs(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text("model: {width: 32, bind: false}\nseed: 5\n")
    assert load_config(path) == RunConfig(model=ModelConfig(width=32, bind=False), seed=5)
    path.write_text("")
    assert load_config(path) == load_config(None) == RunConfig()


def test_set_comes_after_the_file_and_the_seed_last(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text("model: {width: 32, layers: 1}\nseed: 5\n")
    config = load_config(path, ["model.width=64", "graph.turn_edges=false", "train.schedule=constant", "seed=6"])
    assert config == RunConfig(
        model=ModelConfig(width=64, layers=1),
        graph=GraphConfig(turn_edges=False),
        train=TrainConfig(schedule="constant"),
        seed=6,
    )
    assert load_config(path, ["model.width=16", "model.width=8"]).model.width == 8
    assert load_config(path, ["seed=6"], seed=7).seed == 7


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("model.widht=3", "there is no setting model.widht. Did you mean model.width?"),
        ("width=3", "there is no setting width. Did you mean model.width?"),
        ("model=3", "there is no setting model. It is a section; name a setting of it, e.g. model.width."),
        ("model.width", "--set model.width: expected section.key=value, e.g. train.lr=0.001"),
        ("model.width=[3", "--set model.width=[3: '[3' is no value"),
        ("model.width=", "model.width is None; expected a whole number"),
    ],
)
def test_set_says_what_it_did_not_understand(override, words):
    with pytest.raises(ConfigError) as error:
        load_config(None, [override])
    assert words in str(error.value) and "\n" not in str(error.value)


def test_files_that_are_missing_or_no_yaml_are_named(tmp_path):
    with pytest.raises(ConfigError, match="none.yaml does not exist; name a YAML file"):
        load_config(tmp_path / "none.yaml")
    for content in (b"model: [1, 2", b"model: \xff\xfe"):
        (tmp_path / "bad.yaml").write_bytes(content)
        with pytest.raises(ConfigError, match="bad.yaml is not YAML") as error:
            load_config(tmp_path / "bad.yaml")
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("path", CONFIGS, ids=[path.stem for path in CONFIGS])
def test_shipped_experiments_load_and_state_only_what_differs(path):
    config, stated = load_config(path), yaml.safe_load(path.read_text("utf-8")) or {}
    assert load_config(path, [], 3).seed == 3 and isinstance(stated, dict)
    for section, values in stated.items():
        for key, value in values.items():
            found = getattr(getattr(config, section), key)
            assert found == (float(value) if isinstance(found, float) else value)


def test_the_default_experiment_is_the_defaults_and_the_paper_is_the_published_shape():
    found = {path.stem: load_config(path) for path in CONFIGS}
    assert found["default"] == RunConfig()
    paper = found["paper"]
    assert (paper.model.width, paper.model.heads, paper.model.layers, paper.model.hidden) == (768, 4, 3, 256)
    assert not (paper.model.bind or paper.model.strengths or paper.model.query_terms)
    assert (paper.episode.history, paper.episode.target_pairs, paper.train.steps) == (10, 256, 350)


def test_a_written_config_reads_back_equal(tmp_path):
    config = load_config(None, ["train.lr=1e-5", "model.heads=2", "episode.history_length=fixed"], seed=9)
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(config.to_dict()))
    assert load_config(path) == config


def test_every_setting_is_listed_once_and_documented():
    names = setting_names()
    assert len(set(names)) == len(names) and {"seed", "model.width", "train.lr"} <= set(names)
    config = RunConfig()
    for item in fields(config):
        section = getattr(config, item.name)
        if is_dataclass(section):
            assert {f"{item.name}.{inner.name}" for inner in fields(section)} <= set(names)
            assert all(field.description for field in type(section).__pydantic_fields__.values())


def test_settings_made_in_python_are_checked_too_and_cannot_be_changed():
    with pytest.raises(ConfigError, match="^model.layers is 9; expected 0 to 8$"):
        ModelConfig(layers=9)
    with pytest.raises(ConfigError, match="^train.lr is -1.0; expected above 0$"):
        replace(TrainConfig(), lr=-1)
    with pytest.raises(ConfigError, match="^there is no setting graph.turn_edge. Did you mean graph.turn_edges"):
        GraphConfig(turn_edge=True)  # pyright: ignore[reportCallIssue]
    with pytest.raises(AttributeError):
        RunConfig().seed = 1  # pyright: ignore[reportAttributeAccessIssue]
    assert replace(TrainConfig(), lr=1).lr == 1.0


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("seed: 1\nmodel: {width: 8}\nseed: 2\n", "the key 'seed' a second time; keep one"),
        ("model: {width: 8, width: 16}\n", "the key 'width' a second time; keep one"),
        ("a: &a [1, 1]\nb: &b [*a, *a]\nc: [*b, *b]\n", "an alias (*name); write the value out"),
        ("[" * 5000, "it nests too deep"),
        ("model: !!python/object/apply:os.system [ls]\n", "could not determine a constructor"),
    ],
)
def test_yaml_that_says_one_thing_twice_or_grows_is_refused(tmp_path, content, words):
    (tmp_path / "bad.yaml").write_text(content)
    with pytest.raises(ConfigError, match="bad.yaml is not YAML") as error:
        load_config(tmp_path / "bad.yaml")
    assert words in str(error.value) and "\n" not in str(error.value)


def test_settings_of_older_runs_are_read_under_their_present_names():
    old = {"taste": {"traits": 4}, "posterior": {"memory": False, "people": True}, "model": {"cells": False}}
    config = build_config(old)
    assert config.traits.count == 4 and not config.posterior.query_kernel and not config.model.query_terms
    with pytest.raises(ConfigError, match="there is no setting traits.cells"):
        build_config({"taste": {"cells": 1}})


def test_former_names_serve_with_set_and_none_is_stated_twice(tmp_path):
    assert not load_config(None, ["posterior.memory=false"]).posterior.query_kernel
    assert load_config(None, ["taste.traits=3"]).traits.count == 3
    path = tmp_path / "run.yaml"
    path.write_text("taste: {enabled: false}\ntraits: {steps: 7}\n")
    assert load_config(path).traits.steps == 7 and not load_config(path).traits.enabled
    path.write_text("taste: {steps: 1}\ntraits: {steps: 7}\n")
    with pytest.raises(ConfigError, match=r"run.yaml: traits\.steps is stated twice, as traits\.steps too; keep one"):
        load_config(path)
