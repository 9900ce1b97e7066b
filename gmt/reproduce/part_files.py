"""Read parts from YAML files, those that ship and those of a user's own folder."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

from gmt.config.checked import nearest
from gmt.config.strict_yaml import read_yaml
from gmt.errors import ConfigError
from gmt.reproduce.part import PAPERS, Claim, ComparedNumber, Needed, Part

SHIPPED = Path(__file__).with_name("parts")
STEPS = re.compile(r"gmt [a-z]|python -m gmt\.(?:studies|bench)\.\w+(?: |$)")
"""What a step may be; a part never runs anything else."""
KNOWN = ("seed", "seed*", "seeds", "work", "data", "input", "judge")
T = TypeVar("T")


def read_parts(folder: Path | None = None) -> dict[str, Part]:
    """Return name -> part, sorted by the number that begins a file's name.

    Args:
        folder: A folder of further parts, which may replace shipped ones by their name.

    Raises:
        ConfigError: A file states something that is unknown or wrong, or the folder holds none.
    """
    found = {part.name: part for part in map(read_part, sorted(SHIPPED.glob("*.yaml")))}
    if folder is not None:
        more = sorted(folder.glob("*.yaml"))
        if not more:
            raise ConfigError(f"{folder} holds no part; expected files NAME.yaml, see docs/reproduce.md")
        found |= {part.name: part for part in map(read_part, more)}
    return found


def read_part(path: Path) -> Part:
    """Read one file.

    Raises:
        ConfigError: A key is unknown or missing, or a value is of the wrong kind.
    """
    values = read_yaml(path, ConfigError, "name a file that exists")
    try:
        if not isinstance(values, Mapping):
            raise ConfigError("it is no block of keys")
        # The number orders the map and is no part of the name.
        name = re.sub(r"^\d+-", "", path.stem)
        nested = {
            "numbers": tuple(_number(one) for one in _list(values, "numbers")),
            "needs": _checked(Needed, _lists_as_tuples(values.get("needs") or {})),
            "sizes": {key: _pair(key, of) for key, of in (values.get("sizes") or {}).items()},
            "steps": tuple(" ".join(str(step).split()) for step in _list(values, "steps")),
            "seeds": tuple(_list(values, "seeds")) or (0,),
        }
        part = _checked(Part, {**values, **nested, "name": name})
        _check(part)
        return part
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def _number(values: Any) -> ComparedNumber:
    if not isinstance(values, Mapping):
        raise ConfigError(f"a number is {values!r}; expected a block with name, file and ours")
    claims = {key: _checked(Claim, _claim(values[key])) for key in ("paper", "code") if values.get(key) is not None}
    return _checked(ComparedNumber, {**values, **claims})


def _claim(values: Any) -> Mapping[str, Any]:
    """Let one number stand for both ends of a range, and words for themselves."""
    if isinstance(values, str):
        return {"says": values}
    if isinstance(values, Mapping) and "value" in values:
        rest = {key: of for key, of in values.items() if key != "value"}
        return {"low": values["value"], "high": values["value"], **rest}
    return values


def _checked(kind: type[T], values: Any) -> T:
    """Build a dataclass, refusing a key that it lacks."""
    if not isinstance(values, Mapping):
        raise ConfigError(f"{values!r} stands where a block of keys is expected")
    known = [one.name for one in fields(kind)]  # type: ignore[arg-type]
    for key in values:
        if key not in known:
            raise ConfigError(f"there is no key {key}. {nearest(str(key), known)}")
    try:
        return kind(**values)
    except TypeError as error:
        missing = re.findall(r"'(\w+)'", str(error))
        raise ConfigError(f"{', '.join(missing)} is missing") from None


def _list(values: Mapping[str, Any], key: str) -> list[Any]:
    found = values.get(key) or []
    if not isinstance(found, list):
        raise ConfigError(f"{key} is {found!r}; expected a list")
    return found


def _lists_as_tuples(values: Any) -> Any:
    if not isinstance(values, Mapping):
        return values
    return {key: tuple(of) if isinstance(of, list) else of for key, of in values.items()}


def _pair(name: str, values: Any) -> tuple[str, str]:
    if not isinstance(values, list) or len(values) != 2:
        raise ConfigError(f"sizes.{name} is {values!r}; expected two values, of a full and of a quick run")
    return str(values[0]), str(values[1])


def _check(part: Part) -> None:
    """Refuse a part that could not run or would leave a row without a number or a reason."""
    if part.paper not in PAPERS:
        raise ConfigError(f"paper is {part.paper!r}; expected one of {', '.join(PAPERS)}")
    if (part.impossible is None) == (not part.steps):
        raise ConfigError("a part has steps, or states under `impossible` why it has none")
    names = {*part.sizes, *KNOWN}
    for step in part.steps:
        if not STEPS.match(step):
            raise ConfigError(f"a step is {step!r}; expected a line that begins with `gmt` or `python -m gmt.studies.`")
        for name in re.findall(r"\{(.*?)\}", step):
            if name not in names:
                raise ConfigError(f"{{{name}}} stands in a step and is none of {', '.join(sorted(names))}")
    if part.steps and not part.numbers:
        raise ConfigError("numbers is missing; say which number of ours is compared")
    for seed in part.seeds:
        if not isinstance(seed, int) or isinstance(seed, bool) or seed < 0:
            raise ConfigError(f"a seed is {seed!r}; expected a whole number from 0")
