"""Read YAML in which every key stands once and nothing stands for something else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from gmt.errors import UserError


class _StrictLoader(yaml.SafeLoader):
    """Refuse a key that stands twice, of which one would win in silence, and aliases, ten of which make a gigabyte."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark
            raise yaml.constructor.ConstructorError(None, None, "an alias (*name); write the value out", mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        found: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, (str, int)) and key in found:
                message = f"the key {key!r} a second time; keep one"
                raise yaml.constructor.ConstructorError(None, None, message, key_node.start_mark)
            if isinstance(key, (str, int)):
                found.add(key)
        return super().construct_mapping(node, deep)


def parse_yaml(text: str) -> Any:
    """Return the plain values of a YAML text.

    Raises:
        yaml.YAMLError: It is none, nests too deep, states a key twice or uses an alias.
    """
    try:
        return yaml.load(text, _StrictLoader)  # a SafeLoader: it makes plain values only
    except RecursionError:
        raise yaml.YAMLError("it nests too deep") from None


def read_yaml(path: Path, kind: type[UserError], repair: str) -> Any:
    """Read a YAML file.

    Args:
        path: The file.
        kind: What is raised.
        repair: What to do where there is no such file.

    Raises:
        UserError: Of that kind: the file is missing, or no YAML as `parse_yaml` takes it.
    """
    if not path.is_file():
        raise kind(f"{path} {'is no file' if path.exists() else 'does not exist'}; {repair}")
    try:
        return parse_yaml(path.read_text("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise kind(f"{path} is not YAML ({' '.join(str(error).split())}); mend the line it names") from error
