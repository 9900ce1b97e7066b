"""Know the folder of one run: where its files are, and how they are read."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gmt.errors import RunError
from gmt.files import read_json


def read_run_json(path: Path) -> Any:
    """Read a JSON file of a run.

    Raises:
        RunError: There is no such file, or it is no JSON.
    """
    made = f"make the run with gmt train --run {path.parent}"
    return read_json(path, RunError, made, "restore it or train the run again")


@dataclass(frozen=True)
class RunFolder:
    """Name the files of a run.

    Args:
        root: The folder.
    """

    root: Path

    @property
    def config(self) -> Path:
        return self.root / "config.yaml"

    @property
    def card(self) -> Path:
        return self.root / "card.json"

    @property
    def weights(self) -> Path:
        return self.root / "model.safetensors"

    @property
    def posterior(self) -> Path:
        """The fitted closed-form half; `weights` holds the network."""
        return self.root / "posterior.safetensors"

    @property
    def models(self) -> Path:
        return self.root / "models.json"

    @property
    def history(self) -> Path:
        return self.root / "history.parquet"

    @property
    def embeddings(self) -> Path:
        return self.root / "embeddings"

    @property
    def metrics(self) -> Path:
        return self.root / "metrics.jsonl"

    @property
    def users(self) -> Path:
        return self.root / "users"

    @property
    def results(self) -> Path:
        return self.root / "results"

    @property
    def last(self) -> Path:
        """Where training keeps what `--resume` needs."""
        return self.root / "last"

    def require(self) -> RunFolder:
        """Return the run itself.

        Raises:
            RunError: This is no finished run.
        """
        for path in (self.config, self.card, self.models, self.history):
            if not path.is_file():
                raise RunError(f"{self.root} holds no {path.name}; train it with gmt train --run {self.root}")
        return self


def read_jsonl(path: Path) -> Iterator[Mapping[str, Any]]:
    """Yield the objects of a JSON-lines file, one a line; nothing if it does not exist."""
    if path.is_file():
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                if line.strip():
                    yield json.loads(line)
