"""Leave each person out in turn: rank their answers by what all others said, and by their own other conversations too.

Usage: python -m gmt.studies.leave_one_out DATA [DATA …] --out FOLDER [--seed 0] [--set section.key=value …]

DATA are folders of `gmt prep`, whose split is not read. For sets of some twenty people, where a test part of a fifth
of them is four. Every person is asked twice: as somebody unknown, and conversation by conversation with the others of
their own visible. Nothing of the person is in the fit either time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from gmt.config import load_config
from gmt.data.dataset import Dataset
from gmt.data.interactions import TRAIN, VALID
from gmt.evaluation.controls import OwnersShuffled
from gmt.evaluation.score_blocks import ScoreBlock
from gmt.report.markdown import comparison_table
from gmt.rivals.registry import make_router
from gmt.routing.protocol import RoutingMethod
from gmt.studies.entry import run_study, study_parser
from gmt.studies.harness import fit, joined, write

RIVALS = ("constant", "random", "best_single", "model_mean", "user_mean", "knn", "hierarchical_bradley_terry")
OWN = ", own history"
VALID_SHARE = 0.15
METRICS = {
    "auc": "AUC",
    "accuracy": "accuracy",
    "lone_auc": "AUC of lone ratings",
    "rank_correlation": "rank correlation",
}


def without(data: Dataset, user: int, seed: int) -> Dataset:
    """Return everybody else's comparisons, a share of their conversations being VALID."""
    others = data.select(data.table.user != user)
    rng = np.random.default_rng([seed, user])
    conversations = rng.permutation(np.unique(others.table.conversation))
    valid = conversations[: round(VALID_SHARE * len(conversations))]
    split = np.where(np.isin(others.table.conversation, valid), VALID, TRAIN).astype(np.int8)
    return others.with_table(replace(others.table, split=split))


def parts_of(data: Dataset, user: int, own: bool) -> Iterator[tuple[Dataset, np.ndarray]]:
    """Yield what is visible and the positions of the rated comparisons asked given it: all at once, or by conversation.

    Args:
        data: All comparisons.
        user: Whose comparisons are asked.
        own: Whether the user's other conversations are visible.
    """
    table = data.table
    mine = (table.user == user) & table.rated
    if not own:
        yield data.select(table.user != user), np.flatnonzero(mine)
        return
    for conversation in np.unique(table.conversation[mine]):
        inside = table.conversation == conversation
        yield data.select(~inside), np.flatnonzero(mine & inside)


def measure(data: Dataset, seed: int, overrides: Sequence[str]) -> dict[str, Any]:
    """Return every router's metrics over all rated comparisons, each scored with its person left out."""
    table, config = data.table, load_config(None, list(overrides), seed)
    rated = np.flatnonzero(table.rated)
    scores: dict[str, np.ndarray] = {}
    for user in np.unique(table.user[rated]):
        learn = without(data, int(user), seed)
        gmt, _ = fit(learn, config)
        rivals = {name: make_router(name, seed).fit(learn) for name in RIVALS}
        routers: dict[str, RoutingMethod] = {"gmt": gmt, **rivals}
        # Only gmt and what its history teaches are asked with it; a table of all would say it twice.
        personal = {"gmt": gmt, "owners_shuffled": OwnersShuffled(gmt, seed), "user_mean": rivals["user_mean"]}
        for own, asked in ((False, routers), (True, personal)):
            for history, at in parts_of(data, int(user), own):
                questions = data.questions(at)
                for name, router in asked.items():
                    column = scores.setdefault(name + OWN * own, np.full(table.candidates.shape, -np.inf))
                    column[at] = router.score(history, questions)
    users = np.array([table.users[code] for code in table.user[rated]])
    blocks = {name: [ScoreBlock(users, found[rated], table.ratings[rated])] for name, found in scores.items()}
    return joined(blocks, "gmt" + OWN, seed)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure every folder and write its table."""
    parser = study_parser(__doc__)
    parser.add_argument("data", type=Path, nargs="+")
    parser.add_argument("--seed", type=int, default=0)
    # Traits are for thousands of ratings; these sets hold hundreds, and one fit for each person.
    parser.add_argument("--set", nargs="+", default=["traits.enabled=false"])
    chosen = parser.parse_args(arguments)
    for folder in chosen.data:
        found = measure(Dataset.load(folder), chosen.seed, chosen.set)
        measured = [one for one in METRICS if any(row.get(one) for row in found["routers"].values())]
        columns = {f"{METRICS[one]} ({found['users'][one]} people)": (found, one) for one in measured}
        write(chosen.out, f"leave-one-out-{folder.name}", found, comparison_table("one person left out", columns))
        print(f"{chosen.out / f'leave-one-out-{folder.name}.md'} written", flush=True)


if __name__ == "__main__":
    run_study(main)
