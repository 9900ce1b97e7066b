"""Read a Dockerfile as far as this project's goes: its instructions in order, and what a container of it starts."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from clean_environment import ReleaseError

KNOWN = ("FROM", "WORKDIR", "COPY", "RUN", "USER", "ENV", "EXPOSE", "HEALTHCHECK", "ENTRYPOINT", "CMD")


@dataclass(frozen=True)
class Instruction:
    """Hold one instruction: its keyword, and what stands behind it in one line."""

    keyword: str
    text: str

    @property
    def words(self) -> list[str]:
        """Return its words, read as JSON where they are written so."""
        return json.loads(self.text) if self.text.startswith("[") else shlex.split(self.text)


def read_dockerfile(path: Path) -> list[Instruction]:
    """Return the instructions of a Dockerfile.

    Raises:
        ReleaseError: One is of a kind that is not known here, so that it would be passed over.
    """
    lines = [
        line for line in path.read_text("utf-8").splitlines() if line.strip() and not line.lstrip().startswith("#")
    ]
    # A backslash at its end carries an instruction on to the next line.
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines()
    found = []
    for line in joined:
        keyword, _, text = line.strip().partition(" ")
        if keyword not in KNOWN:
            raise ReleaseError(f"{path.name}: {keyword} is not known here; add it to release/container_by_hand.py")
        found.append(Instruction(keyword, text.strip()))
    return found


def health_command(instruction: Instruction) -> list[str]:
    """Return the command of a HEALTHCHECK.

    Raises:
        ReleaseError: It has none in the form of a list.
    """
    found = re.search(r"CMD\s+(\[.*\])$", instruction.text)
    if found is None:
        raise ReleaseError('HEALTHCHECK states no CMD ["…"]')
    return json.loads(found[1])
