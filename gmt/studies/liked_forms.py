"""Ask whether gmt knows who likes lists and who likes long answers, on votes it has not seen.

Usage: python -m gmt.studies.liked_forms RUN [RUN …] --out FOLDER [--seed 0]

RUN are folders of `gmt train` whose data show answers as texts, one for each seed. Of every TEST pair of which one
answer has a list and the other has none, the personal part of the score (what the user's own history adds to the list's
answer less what it adds to the other) is set against who won; and the same of the longer answer of every pair. What is
printed is the AUC over these pairs, all turned the same way round: .5 where the personal part knows nothing of who
likes the form, whatever people like on the whole. `owners_shuffled` hands each history to another user.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gmt.data.dataset import Dataset
from gmt.data.interactions import TEST, TRAIN
from gmt.data.text_keys import form_of
from gmt.evaluation.controls import OWNERS_SHUFFLED, OwnersShuffled, UnknownUser
from gmt.evaluation.intervals import DRAWS, Estimates, resamples
from gmt.report.markdown import interval_cell, table
from gmt.routing.pairwise import votes_of
from gmt.serving.pretrained import Router
from gmt.studies.entry import run_study, study_parser
from gmt.studies.harness import write

FORMS, ROUTERS = ("lists", "length"), ("gmt", OWNERS_SHUFFLED)
DIFFERENCE = " - ".join(ROUTERS)
LONGER = 0.2
"""Least difference of two answers' log lengths at which one is called the longer."""


def turned_pairs(data: Dataset, form: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return (V,) comparisons, slots of the answer with more of a form and of the other, and 1 where the first won."""
    asked = data.table.select(np.flatnonzero((data.table.split == TEST) & data.table.rated))
    votes = votes_of(asked)
    votes = votes.select((votes.y != 0.5) & (asked.response[votes.row_a] >= 0) & (asked.response[votes.row_b] >= 0))
    found = [[form_of(asked.texts[asked.response[row]]) for row in rows] for rows in (votes.row_a, votes.row_b)]
    if form == "lists":
        a, b = (np.array([one.has_list for one in side], float) for side in found)
        least = 0.5
    else:
        a, b = (np.log1p([one.bare for one in side]) for side in found)
        least = LONGER
    kept, first = np.abs(a - b) > least, asked.start[votes.comparison]
    more, less = np.where(a > b, votes.row_a, votes.row_b) - first, np.where(a > b, votes.row_b, votes.row_a) - first
    won = np.where(a > b, votes.y, 1 - votes.y)
    return votes.comparison[kept], more[kept], less[kept], won[kept]


def personal_parts(run: Path, seed: int) -> tuple[Dataset, dict[str, np.ndarray]]:
    """Return the data of a run, and (C, K) what own histories, and shuffled ones, add to the scores of TEST."""
    router = Router.from_pretrained(run)
    data, gmt = Dataset.load(Path(router.card["data"]["path"])), router.router
    history = data.select(data.table.split == TRAIN)
    questions = data.questions(np.flatnonzero((data.table.split == TEST) & data.table.rated))
    unknown = UnknownUser(gmt).score(history, questions)
    asked = {"gmt": gmt, OWNERS_SHUFFLED: OwnersShuffled(gmt, seed)}
    with np.errstate(invalid="ignore"):  # padding has -inf in both
        return data, {name: one.score(history, questions) - unknown for name, one in asked.items()}


def area(gap: np.ndarray, won: np.ndarray, user: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return (B,) how often a pair that was won has the larger gap than one that was lost, equal gaps counting half.

    Args:
        gap, won: (V,) personal parts, and 1 where the answer with more of the form won.
        user: (V,) column of the weights each pair belongs to.
        weights: (B, U) multiplicities of users.
    """
    up, down = gap[won == 1], gap[won == 0]
    order = (1 + np.sign(up[:, None] - down)) / 2  # (P, N)
    positive, negative = (weights[:, user[won == side]].astype(float) for side in (1, 0))
    both = positive.sum(axis=1) * negative.sum(axis=1)
    return ((positive @ order) * negative).sum(axis=1) / np.where(both == 0, np.nan, both)


def measure(runs: Sequence[Path], seed: int) -> dict[str, Any]:
    """Return form -> router -> AUC with its 95 % interval over users, joint over runs, and how many pairs there are."""
    parts = [personal_parts(run, seed) for run in runs]
    return {form: _of_form(parts, form, seed) for form in FORMS}


def _of_form(parts: Sequence[tuple[Dataset, dict[str, np.ndarray]]], form: str, seed: int) -> dict[str, Any]:
    pairs, names = [turned_pairs(data, form) for data, _ in parts], []
    for (data, _), (at, *_) in zip(parts, pairs, strict=True):
        owner = data.table.user[(data.table.split == TEST) & data.table.rated]
        names.append(np.array(data.table.users)[owner[at]])
    areas: dict[str, list[np.ndarray]] = {name: [] for name in ROUTERS}
    every, weights = resamples(names, seed, DRAWS)
    for (_, added), who, (at, more, less, won) in zip(parts, names, pairs, strict=True):
        user = np.searchsorted(every, who)
        for name in ROUTERS:
            areas[name].append(area(added[name][at, more] - added[name][at, less], won, user, weights))
    found = Estimates({name: {"auc": np.mean(values, axis=0)} for name, values in areas.items()}, len(every))
    shown = {name: found.interval(name, "auc") for name in ROUTERS}
    shown[DIFFERENCE] = found.difference(*ROUTERS, "auc")
    numbers = {name: None if one is None else one.to_json() for name, one in shown.items()}
    return numbers | {"pairs": float(np.mean([len(at) for at, *_ in pairs])), "users": len(every)}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the runs together and write the table."""
    parser = study_parser(__doc__)
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args(arguments)
    found = measure(chosen.runs, chosen.seed)
    heads = [f"{form} ({found[form]['pairs']:,.0f} pairs of {found[form]['users']:,} people)" for form in FORMS]
    rows = {
        name: [interval_cell(found[form][name], "+" if name == DIFFERENCE else "") for form in FORMS]
        for name in (*ROUTERS, DIFFERENCE)
    }
    write(chosen.out, "liked-forms", found, table("who likes", heads, rows))


if __name__ == "__main__":
    run_study(main)
