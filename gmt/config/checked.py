"""Check settings as pydantic reads them, and say in one line what was found, what was wanted and how to repair it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar, Self

from pydantic import BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic.dataclasses import dataclass

from gmt.errors import ConfigError

RULES = ConfigDict(strict=True, extra="forbid", use_attribute_docstrings=True)


def _number(value: Any) -> Any:
    """Return a float where YAML gave a whole number, or text: YAML 1.1 reads 2e-3 as text."""
    try:
        return value if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        return value


def _word(value: Any) -> Any:
    """Return the word that YAML 1.1 took for a truth value."""
    return ("yes" if value else "no") if isinstance(value, bool) else value


# A rule and, behind it, the words that say it to whoever broke it. A number is made a float before its rule is asked,
# so that the message shows what was compared.
Count = Annotated[int, Field(ge=1), "at least 1"]
Whole = Annotated[int, Field(ge=0), "0 or more"]
Positive = Annotated[float, Field(gt=0), BeforeValidator(_number), "above 0"]
NotNegative = Annotated[float, Field(ge=0), BeforeValidator(_number), "0 or more"]
Share = Annotated[float, Field(ge=0, lt=1), BeforeValidator(_number), "0 up to below 1"]
Name = BeforeValidator(_word)
TYPES = {"int_type": "a whole number", "float_type": "a number", "bool_type": "true or false"}


@dataclass(frozen=True, config=RULES)
class Section:
    """Refuse what pydantic refuses in our words."""

    name: ClassVar[str] = ""
    known: ClassVar[tuple[str, ...]] = ()
    """Names of all settings, of whatever section; the nearest one is named beside one that is none."""
    """What the section is called in files; the settings themselves have none."""

    @model_validator(mode="wrap")
    @classmethod
    def _explain(cls, values: Any, read: Any) -> Self:
        if isinstance(values, Mapping):
            # A name with half a surrogate pair is none that pydantic can repeat.
            return cls(**{str(key).encode("utf-8", "backslashreplace").decode(): of for key, of in values.items()})
        try:
            return read(values)
        except ValidationError as error:
            raise ConfigError(cls._message(error.errors(include_url=False)[0])) from None

    @classmethod
    def _message(cls, found: Mapping[str, Any]) -> str:
        """Say what pydantic found, what was wanted, and the nearest name of a setting that is none."""
        kind, value, fields = found["type"], found["input"], cls.__pydantic_fields__  # type: ignore[attr-defined]
        place = [list(fields)[part] if isinstance(part, int) else part for part in found["loc"]]
        full = ".".join(filter(None, (cls.name, *place)))
        if kind == "unexpected_keyword_argument":
            return f"there is no setting {full}. {nearest(full, cls.known)}"
        if kind == "dataclass_exact_type":
            wanted = "a block of settings"
        elif kind == "literal_error":
            allowed = found["ctx"]["expected"].replace(" or ", ", ").replace("'", "")
            wanted = f"one of {allowed}" if isinstance(value, str) else "a name"
        elif kind in TYPES:
            wanted = TYPES[kind]
        else:
            wanted = next(rule for rule in fields[place[0]].metadata if isinstance(rule, str))
        return f"{full} is {value!r}; expected {wanted}"


def require(ok: bool, message: str) -> None:
    """Refuse settings that do not go together.

    Raises:
        ConfigError: They do not.
    """
    if not ok:
        raise ConfigError(message)


def nearest(name: str, known: Iterable[str]) -> str:
    """Say which setting somebody may have meant."""
    known = list(known)
    inside = [full for full in known if full.startswith(f"{name}.")]
    if inside:
        return f"It is a section; name a setting of it, e.g. {inside[0]}."
    sections = sorted({full.split(".")[0] for full in known})
    close = difflib.get_close_matches(name, known + sections, n=1, cutoff=0.5)
    return f"Did you mean {close[0]}?" if close else f"The sections are {', '.join(sections)}."
