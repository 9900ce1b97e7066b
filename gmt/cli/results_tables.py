"""Print a results file: what was measured, its tables, what they cover, and the verdict."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gmt.cli.console import Terminal
from gmt.evaluation.intervals import LEAST_USERS
from gmt.report.markdown import interval_cell
from gmt.report.result_values import NAMES, covered_users, metric_head
from gmt.report.verdict_text import verdict_lines

PAIR_METRICS = ("auc", "accuracy", "user_auc")
LONE_METRICS = ("lone_auc", "rank_correlation")
"""What is printed beside the metrics of pairs where answers were rated alone."""


def print_results(terminal: Terminal, summary: Mapping[str, Any]) -> None:
    """Print what was measured, a table of the routers for each number of shots, and the verdict where there is one."""
    terminal.text(
        f"{summary['protocol']}, {summary['split']}: {summary['comparisons']:,} comparisons of {summary['users']:,} "
        f"users, {summary['pairs']:,} pairs, {summary['ties']:,} ties, {summary['unrated']:,} unrated candidates"
        + (f", {summary['lone_ratings']:,} lone ratings" if summary.get("lone_ratings") else "")
    )
    # The bound is about votes cast by several alone, so it is printed only where accuracies over these are known.
    ceiling = summary.get("ceiling") or {}
    if shared := ceiling.get("accuracy", {}):
        terminal.text(
            f"people agree in {ceiling['agreement']:.1%} of {ceiling['votes']:,} votes cast by several; of these a "
            f"router blind to the user is expected to be right in at most {ceiling['high']:.1%}"
        )
    for shots, found in summary["shots"].items():
        title = "" if shots == "all" else f"\n{shots} shots"
        _print_pairs(terminal, title, found, summary, shared.get(shots) or {})
        # A table of its own: with these beside the others no line would fit a terminal.
        lone = [metric for metric in LONE_METRICS if covered_users(metric, found)]
        if summary.get("lone_ratings") and lone:
            heads = [metric_head(metric, found, summary["users"]) for metric in lone]
            rows = [
                [name, *(interval_cell(metrics.get(metric)) for metric in lone)]
                for name, metrics in found["routers"].items()
            ]
            terminal.table("\nanswers rated alone, within each user", ["router", *heads], rows)
        if few := _without_interval(found, [*PAIR_METRICS, *lone]):
            terminal.text(f"– in place of an interval: fewer than {LEAST_USERS} users ({few})")
    if summary.get("verdict"):
        terminal.text("")
        for line in verdict_lines(summary["verdict"]):
            terminal.text(line)


def _print_pairs(
    terminal: Terminal,
    title: str,
    found: Mapping[str, Any],
    summary: Mapping[str, Any],
    beside: Mapping[str, float],
) -> None:
    """Print the metrics of pairs, with accuracies over the votes cast by several in a column where they are known."""
    rows = [
        [
            name,
            *(interval_cell(metrics.get(metric)) for metric in PAIR_METRICS),
            "–" if metrics["log_loss"] is None else f"{metrics['log_loss']['value']:.3f}",
            *([f"{beside[name]:.1%}" if name in beside else "–"] if beside else []),
        ]
        for name, metrics in found["routers"].items()
    ]
    heads = [metric_head(metric, found, summary["users"]) for metric in PAIR_METRICS]
    terminal.table(title, ["router", *heads, "log loss", *(["of the votes cast by several"] if beside else [])], rows)


def _without_interval(found: Mapping[str, Any], metrics: list[str]) -> str:
    """Say which metrics have a value and no interval, and how many users they cover."""
    bare = [
        metric
        for metric in metrics
        if any(row.get(metric) and row[metric]["low"] is None for row in found["routers"].values())
    ]
    return ", ".join(f"{NAMES[metric]}: {covered_users(metric, found)}" for metric in bare)
