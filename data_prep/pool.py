"""Read the descriptions and prices of the models on offer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from data_prep.read.cells import shown
from data_prep.read.file_formats import one_line, read_json
from data_prep.read.litellm_prices import is_price_file, million_prices
from gmt.data.comparisons import check_text
from gmt.data.dataset import ModelInfo
from gmt.errors import DataError

FORM = "model name -> {description, input_price, output_price}"
# Behind a lambda, for `_whole` is defined below; pydantic calls it only when it validates.
Whole = Annotated[str, AfterValidator(lambda value: _whole(value))]
Price = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class StatedModel(BaseModel):
    """Hold what a file says of a model; other keys, such as GraphRouter's `size`, are passed over."""

    # Strict, or "0.5" would pass as a price and true as 1.
    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)

    description: Whole | None = None
    feature: Whole | None = None
    """What GraphRouter calls the description."""
    input_price: Price | None = None
    """$ per million tokens."""
    output_price: Price | None = None


def read_models(path: Path) -> dict[str, ModelInfo]:
    """Read model descriptions and prices.

    Args:
        path: JSON or, by its suffix, YAML of name -> `{description or feature, input_price, output_price}`, which is
            GraphRouter's form too, or LiteLLM's price file (`input_cost_per_token`).

    Raises:
        DataError: The file is no such JSON or YAML.
    """
    return {name: _card(name, one, None) for name, one in _stated(path)[0].items()}


def _card(name: str, stated: StatedModel, known: ModelInfo | None) -> ModelInfo:
    """Return a model's card; what the file does not describe is described by the source, or by its name."""
    described = stated.description or stated.feature or (known.description if known else name)
    return ModelInfo(described, stated.input_price, stated.output_price)


def _stated(path: Path) -> tuple[dict[str, StatedModel], bool]:
    """Return what a file states of models, and whether it is a list of all prices in the world."""
    found = _read_yaml(path) if path.suffix in (".yaml", ".yml") else read_json(path)
    if is_price_file(found):
        return {name: StatedModel.model_validate(prices) for name, prices in million_prices(found).items()}, True
    try:
        stated = TypeAdapter(dict[Whole, StatedModel]).validate_python(found, strict=True)
    except ValidationError as error:
        raise DataError(_one_fault(path, error)) from error
    # After the types are right: then every entry is a mapping with keys that can be compared.
    for name, one in found.items():
        _refuse_unread_keys(path, name, one)
    return stated, False


class _PlainLoader(yaml.SafeLoader):
    """Load YAML without aliases, which can make a small file enormous, and without keys that stand twice."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        # Nested aliases double with each level, so that a kilobyte of text can ask for gigabytes.
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases (*name) are not read")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        found = super().construct_mapping(node, deep)
        # PyYAML keeps the last of two equal keys in silence, and a model would lose its price.
        if len(found) < len(node.value):
            raise yaml.YAMLError("a key stands twice in one mapping")
        return found


def _read_yaml(path: Path) -> Any:
    if not path.is_file():
        raise DataError(f"{path} does not exist; expected a YAML file")
    try:
        # Not `safe_load`, which takes no loader; `_PlainLoader` is a safe one.
        return yaml.load(path.read_text("utf-8-sig"), _PlainLoader)
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        raise DataError(f"{path.name} is not YAML ({one_line(error)}); repair it") from error


def _one_fault(path: Path, error: ValidationError) -> str:
    """Say on one line what is wrong first, and what was expected."""
    fault = error.errors(include_url=False)[0]
    # Padded, since a fault of the whole file has no place and one of an entry has no key.
    name, key, *_ = (*map(str, fault["loc"]), "", "")
    if key.endswith("_price"):
        return f"{path}: {key} of {name} is {shown(fault['input'])}; expected $ per million tokens or null"
    if key in StatedModel.model_fields and fault["type"] != "value_error":
        return f"{path}: the {key} of {name} is {shown(fault['input'])}; expected text"
    # Our own message from `_whole`, behind pydantic's prefix.
    if fault["type"] == "value_error":
        return f"{path}: {fault['msg'].removeprefix('Value error, ')}"
    kind = "YAML" if path.suffix in (".yaml", ".yml") else "JSON"
    return f"{path} is not {kind} of {FORM}; see --help"


def describe_models(names: Sequence[str], known: Mapping[str, ModelInfo], path: Path | None) -> dict[str, ModelInfo]:
    """Describe every model of the table; the file says more than the source, the name is the last resort.

    Raises:
        DataError: The file describes none of these models.
    """
    stated = {} if path is None else _stated(Path(path))[0]
    # Models without a description are common; no match at all means that the file uses other names.
    if stated and not set(stated) & set(names):
        raise DataError(
            f"{path} describes {', '.join(list(stated)[:3])} … and none of the models here "
            f"({', '.join(list(names)[:3])} …); use the same names"
        )
    return {
        name: _card(name, stated[name], known.get(name)) if name in stated else known.get(name) or ModelInfo(name)
        for name in names
    }


def unmatched(names: Sequence[str], path: Path | None) -> list[str]:
    """Return a note on the models that a file describes and that are not here; none where there are none."""
    stated, all_prices = ({}, False) if path is None else _stated(Path(path))
    others = [name for name in stated if name not in set(names)]
    # That a price list knows thousands of other models is no slip of anybody's.
    if not others or all_prices:
        return []
    return [f"{len(others)} models of {Path(path).name} are not among these, e.g. {shown(others[0])}"]  # pyright: ignore


def _whole(value: str) -> str:
    """Return a text that a file can hold; pydantic words the refusal.

    Raises:
        ValueError: It holds half a character.
    """
    try:
        check_text(value, "a name or description")
    except DataError as error:
        raise ValueError(str(error)) from error
    return value


def _refuse_unread_keys(path: Path, name: str, stated: Mapping[str, Any]) -> None:
    """Refuse an entry of which nothing would be read, and keys that are nearly one of ours.

    Raises:
        DataError: There is one.
    """
    known = list(StatedModel.model_fields)
    for key in set(stated) - set(known):
        # A key that is nearly ours is a slip ("input price"); others are extras and are passed over.
        near = get_close_matches(str(key).lower().replace("-", "_").replace(" ", "_"), known, n=1, cutoff=0.8)
        if near and near[0] not in stated:
            raise DataError(f"{path}: {shown(name)} has the key {shown(key)}; did you mean {near[0]}?")
    if stated and not set(stated) & set(known):
        keys = ", ".join(map(str, list(stated)[:4]))[:100]
        raise DataError(f"{path}: {shown(name)} has only the keys {keys}; expected {FORM}")
