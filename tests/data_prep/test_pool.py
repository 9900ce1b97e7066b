"""Check that the pool of models is read from JSON and YAML, and that what is wrong in it is said on one line."""

import json
from pathlib import Path

import pytest

from data_prep.pool import describe_models, read_models, unmatched
from gmt.data.dataset import ModelInfo
from gmt.errors import DataError

STATED = {
    "x": {"size": "7b", "feature": "small and quick", "input_price": 0.2, "output_price": 1},
    "y": {"description": "", "input_price": None},
}


@pytest.mark.parametrize("suffix", ["json", "yaml", "yml"])
def test_json_and_yaml_say_the_same(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"pool.{suffix}"
    lines = [f"{name}: {json.dumps(info)}" for name, info in STATED.items()]
    path.write_text(json.dumps(STATED) if suffix == "json" else "\n".join(lines))
    assert read_models(path) == {"x": ModelInfo("small and quick", 0.2, 1.0), "y": ModelInfo("y")}


def test_the_file_says_more_than_the_source_and_the_name_is_the_last_resort(tmp_path: Path) -> None:
    path = tmp_path / "pool.json"
    path.write_text(json.dumps(STATED))
    found = describe_models(["x", "z", "w"], {"x": ModelInfo("other"), "z": ModelInfo("known")}, path)
    assert [info.description for info in found.values()] == ["small and quick", "known", "w"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"x": {"input_price": -1}}', r"input_price of x is -1; expected \$ per million tokens or null"),
        ('{"x": {"output_price": true}}', r"output_price of x is True; expected \$ per million tokens or null"),
        ('{"x": {"output_price": "0.2"}}', r"output_price of x is '0.2'; expected \$ per million tokens or null"),
        ('{"x": {"input_price": NaN}}', r"input_price of x is nan; expected \$ per million tokens or null"),
        ('{"x": {"description": 3}}', "the description of x is 3; expected text"),
        ('{"x": "small"}', r"is not JSON of model name -> \{description, input_price, output_price\}; see --help"),
        ('{"x": {"input-price": 1}}', "'x' has the key 'input-price'; did you mean input_price"),
        ('{"x": {"price": 1, "size": "7B"}}', "'x' has only the keys price, size; expected model name"),
        ('{"x": {"input_price": 1, "input_price": 2}}', "the key 'input_price' stands twice"),
        ('{"x": {"description": "half \\ud800"}}', r"half a character \(\\ud800"),
        ('{"x\\udc00": {}}', r"half a character \(\\udc00"),
        ("[" * 5000, "pool.json is not JSON"),
        ("[]", "is not JSON of model name"),
        ("{", "pool.json is not JSON .*; repair it"),
    ],
)
def test_what_is_wrong_is_said_on_one_line(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "pool.json"
    path.write_text(content)
    with pytest.raises(DataError, match=message) as error:
        read_models(path)
    assert "\n" not in str(error.value)


def test_yaml_that_is_none_and_a_file_that_is_missing_are_named(tmp_path: Path) -> None:
    (tmp_path / "pool.yaml").write_text("x: {")
    with pytest.raises(DataError, match="pool.yaml is not YAML .*; repair it") as error:
        read_models(tmp_path / "pool.yaml")
    assert "\n" not in str(error.value)
    with pytest.raises(DataError, match="does not exist; expected a YAML file"):
        read_models(tmp_path / "none.yml")
    (tmp_path / "list.yml").write_text("- x")
    with pytest.raises(DataError, match="is not YAML of model name"):
        read_models(tmp_path / "list.yml")


def test_models_that_are_not_here_are_noted_and_none_that_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "pool.json"
    path.write_text('{"x": {"description": "an x"}, "z": {"input_price": 1}}')
    assert describe_models(["x", "y"], {}, path)["x"].description == "an x"
    assert unmatched(["x", "y"], path) == ["1 models of pool.json are not among these, e.g. 'z'"]
    assert unmatched(["x", "z"], path) == unmatched(["x"], None) == []
    with pytest.raises(DataError, match="none of the models here"):
        describe_models(["a"], {}, path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("x: {input_price: 1, input_price: 2}", "a key stands twice"),
        ("x: {input_price: 1}\nx: {}", "a key stands twice"),
        ("a: &a [1, 1]\nb: [*a, *a]", "aliases"),
        ("[" * 5000, "not YAML"),
    ],
)
def test_yaml_that_nobody_means_is_refused(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "pool.yaml"
    path.write_text(content)
    with pytest.raises(DataError, match=said) as error:
        read_models(path)
    assert "\n" not in str(error.value)


def test_the_price_file_of_litellm_is_read_per_million(tmp_path: Path) -> None:
    path = tmp_path / "model_prices_and_context_window.json"
    priced = {"input_cost_per_token": 1.5e-07, "output_cost_per_token": 6e-07, "litellm_provider": "p", "mode": "chat"}
    entries = {
        "sample_spec": {"input_cost_per_token": 0.0, "max_tokens": "LEGACY parameter"},
        "small": priced,
        "p/large": priced | {"output_cost_per_token": 1e-05},
        "p/torn": priced,
        "r/torn": priced | {"input_cost_per_token": 1},
        "p/painter": {"input_cost_per_pixel": 1e-08},
    }
    path.write_text(json.dumps(entries))
    found = read_models(path)
    assert found["small"] == ModelInfo("small", 0.15, 0.6)
    # The bare name stands where providers agree.
    assert (found["large"].output_price, "torn" in found, "p/painter" in found) == (10.0, False, False)
    described = describe_models(["small", "other"], {"small": ModelInfo("a small one")}, path)
    assert described == {"small": ModelInfo("a small one", 0.15, 0.6), "other": ModelInfo("other")}
    assert unmatched(["small"], path) == []
    path.write_text(json.dumps(entries | {"small": priced | {"input_cost_per_token": -1}}))
    with pytest.raises(DataError, match="input_cost_per_token of small is -1; expected"):
        read_models(path)
