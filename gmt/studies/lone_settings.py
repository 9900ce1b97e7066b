"""Compare rules that choose the settings of sets of lone ratings, inside TRAIN and VALID alone.

Usage: python -m gmt.studies.lone_settings DATA [DATA …] --out FOLDER [--cuts 4]

DATA are folders of `gmt prep`. No TEST row is read: TRAIN and VALID of each are cut anew into what is fitted, what is
chosen on and what the choice is measured by, as often as `--cuts` says. Rules:

- lowest loss: the smallest loss of the new VALID, as votes choose;
- standing, two errors: `LONE_STANDING` unless the smallest loss beats it by two standard errors, as gmt does;
- standing: `LONE_STANDING`, whatever VALID says;
- cross-validated: the smallest loss over four further cuts of what is fitted and chosen on;
- impersonal: nobody's own history, quality variance by the smallest loss;
- personal by two errors: the smallest loss where it beats the impersonal one by two standard errors, else that.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from data_prep.splits import assign
from gmt.data.dataset import Dataset
from gmt.data.interactions import TEST
from gmt.errors import DataError
from gmt.evaluation.lone_metrics import LoneScores
from gmt.posterior.answer_aware import AnswerAwareBradleyTerry
from gmt.posterior.conditioned_posterior import ConditionedPosterior
from gmt.posterior.hierarchical import LONE_STANDING, Candidate
from gmt.report.markdown import table
from gmt.routing.grid import ValidationVotes, best_setting, paired_gain
from gmt.routing.lone_pairs import LonePairs
from gmt.routing.pairwise import log_losses
from gmt.studies.entry import run_study, study_parser
from gmt.studies.harness import write

SHARES, FOLD_SHARES, FOLDS = (0.66, 0.14, 0.2), (0.75, 0.25, 0.0), 4
STANDING = tuple(LONE_STANDING.values())
Setting = tuple[float, ...]
"""Values of the names of `LONE_STANDING`; an impersonal one has a prior scale of 0."""
Measured = tuple[float, float]
"""AUC of lone ratings within users, and log loss of their pairs."""


@dataclass(frozen=True, eq=False)
class Tried:
    """Hold what every setting reached: (L,) losses of VALID's pairs, and what its own pairs would have been.

    Args:
        losses: Setting -> (L,) losses.
        reached: Setting -> what it reaches on the questions asked, if any were.
        user: (L,) whose pairs they are.
    """

    losses: dict[Setting, np.ndarray]
    reached: dict[Setting, Measured]
    user: np.ndarray


class Watched(AnswerAwareBradleyTerry):
    """Keep what `fit` tries: every candidate and the votes that it is chosen on."""

    tried: Sequence[Candidate] = ()
    valid: ValidationVotes | None = None

    def _standing_or_better(self, candidates: Iterable[Candidate], valid: ValidationVotes) -> Candidate:
        self.tried, self.valid = list(candidates), valid
        return super()._standing_or_better(self.tried, valid)


def cut(data: Dataset, shares: tuple[float, float, float], seed: int) -> Dataset:
    """Return TRAIN and VALID of a data set, split anew."""
    learn = data.select(data.table.split != TEST)
    return learn.with_table(replace(learn.table, split=assign(learn.table, "seen", shares, seed)))


def tried_on(data: Dataset, asked: Dataset | None = None) -> Tried:
    """Fit every setting to TRAIN, and measure each on VALID and on the TEST questions of `asked`.

    Raises:
        DataError: There is nothing to choose on, or votes are.
    """
    model = Watched()
    model.fit(data)
    valid = model.valid
    if valid is None:
        raise DataError("VALID holds no pair of lone ratings, or holds votes; this study is of lone ratings alone")
    losses: dict[Setting, np.ndarray] = {}
    reached: dict[Setting, Measured] = {}

    def keep(setting: Setting, one: ConditionedPosterior, scores: np.ndarray, own: bool) -> None:
        losses[setting] = valid.losses(scores, model.logits)
        if asked is not None:
            reached[setting] = measured(one, asked, own)

    for one, scores in model.tried:
        setting = tuple(getattr(one.effects.settings, name) for name in LONE_STANDING)
        keep(setting, one, scores, True)
        if (alone := (setting[0], 0.0, 0.0)) not in losses:
            keep(alone, one, one.impersonal(data, valid.questions), False)
    return Tried(losses, reached, valid.user)


def measured(one: ConditionedPosterior, data: Dataset, own: bool) -> Measured:
    """Return what a posterior reaches on the questions of TEST."""
    at = np.flatnonzero((data.table.split == TEST) & data.table.rated)
    targets, questions = data.table.select(at), data.questions(at)
    scores = one.score(data, questions) if own else one.impersonal(data, questions)
    pairs = LonePairs.of(targets)
    found = LoneScores.of(scores, targets.ratings, targets.user).metrics(np.ones((1, len(targets.users))))
    return float(found["lone_auc"][0]), float(log_losses(pairs.differences(scores), pairs.y).mean())


def choices(one: Tried, folds: Sequence[Tried]) -> dict[str, Setting]:
    """Return what each rule chooses."""
    personal, alone = ([key for key in one.losses if bool(key[2]) is own] for own in (True, False))
    best, unknown = (best_setting(keys, lambda key: one.losses[key]) for keys in (personal, alone))
    over = {key: np.concatenate([fold.losses[key] for fold in folds]) for key in one.losses}

    def by_two_errors(standing: Setting) -> Setting:
        gain, doubt = paired_gain(one.losses[standing], one.losses[best], one.user)
        return best if gain > doubt else standing

    return {
        "lowest loss": best,
        "standing, two errors": by_two_errors(STANDING),
        "standing": STANDING,
        "cross-validated": best_setting(personal, lambda key: over[key]),
        "impersonal": unknown,
        "personal by two errors": by_two_errors(unknown),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure every rule on all folders together, and write the table."""
    parser = study_parser(__doc__)
    parser.add_argument("data", type=Path, nargs="+")
    parser.add_argument("--cuts", type=int, default=4)
    chosen = parser.parse_args(arguments)
    found: dict[str, list[Measured]] = {}
    for folder in chosen.data:
        data = Dataset.load(folder)
        for number in range(chosen.cuts):
            asked = cut(data, SHARES, 1000 + number)
            learn = asked.select(asked.table.split != TEST)
            one = tried_on(learn, asked)
            folds = [tried_on(cut(learn, FOLD_SHARES, 5000 + fold)) for fold in range(FOLDS)]
            for rule, setting in choices(one, folds).items():
                found.setdefault(rule, []).append(one.reached[setting])
            print(f"{folder.name}, cut {number}: {len(one.user)} pairs to choose on", flush=True)
    before = np.array(found["lowest loss"])
    rows, numbers = {}, {}
    for rule, values in found.items():
        auc, loss = np.array(values).mean(axis=0)
        # Less the lowest loss: below 0 is better.
        less, doubt = paired_gain(np.array(values)[:, 1], before[:, 1])
        numbers[rule] = {"auc": auc, "log_loss": loss, "less": less, "two_errors": doubt, "cuts": len(values)}
        rows[rule] = [f"{auc:.3f}", f"{loss:.4f}", f"{less:+.4f} ± {doubt:.4f}"]
    heads = ["AUC of lone ratings", "log loss of pairs", "less lowest loss"]
    write(chosen.out, "lone-settings", numbers, table(f"{len(before)} cuts", heads, rows))


if __name__ == "__main__":
    run_study(main)
