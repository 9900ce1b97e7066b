"""Measure routing on logged votes: act where the choice among all models happens to be one of those shown."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gmt.data.interactions import InteractionTable
from gmt.errors import DataError
from gmt.evaluation.shares import Share
from gmt.evaluation.top_choice import chosen


@dataclass(frozen=True, eq=False)
class Replay:
    """Hold what a router would have earned on C logged comparisons.

    Args:
        users: (C,) names of the users.
        matched: (C,) chance that the router's choice is among the answers shown.
        reward: (C,) rating of the choice, 0 where nothing matched.
        weight: (C,) what a matched comparison counts: 1, or one over the chance that the choice is shown.
    """

    users: np.ndarray
    matched: np.ndarray
    reward: np.ndarray
    weight: np.ndarray

    def shares(self) -> dict[str, Share]:
        """Return `reward`, the weighted mean rating of matched choices, and `matched`, how many of all they are."""
        counted = self.matched * self.weight
        return {
            "reward": Share(self.users, counted * self.reward, counted),
            "matched": Share(self.users, self.matched, np.ones(len(self.users))),
        }

    @property
    def effective(self) -> float:
        """How many equally weighted matched comparisons would say as much (Kish)."""
        counted = self.matched * self.weight
        return float(counted.sum() ** 2 / max((counted**2).sum(), 1e-300))


def replay(table: InteractionTable, scores: np.ndarray, shown: np.ndarray | None = None) -> Replay:
    """Replay a router on logged comparisons by rejection sampling.

    A comparison counts only where the router's choice among all models is one of those shown, and then
    pays the rating that was given to it. Where the models shown were drawn at random, for any user and
    query, the mean reward is without bias what the router's choice would have earned against rivals
    drawn likewise. Where some models are shown more often than others, choices of those are met more
    often too; `shown` undoes this, self-normalised, as long as the chance does not depend on the question.
    About K / M of the votes match, so the variance is about M / K times that of using every vote.
    Scores must be made without sight of the ratings in `table`.

    Source: Li, Chu, Langford and Wang (2011), "Unbiased offline evaluation of contextual-bandit-based
    news article recommendation algorithms".

    Args:
        table: C logged comparisons.
        scores: (C, M) scores of all models, columns as in `table.models`.
        shown: (M,) chance that each model is among those shown; the same for all when left out.

    Raises:
        DataError: Scores do not fit the table, or a model that was shown has no chance to be.
    """
    if scores.shape != (len(table), len(table.models)):
        raise DataError(
            f"scores are {scores.shape} for {len(table)} comparisons and {len(table.models)} models; "
            "score every model for every comparison"
        )
    # 1. The router chooses among all models before it is known which were shown.
    chance = np.ones(len(table.models)) if shown is None else np.asarray(shown, float)
    candidates, ratings = table.candidates, table.ratings
    if not (chance[candidates[table.mask]] > 0).all():
        raise DataError("a model was shown whose chance to be shown is 0; count it with smoothing")
    choice = chosen(scores)
    # 2. An answer without a rating pays nothing that is known, so choosing it is no match and no loss.
    there = table.mask & ~np.isnan(ratings)
    taken = np.where(there, np.take_along_axis(choice, np.maximum(candidates, 0), axis=1), 0.0)  # (C, K)
    matched = taken.sum(axis=1)
    weighed = taken / chance[np.maximum(candidates, 0)]
    total = weighed.sum(axis=1)
    reward = (weighed * np.where(there, ratings, 0.0)).sum(axis=1)
    users = np.asarray(table.users)[table.user]
    # 3. Where nothing matched both sums are 0: such a comparison gets reward and weight 0, and not NaN.
    safe = np.maximum(total, 1e-300)
    return Replay(users, matched, reward / safe, total / np.maximum(matched, 1e-300))


def shown_chances(table: InteractionTable, smoothing: float = 1.0) -> np.ndarray:
    """Return (M,) the share of comparisons that show each model, with so many comparisons added that show it."""
    # Smoothed, for a model may be new since these comparisons, and one over its chance would be infinite.
    counts = np.bincount(table.model, minlength=len(table.models))
    return (counts + smoothing) / (len(table) + smoothing)
