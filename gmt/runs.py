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


STATE_FILE = "state.db"
"""Holds what people told a run, unless another database is named."""
HUB_CONFIG = "config.json"
"""Lies in runs that come from the hub, which counts downloads by it."""
STATE = "GMT_STATE"
"""Environment variable that names the database of the state."""
STORE = ("vectors.npy", "keys.parquet", "encoder.json")
"""Files of the vectors."""
CARD = {
    "name": str,
    "data": {"path": str, "sha256": str},
    "encoder": {"id": str, "revision": str, "width": int},
    "models": list,
    "network_weight": (int, float, None),
    "temperature": (int, float, type(None), None),
}
"""What commands read of a card, and of which type it must be; None where it may be missing."""


def read_card(path: Path) -> dict[str, Any]:
    """Read the card of a run.

    Raises:
        RunError: There is none, or it lacks what commands read, or that is of another type.
    """
    card = read_run_json(path)
    _check_card(path, "", card, CARD)
    if not all(isinstance(name, str) for name in card["models"]):
        raise RunError(f"{path}: models is not a list of names; restore it or train the run again")
    return card


def _check_card(path: Path, at: str, found: Any, wanted: Mapping[str, Any]) -> None:
    repair = "restore it or train the run again"
    if not isinstance(found, dict):
        raise RunError(f"{path}: {at[:-1] or 'the file'} is no JSON object; {repair}")
    for name, kind in wanted.items():
        if name not in found:
            if isinstance(kind, tuple) and None in kind:
                continue
            raise RunError(f"{path} holds no {at}{name}; {repair}")
        if isinstance(kind, Mapping):
            _check_card(path, f"{at}{name}.", found[name], kind)
            continue
        kinds = tuple(one for one in (kind if isinstance(kind, tuple) else (kind,)) if one is not None)
        if not isinstance(found[name], kinds) or isinstance(found[name], bool):
            raise RunError(f"{path}: {at}{name} is of the wrong type ({type(found[name]).__name__}); {repair}")


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
    def conditioned(self) -> Path:
        """What is believed after the trained history, so that no command works it out again; it may be missing."""
        return self.root / "conditioned.safetensors"

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

    @property
    def trained(self) -> Path:
        """Hashes of the rounds that training saw."""
        return self.root / "trained_rounds.npy"

    def is_own(self, name: str) -> bool:
        """Tell whether training writes an artefact of this name."""
        files = (
            self.config,
            self.card,
            self.weights,
            self.posterior,
            self.models,
            self.history,
            self.metrics,
            self.conditioned,
        )
        own = [path.name for path in (*files, self.metrics, self.trained)] + [HUB_CONFIG]
        return name in [*own, *(f"{self.embeddings.name}/{part}" for part in STORE)]

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
