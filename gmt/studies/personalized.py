"""Measure single-turn routing on users who weigh quality against cost, on a matrix of real scores.

Usage: python -m gmt.studies.personalized --scores FOLDER --out FOLDER [--studies nine thousand newcomers models depth
       drift mixed designs] [--seeds 0 1 2 3 4] [--rivals NAME …]

FOLDER holds `dcrouter_*.json` with tasks and prices, as `gmt prep scores` reads it. No user's weight of quality is
shown to a router. Test questions carry all rewards, so the reward of every choice is known. `depth`
also reads gsm8k/ below $GMT_REAL_DATA, for users who weigh traits of real answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from data_prep.sources.router_data import matrix_from
from gmt.rivals.registry import RIVALS
from gmt.studies.entry import run_study, study_parser
from gmt.studies.personalized_feedback import nine, thousand
from gmt.studies.personalized_mixed import mixed
from gmt.studies.personalized_networks import depth, designs
from gmt.studies.personalized_newcomers import drift, models, newcomers

STUDIES = {
    "nine": nine,
    "thousand": thousand,
    "newcomers": newcomers,
    "models": models,
    "drift": drift,
    "depth": depth,
    "mixed": mixed,
    "designs": designs,
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the studies chosen."""
    parser = study_parser(__doc__)
    parser.add_argument("--scores", type=Path, required=True)
    parser.add_argument("--studies", nargs="+", choices=list(STUDIES), default=list(STUDIES))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4])
    parser.add_argument("--rivals", nargs="*", choices=list(RIVALS), default=list(RIVALS))
    chosen = parser.parse_args(arguments)
    # Read once: all studies draw users over the same questions, so their numbers stand beside each other.
    matrix = matrix_from(chosen.scores, [])
    for name in chosen.studies:
        # Each writes its own files as it goes, so one that fails costs nothing of those before it.
        STUDIES[name](matrix, chosen.out, chosen.seeds, chosen.rivals)
        print(f"{name} done", flush=True)


if __name__ == "__main__":
    run_study(main)
