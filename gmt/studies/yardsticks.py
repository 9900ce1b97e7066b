"""Run the published protocols of personal preference, and set what is found beside the published rows.

Usage: python -m gmt.studies.yardsticks personal-reward-bench|mrm|p-check INPUT --out FOLDER [--encoder minilm]
       [--seed 0]
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from data_prep.prepare import PrepOptions, prepare
from gmt.data.dataset import Dataset
from gmt.data.interactions import TEST, TRAIN, VALID
from gmt.errors import DataError
from gmt.files import write_json
from gmt.posterior.answer_aware import AnswerAwareBradleyTerry
from gmt.rivals.ridge_on_answers import RidgeAnswers
from gmt.routing.protocol import RoutingMethod
from gmt.studies.both_orders import right_in_both_orders
from gmt.studies.entry import run_study, study_parser
from gmt.studies.published_rows import MRM, P_CHECK, P_GENRM, SYNTHESIZE_ME, PublishedRow

LEAST_DIALOGUES = 6
VALID_SHARE, UNSEEN_SHARE = 0.15, 0.5
NOT_RUN = "The published sets could not be downloaded where this was written: it was tested on made rows only."


@dataclass(frozen=True, eq=False)
class ProtocolCut:
    """Hold which comparisons are for what.

    Args:
        data: The comparisons, with the split that the fit reads.
        fit: (C,) what is fitted to; TRAIN and VALID of people whom training may know.
        history: (C,) what is visible when targets are asked.
        targets: Group of people -> (C,) what is asked.
    """

    data: Dataset
    fit: np.ndarray
    history: np.ndarray
    targets: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Yardstick:
    """State a published protocol.

    Args:
        source: Name of the source that reads its data.
        cut: Cuts the data by a seed.
        per_person: Whether accuracy is the mean of people's own, else it is pooled over pairs.
        published: The rows beside.
        words: The protocol in one sentence.
    """

    source: str
    cut: Callable[[Dataset, int], ProtocolCut]
    per_person: bool
    published: tuple[PublishedRow, ...]
    words: str


def within_people(data: Dataset, seed: int) -> ProtocolCut:
    """Take the source's own split, which lies within each person."""
    split = data.table.split
    return ProtocolCut(data, split != TEST, split == TRAIN, {"all": (split == TEST) & data.table.rated})


def unseen_people(data: Dataset, seed: int) -> ProtocolCut:
    """Keep half of the people away from the fit; of them TRAIN is visible and TEST is asked."""
    split = data.table.split
    unseen = _drawn(np.unique(data.table.user), seed)
    apart = np.isin(data.table.user, unseen)
    return ProtocolCut(
        data, ~apart & (split != TEST), split == TRAIN, {"unseen": apart & (split == TEST) & data.table.rated}
    )


