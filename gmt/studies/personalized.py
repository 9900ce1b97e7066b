"""Measure single-turn routing on users who weigh quality against cost, on a matrix of real scores.

Usage: python -m gmt.studies.personalized --scores FOLDER --out FOLDER [--studies nine thousand newcomers models depth
       drift mixed designs] [--seeds 0 1 2 3 4] [--rivals NAME …] [--users N] [--questions N] [--encoder NAME]
       [--feedback pair full random chosen] [--layers 0 1 2 3 4 5] [--steps N]

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
from gmt.studies.personalized_data import WHOLE, Extent
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
    parser.add_argument("--users", type=int, help="people, in place of the study's own number")
    parser.add_argument("--questions", type=int, help="questions, in place of all")
    parser.add_argument("--encoder", help="as of gmt prep")
    parser.add_argument("--feedback", nargs="+", choices=WHOLE.feedback, default=list(WHOLE.feedback))
    parser.add_argument("--layers", nargs="+", type=int, default=list(WHOLE.layers))
    parser.add_argument("--steps", type=int, help="training steps of networks, in place of the study's own")
    chosen = parser.parse_args(arguments)
    extent = Extent(
        chosen.users, chosen.questions, chosen.encoder, tuple(chosen.feedback), tuple(chosen.layers), chosen.steps
    )
    # Read once: all studies draw users over the same questions, so their numbers stand beside each other.
    matrix = extent.part_of(matrix_from(chosen.scores, []))
    for name in chosen.studies:
        # Each writes its own files as it goes, so one that fails costs nothing of those before it.
        STUDIES[name](matrix, chosen.out, chosen.seeds, chosen.rivals, extent)
        print(f"{name} done", flush=True)


if __name__ == "__main__":
    run_study(main)
