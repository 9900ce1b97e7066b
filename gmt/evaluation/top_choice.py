"""Measure the choice of one model among all, where the utility of every answer to every user is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gmt.data.dataset import Questions
from gmt.errors import DataError
from gmt.evaluation.shares import Share
from gmt.routing.pairwise import win_probability


def with_all_models(questions: Questions, models: int) -> Questions:
    """Return the questions with all of M models as candidates, in the order of their codes."""
    return replace(questions, candidates=np.tile(np.arange(models), (len(questions), 1)), responses=None)


def chosen(scores: np.ndarray) -> np.ndarray:
    """Return (C, M) the chance that each model is chosen: 1 for the best score, shared by equal ones.

    Args:
        scores: (C, M) finite scores of all models.

    Raises:
        DataError: A score is not finite.
    """
    if not np.isfinite(scores).all():
        raise DataError("a model has no finite score; score every model to choose among all")
    top = scores == scores.max(axis=1, keepdims=True)
    # Shared and not the first of the equal ones, or the order of models would help a router that knows nothing.
    return top / top.sum(axis=1, keepdims=True)


def choice_shares(users: np.ndarray, scores: np.ndarray, utilities: np.ndarray) -> dict[str, Share]:
    """Compare the model chosen for each question with the truly best one.

    Args:
        users: (C,) names of the users.
        scores: (C, M) a router's scores of all models.
        utilities: (C, M) true utilities of each answer to its user, in logits.

    Returns:
        `regret`: the best utility less the chosen one's, in logits. `lost`: 1/2 less the chance that the
        chosen answer is preferred to the best one. `best`: whether the choice is the best.
        `win`: the chance that the chosen answer is preferred to that of another model drawn at random.
    """
    choice, best = chosen(scores), utilities.max(axis=1, keepdims=True)
    against = win_probability(utilities[:, :, None] - utilities[:, None, :])
    values = {
        "regret": best - utilities,
        "lost": 0.5 - win_probability(utilities - best),
        "best": (utilities == best).astype(float),
        # Against itself a model wins half of the time; that half is no win over another.
        "win": (against.sum(axis=2) - 0.5) / max(utilities.shape[1] - 1, 1),
    }
    one = np.ones(len(users))
    return {name: Share(users, (choice * value).sum(axis=1), one) for name, value in values.items()}
