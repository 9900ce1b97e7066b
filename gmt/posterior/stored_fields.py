"""Take frozen dataclasses that hold arrays apart into named arrays and a description, and put them together again."""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

ROOMS = ("gmt.posterior.", "gmt.routing.")
"""Where classes that are read back may stand; a file that anybody may have made names no others."""
NOT_STORED: Mapping[str, bool] = {"stored": False}
"""Metadata of a field whose rows only a fit reads: it is read back with no rows."""
PLAIN = (bool, int, float, str, type(None))


class UnreadableFields(ValueError):
    """Say that a description does not fit the classes of this gmt, or that a value is of no kind that is stored."""


class FieldWriter:
    """Collect the arrays of a value, each once however often it stands there.

    What is one object stays one: a kernel knows by identity which other it was extended from.

    Args:
        outside: Name -> object that is kept elsewhere and given back when the value is read.
    """

    def __init__(self, outside: Mapping[str, object]) -> None:
        self.arrays: dict[str, np.ndarray] = {}
        self._outside = {id(value): name for name, value in outside.items()}
        self._nodes: list[dict[str, Any]] = []
        self._places: dict[int, int] = {}
        # What was met is held, or another object could get the same id.
        self._met: list[object] = []

    def description(self, value: object) -> str:
        """Take a value apart and return its description, as JSON; `arrays` then holds its arrays.

        Raises:
            UnreadableFields: A part of it is of no kind that is stored.
        """
        self._place_of(value)
        return json.dumps(self._nodes)

    def _place_of(self, value: object) -> int:
        shared = not isinstance(value, PLAIN)
        if shared and id(value) in self._places:
            return self._places[id(value)]
        node = self._node(value)
        self._nodes.append(node)
        place = len(self._nodes) - 1
        if shared:
            self._met.append(value)
            self._places[id(value)] = place
        return place

    def _node(self, value: object) -> dict[str, Any]:
        if id(value) in self._outside:
            return {"outside": self._outside[id(value)]}
        if isinstance(value, np.generic):
            return {"value": value.item()}
        if isinstance(value, PLAIN):
            return {"value": value}
        if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
            name = f"array.{len(self.arrays)}"
            self.arrays[name] = value
            return {"array": name}
        if isinstance(value, csr_matrix):
            parts = [self._place_of(part) for part in (value.data, value.indices, value.indptr)]
            return {"sparse": parts, "shape": [int(size) for size in value.shape]}
        if isinstance(value, (tuple, list)):
            return {"tuple": [self._place_of(part) for part in value]}
        kind = type(value)
        if not is_dataclass(value) or not kind.__module__.startswith(ROOMS):
            raise UnreadableFields(f"a {kind.__name__} cannot be stored")
        own = {}
        for item in fields(value):
            part = getattr(value, item.name)
            own[item.name] = self._place_of(part if item.metadata.get("stored", True) else part[:0])
        return {"class": f"{kind.__module__}:{kind.__name__}", "fields": own}


def read_fields(description: str, arrays: Mapping[str, np.ndarray], outside: Mapping[str, object]) -> Any:
    """Put together what `FieldWriter` took apart.

    Args:
        description: As `FieldWriter.description` returned it.
        arrays: Its arrays.
        outside: What is kept elsewhere, by the names it was written with.

    Raises:
        UnreadableFields: The description does not fit the classes of this gmt, or an array is missing.
    """
    made: list[Any] = []
    try:
        # A part stands before whatever it is a part of.
        for node in json.loads(description):
            made.append(_value_of(node, made, arrays, outside))
        return made[-1]
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, ImportError) as error:
        raise UnreadableFields(f"the description does not fit this gmt ({str(error)[:100]})") from error


def _value_of(
    node: Mapping[str, Any], made: Sequence[Any], arrays: Mapping[str, np.ndarray], outside: Mapping[str, object]
) -> Any:
    if "value" in node:
        return node["value"]
    if "array" in node:
        return arrays[node["array"]]
    if "outside" in node:
        return outside[node["outside"]]
    if "sparse" in node:
        data, indices, indptr = (made[place] for place in node["sparse"])
        return csr_matrix((data, indices, indptr), shape=tuple(node["shape"]))
    if "tuple" in node:
        return tuple(made[place] for place in node["tuple"])
    module, _, name = str(node["class"]).partition(":")
    if not module.startswith(ROOMS):
        raise UnreadableFields(f"{module} holds no class that is stored")
    kind = getattr(importlib.import_module(module), name)
    # A field that a later gmt added, and that has no default, ends here: the value is then worked out anew.
    if not (isinstance(kind, type) and is_dataclass(kind)):
        raise UnreadableFields(f"{name} is no class that is stored")
    if set(node["fields"]) != {item.name for item in fields(kind)}:
        raise UnreadableFields(f"{name} has other fields than were stored")
    return kind(**{field: made[place] for field, place in node["fields"].items()})
