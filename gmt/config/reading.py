"""Read settings from YAML files and `section.key=value` overrides, those of older runs under their present names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from gmt.config.checked import nearest
from gmt.config.settings import RunConfig, setting_names
from gmt.config.strict_yaml import parse_yaml, read_yaml
from gmt.errors import ConfigError

RENAMED = {
    "taste": "traits",
    "traits.traits": "traits.count",
    "traits.query_decay": "traits.text_decay",
    "posterior.cells": "posterior.query_quality",
    "posterior.memory": "posterior.query_kernel",
    "posterior.reliability": "posterior.discrimination",
    "posterior.people": "posterior.user_effects",
    "model.cells": "model.query_terms",
    "episode.asked_pairs": "episode.target_pairs",
}
"""Settings of runs made before 0.2 and what they are called now; both are read."""


def _renamed(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested values with the names that settings have now.

    Raises:
        ConfigError: A setting stands under its former and its present name, of which one would win in silence.
    """
    found: dict[str, Any] = {}
    for key, value in values.items():
        # A name with half a surrogate pair is none that pydantic can repeat.
        section = str(RENAMED.get(key, key)).encode("utf-8", "backslashreplace").decode()
        if not isinstance(value, Mapping):
            if section in found:
                raise ConfigError(f"{section} is stated twice, as {key} too; keep one")
            found[section] = value
            continue
        inside = found.setdefault(section, {})
        for name, of in value.items():
            now = RENAMED.get(f"{section}.{name}", f"{section}.{name}").rpartition(".")[2]
            if not isinstance(inside, dict) or now in inside:
                raise ConfigError(f"{section}.{now} is stated twice, as {key}.{name} too; keep one")
            inside[now] = of
    return found


def _present_name(name: str) -> str:
    """Return what a setting is called now, given that or a former name, as `section.key`."""
    section, dot, key = name.partition(".")
    name = f"{RENAMED.get(section, section)}{dot}{key}"
    return RENAMED.get(name, name)


def build_config(values: Mapping[str, Any], source: str = "config") -> RunConfig:
    """Build a `RunConfig` from nested values.

    Raises:
        ConfigError: A key is unknown (the nearest name is given) or a value is of the wrong type or range.
    """
    if not isinstance(values, Mapping):
        raise ConfigError(f"{source}: the file is {values!r}; expected a block of settings")
    try:
        return RunConfig(**_renamed(values))
    except ConfigError as error:
        raise ConfigError(f"{source}: {error}") from None


def load_config(path: Path | None, overrides: Iterable[str] = (), seed: int | None = None) -> RunConfig:
    """Read a YAML file that states what differs from the defaults, then apply `section.key=value` overrides.

    Raises:
        ConfigError: The file is missing or unreadable, or a setting is unknown or out of range.
    """
    values = {} if path is None else read_yaml(path, ConfigError, "name a YAML file such as configs/default.yaml")
    merged = build_config(values or {}, path.name if path else "defaults").to_dict()
    for override in overrides:
        name, value = _override(override)
        section, _, key = name.partition(".")
        if key:
            merged[section][key] = value
        else:
            merged[section] = value
    if seed is not None:
        merged["seed"] = seed
    return build_config(merged, "--set" if overrides else "config")


def _override(text: str) -> tuple[str, Any]:
    """Return the name and the value of one `section.key=value`."""
    name, equals, value = text.partition("=")
    name = _present_name(name.strip())
    if not equals:
        raise ConfigError(f"--set {text}: expected section.key=value, e.g. train.lr=0.001")
    if name not in setting_names():
        raise ConfigError(f"--set: there is no setting {name}. {nearest(name, setting_names())}")
    try:
        return name, parse_yaml(value)
    except yaml.YAMLError:
        raise ConfigError(f"--set {text}: {value!r} is no value; expected e.g. train.lr=0.001") from None


def default_config() -> Path:
    """Return configs/default.yaml of the folder one stands in, or the copy that ships with gmt."""
    here = Path("configs/default.yaml")
    return here if here.is_file() else shipped_config("default")


def shipped_config(name: str = "") -> Path:
    """Return a config that ships with gmt, from the wheel or from the checkout; without a name, their folder."""
    package = Path(__file__).parent.parent
    folder = package / "configs" if (package / "configs").is_dir() else package.parent / "configs"
    return folder / f"{name}.yaml" if name else folder
