"""Measure gmt beside its rivals on planted users, whose best router is known.

Usage: python -m gmt.studies.planted_users [--out bench/planted] [--users 200 1000] [--seeds 0 1 2 3 4]
       [--config default] [--set section.key=value …] [--encoder minilm] [--baselines bradley_terry …]

What stands in --out is kept, so a call that was stopped goes on where it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from data_prep.prepare import PrepOptions, prepare
from data_prep.simulate.planted import PlantedSettings
from data_prep.simulate.planted_file import write_planted
from data_prep.sources.source import SourceOptions
from gmt.studies.entry import run_study
from gmt.studies.seed_runs import join_runs, measured_run, prepared, run_options

BASELINES = (
    *("bradley_terry", "user_bradley_terry", "hierarchical_bradley_terry"),
    *("low_rank", "factorisation_machine", "knn"),
)


def prepare_planted(settings: PlantedSettings, rows: Path, folder: Path, encoder: str) -> None:
    """Draw users, write their votes as rows, and prepare these as `gmt prep jsonl` does.

    Args:
        settings: Who they are.
        rows: The JSON-lines file; one that stands is kept.
        folder: The data folder.
        encoder: As of `gmt prep`.
    """
    # Rows that stand are whole, for they get their name last.
    if not rows.is_file():
        write_planted(settings, rows)
    models, columns = rows.with_suffix(".models.json"), SourceOptions(seed=settings.seed)
    prepare(PrepOptions("jsonl", folder, str(rows), encoder, seed=settings.seed, models=models, columns=columns))


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw, prepare, train, measure and join populations of every size."""
    parser = run_options(__doc__, "bench/planted", BASELINES)
    parser.add_argument("--users", type=int, nargs="+", default=[200, 1000])
    parser.add_argument("--votes", type=int, default=40, help="rounds each user rates")
    chosen = parser.parse_args(arguments)
    for users in chosen.users:
        runs = []
        for seed in chosen.seeds:
            label = f"{users}-{seed}"
            rows, folder = chosen.out / "rows" / f"{label}.jsonl", chosen.out / "data" / label
            # Population n of a larger size begins with that of a smaller one: sizes differ by users and not by luck.
            settings = PlantedSettings(users=users, votes=chosen.votes, seed=seed)
            # Through files and the commands' own path, so that the study measures what a user of gmt would get.
            data = prepared(folder, partial(prepare_planted, settings, rows, folder, chosen.encoder))
            run = chosen.out / "runs" / chosen.config / label
            runs.append(measured_run(data, run, seed, chosen))
        join_runs(runs, chosen.out / "tables" / f"{chosen.config}-{users}.md")


if __name__ == "__main__":
    run_study(main)
