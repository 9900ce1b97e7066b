"""Lay out the summary of several seeds as the tables of the README."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gmt.report.markdown import comparison_table
from gmt.report.result_values import NAMES, metric_head
from gmt.report.verdict_text import verdict_lines

SHOWN = ("auc", "accuracy", "user_auc", "log_loss", "calibration_error", "reward")


def summary_table(summary: Mapping[str, Any]) -> str:
    """Print a summary as Markdown: routers as rows, the reference's differences to each rival, and the verdict.

    A protocol with one kind of trial gets one table over metrics; one with shots gets a table over
    shots for AUC and one for accuracy.

    Args:
        summary: What `gmt.evaluation.summary.summarise` found.
    """
    parts = []
    # Counts may be means over seeds, hence no decimals.
    for label, found in summary.items():
        seeds = ", ".join(str(seed) for seed in found["seeds"])
        parts.append(
            f"**{label}** — {found['pairs']:,.0f} pairs of {found['users']:,.0f} people, {found['ties']:,.0f} ties, "
            f"seed{'s' if len(found['seeds']) > 1 else ''} {seeds}; 95 % intervals over people\n"
        )
        shots = found["shots"]
        # Metrics as columns, or shots as columns: both at once would not fit a page.
        if len(shots) == 1:
            (only,) = shots.values()
            columns = {metric_head(metric, only, found["users"]): (only, metric) for metric in SHOWN}
            parts.append(comparison_table("router", columns))
        else:
            for metric in ("auc", "accuracy"):
                columns = {f"{key} shots": (part, metric) for key, part in shots.items()}
                parts.append(comparison_table(NAMES[metric], columns))
        if found.get("verdict"):
            parts.append(f"**Verdict.** {' '.join(verdict_lines(found['verdict']))}\n")
    return "\n".join(parts)
