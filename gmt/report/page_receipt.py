"""Say by what a run can be told from every other, and by which commands it is made again."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import yaml

from gmt.config import default_config, load_config
from gmt.evaluation.controls import SIMPLE_CONTROLS, UNKNOWN_USER
from gmt.evaluation.predictions import ORACLE
from gmt.manifest import MANIFEST, read_manifest
from gmt.report.run_facts import RunFacts, flat
from gmt.rivals.registry import RIVALS


def receipt_rows(facts: RunFacts) -> list[tuple[str, str]]:
    """Say by what the run can be told from every other, and made again."""
    card = facts.card
    rows = [("Run", str(facts.folder.root)), ("Trained", _time(facts.made))]
    if (facts.folder.root / MANIFEST).is_file():
        rows += [("Build", read_manifest(facts.folder.root).build)]
    rows += [
        ("Seeds", f"training {card.get('seed')}, split {card['data'].get('seed')}, {_result_seeds(facts)}"),
        ("Data folder", f"{card['data']['path']} ({facts.data_state})"),
        ("Data card SHA-256", card["data"]["sha256"]),
        ("Input SHA-256", str((facts.data_card or {}).get("input_sha256") or "")),
        ("Encoder", f"{card['encoder']['id']}, {card['encoder']['width']} numbers a text"),
        ("Encoder revision", str(card["encoder"]["revision"])),
        ("Versions", ", ".join(f"{name} {version}" for name, version in (card.get("versions") or {}).items())),
    ]
    if card.get("best"):
        rows += [("Network", f"best at step {card['best']['step']}, trained {card['best']['seconds']:,} s")]
    rows += [("Note", note) for note in card.get("notes", [])]
    return [(name, value) for name, value in rows if value]


def _time(made: str | None) -> str:
    if made is None:
        return "by an earlier version, which kept no time"
    return datetime.fromisoformat(made).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _result_seeds(facts: RunFacts) -> str:
    seeds = {label: facts.summary(label).get("seed") for label in facts.results}
    return ", ".join(f"eval of {label} {seed}" for label, seed in seeds.items()) or "not evaluated"


def commands_of(facts: RunFacts, report: Sequence[str]) -> list[str]:
    """Return the commands that make the run, its numbers and the page again, the settings all stated.

    Args:
        facts: The run.
        report: Words of the command that made the page.
    """
    usual = flat(load_config(default_config()).to_dict())
    run, seed = str(facts.folder.root), facts.settings.get("seed", 0)
    train = ["gmt", "train", facts.card["data"]["path"], "--run", run, "--seed", str(seed)]
    for name, value in facts.settings.items():
        if name != "seed" and usual.get(name) != value:
            train += ["--set", f"{name}={_setting(value)}"]
    out = [shlex.join(train)]
    for label in facts.results:
        summary = facts.summary(label)
        words = ["gmt", "eval", "--run", run, "--seed", str(summary.get("seed", 0))]
        words += ["--split", summary["split"]] if summary["split"] != "test" else []
        words += ["--reveal-turns"] if summary.get("reveal_turns") else []
        words += ["--data", str(summary["data"])] if summary.get("data") else []
        shots = [key for key in summary["shots"] if key.isdigit()]
        words += ["--shots", ",".join(shots)] if shots else []
        words += _rivals(summary)
        out.append(shlex.join(words))
    return [*out, shlex.join(report)]


def _rivals(summary: Mapping[str, Any]) -> list[str]:
    """Return the option that names the rivals measured, where these are not all that there are."""
    first = next(iter(summary["shots"].values()))["routers"]
    controlled = UNKNOWN_USER in first
    there = [name for name in (*RIVALS, ORACLE) if name in first and not (controlled and name in SIMPLE_CONTROLS)]
    if len(there) == len({*RIVALS, ORACLE} - (set(SIMPLE_CONTROLS) if controlled else set())):
        return []
    return ["--baselines", ",".join(there) or "none"] + ([] if controlled else ["--no-controls"])


def _setting(value: Any) -> str:
    """Write a setting as `--set` reads it."""
    return yaml.safe_dump(value, default_flow_style=True, width=10_000).splitlines()[0]
