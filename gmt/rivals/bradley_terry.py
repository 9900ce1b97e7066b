"""Score models by Bradley-Terry strengths, shared by everybody or with an offset for each user."""

from __future__ import annotations

from typing import Self

import numpy as np
from scipy.special import expit

from gmt.data.dataset import Dataset, Questions
from gmt.rivals.rival import Rival, at_candidates
from gmt.routing.grid import ValidationVotes, best_setting
from gmt.routing.pairwise import Votes, votes_of, wins

STRENGTH_VARIANCES = (0.1, 0.3, 1.0, 3.0, 10.0)
OFFSET_VARIANCES = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
NEWTON_STEPS, TOLERANCE = 50, 1e-8
NUMBERS_AT_ONCE = 4_000_000  # users are solved in batches whose (U, M, M) curvatures hold at most so many numbers


def strengths(votes: Votes, models: int, variance: float) -> np.ndarray:
    """Fit one strength per model by penalised maximum likelihood.

    A vote's chance is sigmoid(strength of a - strength of b); ties count as half a win each.
    Strengths have a normal prior around 0, so a model without votes gets the mean strength, 0.

    Source: Bradley and Terry (1952), with the ridge of a normal prior.

    Args:
        votes: V votes.
        models: M, the size of the vocabulary.
        variance: Variance of the prior.

    Returns:
        (M,) strengths in logits.
    """
    met, won = wins(votes, models)
    return _newton(met[None], won[None], np.zeros(models), variance)[0]


def offsets(votes: Votes, users: int, strength: np.ndarray, variance: float) -> np.ndarray:
    """Fit each user's offset from the shared strengths.

    Args:
        votes: V votes of any users.
        users: U, the size of the vocabulary; a user without votes gets zeros.
        strength: (M,) shared strengths, held fixed.
        variance: Variance of the normal prior of an offset.

    Returns:
        (U, M) offsets in logits.
    """
    models = len(strength)
    found = np.zeros((users, models))
    # Only users with votes are solved for: without one the posterior mode is the prior mean, 0.
    voters, of = np.unique(votes.user, return_inverse=True)
    batch = max(1, NUMBERS_AT_ONCE // max(models * models, 1))
    for start in range(0, len(voters), batch):
        members = voters[start : start + batch]
        inside = (of >= start) & (of < start + batch)
        # One flat code per (user, model a, model b), so that a single count fills the whole batch.
        cell = ((of[inside] - start) * models + votes.a[inside]) * models + votes.b[inside]
        shape, size = (len(members), models, models), len(members) * models * models
        met = np.bincount(cell, minlength=size).reshape(shape).astype(float)
        won = np.bincount(cell, votes.y[inside], size).reshape(shape)
        found[members] = _newton(met, won, strength, variance)
    return found


def _newton(met: np.ndarray, won: np.ndarray, strength: np.ndarray, variance: float) -> np.ndarray:
    """Solve (B,) independent penalised logistic fits around the same strengths, all at once.

    Args:
        met, won: (B, M, M) votes between row and column model, and the row model's wins.
        strength: (M,) offset of every fit.
        variance: Prior variance of the deviations.

    Returns:
        (B, M) deviations from `strength`.
    """
    # 1. Every pair is counted in both orders, which makes every matrix below symmetric.
    met, won = met + met.swapaxes(1, 2), won + (met - won).swapaxes(1, 2)
    models = len(strength)
    found, ridge = np.zeros((len(met), models)), np.eye(models) / variance
    for _ in range(NEWTON_STEPS):
        total = strength + found
        chance = expit(total[:, :, None] - total[:, None, :])
        # 2. Every pair stands in the matrices both ways, so a row sum is the gradient of its model.
        gradient = (won - met * chance).sum(axis=2) - found / variance
        weight = met * chance * (1 - chance)
        curvature = ridge - weight
        # The likelihood alone fixes strengths only up to a constant; the ridge of the prior makes this solvable.
        curvature[:, np.arange(models), np.arange(models)] += weight.sum(axis=2)
        step = np.linalg.solve(curvature, gradient[:, :, None])[:, :, 0]
        # 3. The likelihood is concave, but a full step can overshoot where strengths run far apart.
        step *= np.minimum(1.0, 2.0 / np.maximum(np.abs(step).max(axis=1, initial=0.0), 1e-12))[:, None]
        found += step
        if np.abs(step).max(initial=0.0) < TOLERANCE:
            break
    return found


class BradleyTerry(Rival):
    """Rank models by one strength each, the same for everybody.

    Args:
        variance: Prior variance of a strength; `fit` replaces it by the best on VALID.
    """

    name, logits, saved = "bradley_terry", True, ("variance",)

    def __init__(self, variance: float = 1.0) -> None:
        self.variance = variance

    def fit(self, data: Dataset) -> Self:
        """Choose the prior variance by the log loss of the VALID votes."""
        self.variance = best_variance(ValidationVotes.of(data), self.variance)
        return self

    def score(self, history: Dataset, questions: Questions) -> np.ndarray:
        """Score (C, K) candidates by the strengths that the visible votes give."""
        strength = strengths(votes_of(history.table), len(history.table.models), self.variance)
        return at_candidates(strength, questions)


class UserBradleyTerry(Rival):
    """Rank models by their strength plus the user's own offset.

    Args:
        variance: Prior variance of a strength.
        offset_variance: Prior variance of a user's offset; `fit` replaces both by the best on VALID.
    """

    name, logits, saved = "user_bradley_terry", True, ("variance", "offset_variance")

    def __init__(self, variance: float = 1.0, offset_variance: float = 0.3) -> None:
        self.variance, self.offset_variance = variance, offset_variance

    def fit(self, data: Dataset) -> Self:
        """Choose the strengths' variance, then the offsets', by the log loss of the VALID votes."""
        valid = ValidationVotes.of(data)
        if valid is None:
            return self
        self.variance = best_variance(valid, self.variance)
        train = votes_of(valid.history.table)
        if len(train):
            # Offsets are deviations from the shared strengths, so these are settled first and then held fixed.
            strength, users = strengths(train, len(data.table.models), self.variance), len(data.table.users)

            def losses(variance: float) -> np.ndarray:
                total = strength + offsets(train, users, strength, variance)
                return valid.losses(at_candidates(total[valid.questions.user], valid.questions), self.logits)

            self.offset_variance = best_setting(OFFSET_VARIANCES, losses)
        return self

    def score(self, history: Dataset, questions: Questions) -> np.ndarray:
        """Score (C, K) candidates by the strengths and the user's offsets that the visible votes give."""
        table = history.table
        votes = votes_of(table)
        strength = strengths(votes, len(table.models), self.variance)
        own = offsets(votes, len(table.users) + 1, strength, self.offset_variance)  # row -1: an unknown user, zeros
        return at_candidates(strength + own[questions.user], questions)


def best_variance(valid: ValidationVotes | None, default: float) -> float:
    """Return the prior variance of strengths that suits the VALID votes best, `default` where there is no vote."""
    train = None if valid is None else votes_of(valid.history.table)
    if valid is None or train is None or not len(train):
        return default

    def losses(variance: float) -> np.ndarray:
        found = strengths(train, len(valid.history.table.models), variance)
        return valid.losses(at_candidates(found, valid.questions), logits=True)

    return best_setting(STRENGTH_VARIANCES, losses)
