"""Lay out the summary of several seeds as the tables of the README."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gmt.report.markdown import comparison_table

HEADINGS = {
    "auc": "AUC",
    "accuracy": "accuracy",
    "user_auc": "AUC per user",
    "log_loss": "log loss",
    "calibration_error": "calibration error",
    "reward": "reward",
}


def summary_table(summary: Mapping[str, Any]) -> str:
    """Print a summary as Markdown: routers as rows, then the reference's differences to each rival.

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
            columns = {_head(metric, only, found["users"]): (only, metric) for metric in HEADINGS}
            parts.append(comparison_table("router", columns))
        else:
            for metric in ("auc", "accuracy"):
                columns = {f"{key} shots": (part, metric) for key, part in shots.items()}
                parts.append(comparison_table(HEADINGS[metric], columns))
    return "\n".join(parts)


def _head(metric: str, found: Mapping[str, Any], users: float) -> str:
    """Head a column, with how many users its metric covers where these are not all."""
    covered = (found.get("users") or {}).get(metric, users)
    # Counts are means over seeds, while a metric covers whoever stands in one of them at least.
    return HEADINGS[metric] if covered >= users else f"{HEADINGS[metric]} ({covered:,} people)"
