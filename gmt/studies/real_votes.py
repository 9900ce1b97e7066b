"""Measure gmt beside its rivals on real people's votes: the tables that docs/results.md and the README lead with.

Usage: GMT_REAL_DATA=FOLDER python -m gmt.studies.real_votes [--out bench] [--sets llmfao mtbench]
       [--protocols seen new-users] [--seeds 0 1 2 3 4] [--config default] [--set section.key=value …]
       [--encoder minilm] [--baselines all]

FOLDER holds llmfao/ and mtbench_human/; docs/data.md says where each is downloaded. What stands in --out is kept, so a
call that was stopped goes on where it was. `python -m gmt.studies.tables` lays out what several calls wrote.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from data_prep.prepare import PrepOptions
from gmt.studies.entry import run_study
from gmt.studies.seed_runs import join_runs, public_data, run_options, runs_of_seeds

SETS = ("llmfao", "mtbench")
PROTOCOLS = ("seen", "new-users", "new-questions", "new-models")


def prep_options(name: str, real: Path, out: Path, protocol: str, seed: int, encoder: str) -> PrepOptions:
    """Say how the published files of a set are read.

    Args:
        name: One of `SETS`.
        real: Folder of the published files.
        out: The data folder.
        protocol, seed: How comparisons are split.
        encoder: As of `gmt prep`.
    """
    if name == "mtbench":
        return PrepOptions("mt-bench", out, str(real / "mtbench_human"), encoder, protocol, seed=seed)
    return PrepOptions("recipe:llmfao", out, str(real / "llmfao"), encoder, protocol, seed=seed)


def main(arguments: Sequence[str] | None = None) -> None:
    """Prepare, train, measure and join every set under every protocol."""
    parser = run_options(__doc__, "bench", ["all"])
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--protocols", nargs="+", choices=PROTOCOLS, default=["seen", "new-users"])
    chosen = parser.parse_args(arguments)
    # Before any work, for a run takes hours.
    real = public_data("llmfao/ and mtbench_human/")
    for name in chosen.sets:
        for protocol in chosen.protocols:
            runs = runs_of_seeds(
                chosen,
                name,
                protocol,
                lambda out, seed, name=name, protocol=protocol: prep_options(
                    name, real, out, protocol, seed, chosen.encoder
                ),
            )
            # Under the name by which `gmt.studies.tables` finds config, set and protocol.
            join_runs(runs, chosen.out / "tables" / f"{chosen.config}-{name}-{protocol}.md")


if __name__ == "__main__":
    run_study(main)
