"""Gather what a run's folder says of its making: settings, data, versions, time, and the results measured since."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from gmt.config import load_config
from gmt.evaluation.results import predictions_path
from gmt.evaluation.summary import label_of
from gmt.manifest import MANIFEST, read_manifest
from gmt.runs import RunFolder, read_card, read_run_json

# `//user:password@host` and `?password=…`; a password with a sign of these is written in percents there.
SECRET = re.compile(r"(://[^/@:\s]*:)[^/@\s]*@|([?&](?:ssl)?password=)[^&\s]*")


@dataclass(frozen=True, eq=False)
class RunFacts:
    """Hold what is known of a run without loading it.

    Args:
        folder: The run.
        card: Its card.
        settings: Every setting by its full name, such as `train.lr`, defaults included, passwords left out.
        made: When it was trained, as ISO 8601 in UTC; None of runs of earlier versions.
        data_card: The card of the data folder; None where that is gone or is not what the run was trained on.
        data_state: `unchanged`, `changed` or `gone`, of the data folder.
        results: Label -> file, of what was measured.
    """

    folder: RunFolder
    card: Mapping[str, Any]
    settings: Mapping[str, Any]
    made: str | None
    data_card: Mapping[str, Any] | None
    data_state: str
    results: Mapping[str, Path]

    @classmethod
    def read(cls, run: Path) -> Self:
        """Read a run.

        Raises:
            RunError: It is no finished run, or a file of it is damaged.
        """
        folder = RunFolder(Path(run)).require()
        card = read_card(folder.card)
        made = read_manifest(folder.root).made if (folder.root / MANIFEST).is_file() else None
        settings = {name: shareable(value) for name, value in flat(load_config(folder.config).to_dict()).items()}
        data_card, state = _data_card(Path(card["data"]["path"]), card["data"]["sha256"])
        return cls(folder, card, settings, made, data_card, state, _results_of(folder))

    @property
    def name(self) -> str:
        """The name of the folder, which tells runs of one data set apart."""
        return self.folder.root.resolve().name

    def summary(self, label: str) -> Mapping[str, Any]:
        """Return what a results file holds."""
        return read_run_json(self.results[label])

    def has_predictions(self, label: str) -> bool:
        """Tell whether the scores behind a results file are there."""
        return predictions_path(self.results[label]).is_file()


def flat(settings: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Return nested settings under their full names."""
    out: dict[str, Any] = {}
    for name, value in settings.items():
        nested = isinstance(value, Mapping) and value
        out |= flat(value, f"{before}{name}.") if nested else {f"{before}{name}": value}
    return out


def shareable(value: Any) -> Any:
    """Return a setting without the password that the address of a database may hold."""
    if not isinstance(value, str):
        return value
    return SECRET.sub(lambda found: f"{found[1] or found[2]}***{'@' if found[1] else ''}", value)


def _data_card(folder: Path, sha256: str) -> tuple[Mapping[str, Any] | None, str]:
    """Return the card of the data folder that a run was trained on, and what has become of the folder."""
    path = folder / "card.json"
    if not path.is_file():
        return None, "gone"
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != sha256:
        return None, "changed"
    return json.loads(content), "unchanged"


def _results_of(folder: RunFolder) -> dict[str, Path]:
    """Return label -> results file; files of other shapes lie there too and are left out."""
    found: dict[str, Path] = {}
    for path in sorted(folder.results.glob("*.json")):
        summary = read_run_json(path)
        if isinstance(summary, dict) and summary.get("shots") and "protocol" in summary and "split" in summary:
            found.setdefault(label_of(summary), path)
    return found
