"""Lay out what was measured of a run as a page shows it: the verdict, and tables of routers with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gmt.evaluation.controls import OWNERS_SHUFFLED, SIMPLE_CONTROLS, UNKNOWN_USER
from gmt.evaluation.summary import summarise
from gmt.report.markdown import interval_cell
from gmt.report.result_values import LEFT_OUT, OURS, covered_users, metric_head, shots_of
from gmt.report.router_looks import router_label
from gmt.report.run_facts import RunFacts
from gmt.report.verdict_text import verdict_lines
from gmt.rivals.registry import RIVALS

SHOWN = ("auc", "accuracy", "user_auc", "log_loss", "lone_auc")
CONTROLS = (OWNERS_SHUFFLED, UNKNOWN_USER, *SIMPLE_CONTROLS)


@dataclass(frozen=True)
class TableRow:
    """Hold a router of a table: its name, the same for readers, what it is, its cells and ours less its AUC."""

    name: str
    label: str
    kind: str
    cells: tuple[str, ...]
    ahead: str


@dataclass(frozen=True)
class ResultTable:
    """Hold the table of one protocol and one number of shots, best router first.

    Args:
        title: What was measured.
        heads: Heads of the columns of metrics.
        rows: The routers.
    """

    title: str
    heads: tuple[str, ...]
    rows: tuple[TableRow, ...]


@dataclass(frozen=True)
class ShownResult:
    """Hold what one protocol's results say.

    Args:
        label: The protocol, and what sets it apart.
        counts: What was asked, in a sentence.
        status: The verdict's, as of `verdict_of`; None where it was measured without controls.
        verdict: Its sentences.
        tables: One for each number of shots, that of the most shots first.
    """

    label: str
    counts: str
    status: str | None
    verdict: tuple[str, ...]
    tables: tuple[ResultTable, ...]


def shown_results(facts: RunFacts) -> list[ShownResult]:
    """Return what was measured of a run, its own protocol first."""
    own = facts.card.get("protocol")
    return [_shown(label, facts.summary(label)) for label in sorted(facts.results, key=lambda label: label != own)]


def joint_results(every: Sequence[RunFacts]) -> list[ShownResult]:
    """Return what runs that differ in their seeds alone say together; nothing of other runs.

    Users are resampled jointly, as `gmt summary` does.
    """
    settings = [{name: value for name, value in facts.settings.items() if name != "seed"} for facts in every]
    if len(every) < 2 or any(other != settings[0] for other in settings[1:]):
        return []
    out = []
    for label in every[0].results:
        there = [facts for facts in every if label in facts.results and facts.has_predictions(label)]
        seeds = [facts.summary(label)["seed"] for facts in there]
        if len(there) < len(every) or len(set(seeds)) < len(seeds):
            continue
        (found,) = summarise(facts.results[label] for facts in there).values()
        counts = (
            f"Means over seeds {', '.join(map(str, seeds))}: {found['pairs']:,.0f} pairs of {found['users']:,.0f} users"
        )
        out.append(_with_tables(label, counts, found))
    return out


def _shown(label: str, summary: Mapping[str, Any]) -> ShownResult:
    counts = (
        f"{summary.get('comparisons', 0):,} comparisons of {summary.get('users', 0):,} users in {summary['split']}, "
        f"{summary.get('pairs', 0):,} pairs of different ratings, {summary.get('ties', 0):,} ties"
        + (f", {summary['lone_ratings']:,} ratings that stand alone" if summary.get("lone_ratings") else "")
    )
    return _with_tables(label, counts, summary)


def _with_tables(label: str, counts: str, summary: Mapping[str, Any]) -> ShownResult:
    """Put the verdict and a table for each number of shots beside what was asked."""
    verdict = summary.get("verdict")
    tables = tuple(_table(key, summary["shots"][key], summary) for key in shots_of(summary)[::-1])
    said = tuple(verdict_lines(verdict)) if verdict else ()
    return ShownResult(label, counts, verdict["status"] if verdict else None, said, tables)


def _table(shots: str, found: Mapping[str, Any], summary: Mapping[str, Any]) -> ResultTable:
    """Lay out routers, the best first by the first metric that was measured."""
    users = summary.get("users", 0)
    metrics = [
        metric
        for metric in SHOWN
        if covered_users(metric, found) != 0 and any(row.get(metric) for row in found["routers"].values())
    ]

    def strength(name: str) -> float:
        value = (found["routers"][name].get(metrics[0]) or {}).get("value") if metrics else None
        return -np.inf if value is None else value

    rows = []
    # The oracle reads the ratings, so it says nothing of the data that a table of routers should.
    for name in sorted((name for name in found["routers"] if name not in LEFT_OUT), key=strength, reverse=True):
        cells = tuple(minus(interval_cell(found["routers"][name].get(metric))) for metric in metrics)
        ahead = (found["differences"].get(f"{OURS} - {name}") or {}).get(metrics[0]) if metrics else None
        ahead = minus(interval_cell(ahead, "+")) if ahead else ""
        rows.append(TableRow(name, router_label(name), kind_of(name), cells, ahead))
    title = "" if shots == "all" else f"after {shots} rated rounds of a user"
    return ResultTable(title, tuple(metric_head(metric, found, users) for metric in metrics), tuple(rows))


def kind_of(name: str) -> str:
    """Say what a router is: ours, a control, or a rival that knows the person or does not."""
    if name == OURS:
        return "ours"
    if name in CONTROLS:
        return "control"
    if name not in RIVALS:
        return "rival"
    return "personal" if RIVALS[name].personal else "impersonal"


def minus(text: str) -> str:
    """Write numbers with the sign that is as wide as their plus."""
    return text.replace("-", "−")