def half_of_dialogues(data: Dataset, seed: int) -> ProtocolCut:
    """Show half of each person's dialogues and ask the others; half of the people are unseen in training.

    Raises:
        DataError: Fewer than four people have enough dialogues.
    """
    table, rng = data.table, np.random.default_rng(seed)
    owner = np.full(len(table.conversations), -1)
    owner[table.conversation] = table.user
    code, count = np.unique(owner[owner >= 0], return_counts=True)
    people = code[count >= LEAST_DIALOGUES]
    if len(people) < 4:
        raise DataError(f"{len(people)} people have {LEAST_DIALOGUES} dialogues or more; expected 4 at least")
    unseen = _drawn(people, seed)
    split = np.full(len(table.conversations), TRAIN, np.int8)
    for person in people.tolist():
        own = rng.permutation(np.flatnonzero(owner == person))
        split[own[: len(own) // 2]] = TEST
        # Of the half that is shown, some serve to choose settings; those of unseen people are only ever shown.
        shown = own[len(own) // 2 :]
        if person not in unseen:
            split[shown[: max(1, round(VALID_SHARE * len(shown)))]] = VALID
    data = data.with_table(table.with_split(split[table.conversation]))
    split, kept = data.table.split, np.isin(table.user, people)
    apart, asked = np.isin(table.user, unseen), (split == TEST) & table.rated
    return ProtocolCut(
        data,
        kept & ~apart & (split != TEST),
        kept & (split != TEST),
        {"seen": kept & ~apart & asked, "unseen": apart & asked},
    )


def _drawn(people: np.ndarray, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).permutation(people)[: round(UNSEEN_SHARE * len(people))]


YARDSTICKS = {
    "personal-reward-bench": Yardstick(
        *("personal-reward-bench", within_people, False, SYNTHESIZE_ME + P_GENRM),
        "given split within each person, accuracy pooled over pairs, both orders",
    ),
    "mrm": Yardstick(
        *("prism-answers", half_of_dialogues, True, MRM),
        "PRISM people with 6 dialogues or more, half of them unseen, half of their dialogues shown, mean of the "
        "people's own accuracies, both orders",
    ),
    "p-check": Yardstick(
        *("personal-reward-bench", unseen_people, False, P_CHECK),
        "half of the people unseen in training, their own training pairs shown, accuracy pooled over pairs, both "
        "orders",
    ),
}


def reproduce(name: str, input: str | Path, out: Path, encoder: str = "minilm", seed: int = 0) -> dict[str, Any]:
    """Prepare a set, run its protocol, and return what was found beside what is published.

    Args:
        name: One of `YARDSTICKS`.
        input: The published set: a file, a folder or `hub:<dataset id>`.
        out: Folder for the prepared data.
        encoder: Any encoder that `gmt prep` takes.
        seed: Draws unseen people and dialogues.

    Raises:
        DataError: There is no such yardstick, the set cannot be read, or nothing of it is asked.
    """
    if name not in YARDSTICKS:
        raise DataError(f"there is no yardstick {name!r}; expected one of {', '.join(YARDSTICKS)}")
    stick = YARDSTICKS[name]
    prepare(PrepOptions(stick.source, out, input, encoder))
    cut = stick.cut(Dataset.load(out), seed)
    found = measured(cut, stick.per_person)
    return {
        "yardstick": name,
        "protocol": stick.words,
        "encoder": cut.data.encoder.id,
        "seed": seed,
        "measured": found,
        "published": [vars(row) for row in stick.published],
        "notes": [NOT_RUN, *_doubts(stick)],
    }


def measured(cut: ProtocolCut, per_person: bool) -> list[dict[str, Any]]:
    """Return the accuracy, in percent, of our router and of a ridge on the same vectors, for each group of people.

    Both are asked once with and once without the user; the ridge without users is a reward model for everybody.

    Raises:
        DataError: A group has no pair.
    """
    learn = cut.data.select(cut.fit)
    if not (learn.table.split == VALID).any():
        raise DataError("no comparison is left to choose settings on; the set needs a validation part")
    fitted: dict[str, RoutingMethod] = {
        "gmt": AnswerAwareBradleyTerry().fit(learn),
        "ridge on answers": RidgeAnswers().fit(learn),
    }
    history, rows = cut.data.select(cut.history), []
    for group, asked in cut.targets.items():
        for name, blind in product(fitted, (False, True)):
            method, router = f"{name}, user-blind" if blind else name, fitted[name]
            right, user = right_in_both_orders(router, history, cut.data, np.flatnonzero(asked), blind)
            if not len(right):
                raise DataError(f"no pair of {group} people is asked; expected answers that differ in the test part")
            own = np.array([right[user == code].mean() for code in np.unique(user)])
            accuracy = own.mean() if per_person else right.mean()
            rows.append(
                {
                    "method": method,
                    "column": group,
                    "accuracy": 100 * float(accuracy),
                    "pairs": len(right),
                    "people": len(own),
                }
            )
    return rows


def _doubts(stick: Yardstick) -> list[str]:
    """Say where a protocol's text left something open."""
    if stick.per_person:
        return ["Every two answers of different scores are a pair; which pairs the paper takes is not stated."]
    if stick.cut is unseen_people:
        return ["Which people are unseen is drawn here; the paper's own draw is not published."]
    return []


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one protocol and write what it found: accuracies by group of people and method, and the published rows."""
    parser = study_parser(__doc__)
    parser.add_argument("yardstick", choices=list(YARDSTICKS))
    parser.add_argument("input", help="the published set: file, folder or hub:<dataset id>")
    parser.add_argument("--encoder", default="minilm", help="as of gmt prep")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args(arguments)
    found = reproduce(chosen.yardstick, chosen.input, chosen.out / "data", chosen.encoder, chosen.seed)
    groups: dict[str, dict[str, float]] = {}
    for row in found["measured"]:
        groups.setdefault(row["column"], {})[row["method"]] = row["accuracy"]
    write_json(chosen.out / "yardstick.json", {**found, "groups": groups})
    print(f"{chosen.out / 'yardstick.json'} written", flush=True)


if __name__ == "__main__":
    run_study(main)
