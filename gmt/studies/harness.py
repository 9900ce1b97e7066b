"""Score with routers in memory, and join what several seeds give with intervals over people."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gmt.config import RunConfig
from gmt.data.dataset import Dataset, Questions
from gmt.data.interactions import TEST, TRAIN
from gmt.errors import DataError
from gmt.evaluation.results import report
from gmt.evaluation.score_blocks import ScoreBlock, bootstrap
from gmt.files import write_json, write_text
from gmt.hybrid.gmt_router import GmtRouter
from gmt.routing.grid import ValidationVotes
from gmt.routing.protocol import RoutingMethod
from gmt.runs import RunFolder
from gmt.training.fit_parts import fit_parts

Blocks = dict[str, list[ScoreBlock]]


def score_targets(
    data: Dataset, routers: Mapping[str, RoutingMethod], reveal_turns: bool = False
) -> dict[str, np.ndarray]:
    """Return router -> (C, K) scores of the rated TEST comparisons given the TRAIN ones.

    Args:
        data: All comparisons with their split.
        routers: Fitted routers.
        reveal_turns: Show the ratings of earlier rounds of the targets' conversations.
    """
    table, history = data.table, data.select(data.table.split == TRAIN)
    targets, turns = targets_of(data), table.turn[targets_of(data)]
    out = {name: np.full((len(targets), table.candidates.shape[1]), -np.inf) for name in routers}
    # Turn after turn: a round shown with a question must not hold the rating of a target beside it.
    for turn in np.unique(turns) if reveal_turns else [None]:
        part = np.arange(len(targets)) if turn is None else np.flatnonzero(turns == turn)
        questions = data.questions(targets[part], reveal_earlier=reveal_turns)
        for name, router in routers.items():
            scores = router.score(history, questions)
            # These questions may have fewer candidates than the widest comparison of the data.
            out[name][part, : scores.shape[1]] = scores
    return out


def targets_of(data: Dataset) -> np.ndarray:
    """Return the positions of the rated TEST comparisons."""
    return np.flatnonzero((data.table.split == TEST) & data.table.rated)


def validation_of(learn: Dataset) -> ValidationVotes:
    """Return what a part may be chosen on.

    Raises:
        DataError: No two answers of a VALID comparison are rated differently.
    """
    # Ties choose nothing: whatever a part scores, they lie at even chances.
    every = ValidationVotes.of(learn)
    found = every.untied() if every is not None else None
    if found is None or not len(found):
        raise DataError("no VALID comparison rates two answers differently; prepare the data with a larger valid share")
    return found


def block(data: Dataset, scores: np.ndarray, prefix: str = "", of: np.ndarray | None = None) -> ScoreBlock:
    """Put the ratings of the TEST comparisons beside scores that stand already.

    Args:
        data: All comparisons.
        scores: (C, K) scores of `targets_of(data)`.
        prefix: Begins the names of users who are not those of other blocks, such as another seed's.
        of: Which of the C to measure; all by default.
    """
    targets, chosen = targets_of(data), np.arange(len(scores)) if of is None else of
    table = data.table.select(targets[chosen])
    # Intervals resample users by name, so the same name must not stand for two.
    users = np.array([f"{prefix}{table.users[code]}" for code in table.user])
    return ScoreBlock(users, scores[chosen], data.table.ratings[targets][chosen], scale=data.rating_range)


def joined(blocks: Mapping[str, Sequence[ScoreBlock]], reference: str, seed: int = 0) -> dict[str, Any]:
    """Return every router's metrics averaged over blocks, and the reference's paired differences to the others."""
    return report(bootstrap(blocks, seed), reference)


def add(blocks: Blocks, found: Mapping[str, ScoreBlock]) -> None:
    """Add one seed's blocks to those of others."""
    for name, one in found.items():
        blocks.setdefault(name, []).append(one)


def write(out: Path, name: str, found: Mapping[str, Any], text: str) -> None:
    """Write results as JSON and Markdown beside each other."""
    write_json(out / f"{name}.json", dict(found))
    write_text(out / f"{name}.md", text)


def fit(data: Dataset, config: RunConfig) -> tuple[GmtRouter, list[str]]:
    """Fit gmt in memory by its settings; return it and what the fit said of its parts."""
    # Training writes checkpoints; of a study only the numbers are kept.
    with tempfile.TemporaryDirectory() as folder:
        router, card = fit_parts(data.select(data.table.split != TEST), config, RunFolder(Path(folder)))
    return router, card["notes"]


class Alone:
    """Score with a router that sees no user's votes but those of the target user: one graph per user.

    Args:
        router: A fitted router.
    """

    name = "alone"

    def __init__(self, router: RoutingMethod) -> None:
        self.router = router

    def fit(self, data: Dataset) -> Alone:
        """Return itself."""
        return self

    def score(self, history: Dataset, questions: Questions) -> np.ndarray:
        """Score candidates as `Router.score` says."""
        out = np.full(questions.candidates.shape, -np.inf)
        # User by user: one history serves one of them.
        for user in np.unique(questions.user):
            part = np.flatnonzero(questions.user == user)
            out[part] = self.router.score(history.select(history.table.user == user), questions.select(part))
        return out
