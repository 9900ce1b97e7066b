"""Hold an evaluation's results, and write and read both of their files."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from gmt.errors import DataError
from gmt.evaluation.intervals import Estimates
from gmt.evaluation.score_blocks import METRICS
from gmt.files import replace_file, write_text


@dataclass(frozen=True, eq=False)
class Result:
    """Hold an evaluation.

    Args:
        summary: Counts, metrics and differences in the shape of `results/<protocol>.json`.
        predictions: One row per trial, router and candidate, in the columns `predictions.COLUMNS`.
    """

    summary: dict[str, Any]
    predictions: pa.Table

    def write(self, path: Path) -> tuple[Path, Path]:
        """Write the predictions, then the summary at `path` beside them; return both paths."""
        # Predictions first: whoever finds a summary finds what it was computed from.
        beside = write_predictions(self.predictions, predictions_path(path))
        return write_summary(self.summary, path), beside

    @classmethod
    def read(cls, path: Path) -> Result:
        """Read a results file and the predictions beside it.

        Raises:
            DataError: One of the two is missing.
        """
        path, beside = Path(path), predictions_path(path)
        for wanted in (path, beside):
            if not wanted.is_file():
                raise DataError(f"{wanted} does not exist; make it with gmt eval")
        return cls(json.loads(path.read_text("utf-8")), pq.read_table(beside))


def predictions_path(path: Path) -> Path:
    """Return where the predictions of a results file lie."""
    return Path(path).with_name(Path(path).stem + ".predictions.parquet")


def write_predictions(predictions: pa.Table, path: Path) -> Path:
    """Write the predictions as Parquet; return the path."""
    replace_file(path, lambda part: pq.write_table(predictions, part, compression="zstd"))
    return path


def write_summary(summary: Mapping[str, Any], path: Path) -> Path:
    """Write the summary as JSON; return the path."""
    # NaN is no JSON, and other readers refuse it; what is missing is null by then.
    write_text(path, json.dumps(summary, indent=1, allow_nan=False) + "\n")
    return path


def report(estimates: Estimates, reference: str = "gmt") -> dict[str, Any]:
    """Return every router's metrics and the reference's differences to the others, null where none.

    `users` says from how many users each metric is computed. Where these are too few for an interval, its ends are
    null.
    """
    names = list(estimates.samples)

    def row(interval: Callable[[str], Any]) -> dict[str, Any]:
        found = {metric: interval(metric) for metric in METRICS}
        return {
            metric: None if value is None else value.to_json(estimates.has_ends(metric))
            for metric, value in found.items()
        }

    return {
        "users": {metric: estimates.users_of(metric) for metric in METRICS},
        "user_auc_users": estimates.users_of("user_auc"),
        "rank_correlation_users": estimates.users_of("rank_correlation"),
        # The name is bound as a default, for a closure would see the last name of the loop.
        "routers": {name: row(lambda metric, name=name: estimates.interval(name, metric)) for name in names},
        "differences": {
            f"{reference} - {name}": row(lambda metric, name=name: estimates.difference(reference, name, metric))
            for name in names
            if reference in names and name != reference
        },
    }
