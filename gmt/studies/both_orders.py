"""Measure how often the preferred of two answers is ranked first, with the answers shown in both orders."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gmt.data.dataset import Dataset, Questions
from gmt.evaluation.metrics import pairs_of
from gmt.routing.protocol import RoutingMethod


def turned_round(questions: Questions) -> tuple[Questions, np.ndarray]:
    """Return questions whose answers stand in the other order, and (C, K) where each place's answer stood before.

    The places keep their names; only the texts change them. Padding stays where it is.
    """
    shown, width = questions.mask, questions.candidates.shape[1]
    count = shown.sum(axis=1, keepdims=True)
    place = np.arange(width)[None]
    # Candidates stand before padding, so the last of a question's own goes first.
    order = np.where(place < count, count - 1 - place, place)
    if questions.responses is None:
        return replace(questions, candidates=np.take_along_axis(questions.candidates, order, axis=1)), order
    return replace(questions, responses=np.take_along_axis(questions.responses, order, axis=1)), order


def right_in_both_orders(
    router: RoutingMethod, history: Dataset, data: Dataset, targets: np.ndarray, blind: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Return whether pairs are ranked right, averaged over both orders, and whose they are.

    Args:
        router: A fitted router.
        history: What is visible.
        data: All comparisons.
        targets: (C,) positions of rated comparisons.
        blind: Ask for a user without history in place of each.

    Returns:
        (P,) shares of 0, 0.5 or 1, a tie of scores counting half of its order, and (P,) user codes.
    """
    questions = data.questions(targets)
    if blind:
        questions = replace(questions, user=np.full(len(questions), -1))
    scores = router.score(history, questions)
    other, order = turned_round(questions)
    back = np.full(scores.shape, -np.inf)
    # Scores of places become scores of the answers that stood there.
    np.put_along_axis(back, order, router.score(history, other), axis=1)
    # Ratings are read only here, when both scores stand.
    pairs = pairs_of(data.table.ratings[targets])
    right = np.zeros(len(pairs.comparison))
    for found in (scores, back):
        ahead = found[pairs.comparison, pairs.winner] - found[pairs.comparison, pairs.loser]
        right += (np.sign(ahead) + 1) / 4
    return right, data.table.user[targets][pairs.comparison]
