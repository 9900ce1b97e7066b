"""Estimate from a log what gmt's own choices are worth, with intervals, and say when the log cannot tell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gmt.gateway.decision_log import LoggedRounds

DRAWS = 1000
FOLDS = 5
LEAST = 30
"""Rated decisions, and effective ones, below which no estimate is given."""
LEAST_PEOPLE = 5
PRIOR = 5.0
"""Rounds of the mean reward that a model's own mean starts from."""
UNSEEN = 0.5
"""Share of decisions in which gmt's choice had no chance, from which the log is of no use."""


@dataclass(frozen=True)
class Estimated:
    """Hold a value with its 95 % interval, of a bootstrap over people."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class ReplayResult:
    """Say what a log tells of gmt's choices.

    Args:
        logged: Mean reward of what was answered.
        values: Estimator (`ips`, `snips`, `dr`) -> mean reward had gmt chosen.
        gains: Estimator -> that less `logged`, resample by resample.
        rounds: Rated decisions used.
        people: Who made them.
        effective: Size of an unweighted sample that would tell as much (Kish).
        unseen: Share of rated decisions in which gmt's choice had no chance to be seen; they are left out.
        cannot_tell: Why the log cannot tell, None where it can.
    """

    logged: Estimated | None
    values: dict[str, Estimated]
    gains: dict[str, Estimated]
    rounds: int
    people: int
    effective: float
    unseen: float
    cannot_tell: str | None


def replay_log(log: LoggedRounds, seed: int = 0) -> ReplayResult:
    """Estimate the mean reward of gmt's choices from decisions whose propensities are known.

    Source: inverse propensity scores (Horvitz and Thompson 1952), self-normalised (Swaminathan and Joachims 2015) and
    doubly robust (Dudík, Langford and Li 2011), the reward of a model predicted by its mean over other people.
    """
    # 1. Where gmt's choice had no chance, nothing that was seen says what it is worth.
    seen = log.chance_of_best > 0
    unseen = 1.0 - float(seen.mean()) if len(log) else 0.0
    user, model, best = log.user[seen], log.model[seen], log.best[seen]
    reward, match = log.reward[seen], model == best
    weight = np.where(match, 1.0 / np.maximum(log.chance[seen], 1e-12), 0.0)
    effective = float(weight.sum() ** 2 / max((weight**2).sum(), 1e-12)) if len(weight) else 0.0
    people = len(np.unique(user))
    why = _cannot_tell(len(reward), len(log), people, effective, unseen)
    if why is not None:
        return ReplayResult(None, {}, {}, len(reward), people, effective, unseen, why)
    # 2. The sums behind all estimators, per person, so that a resample of people is one product.
    predicted_model, predicted_best = _predicted(user, model, reward, model), _predicted(user, model, reward, best)
    per_row = np.stack(
        [
            np.ones_like(reward), reward, weight, weight * reward,
            predicted_best + weight * (reward - predicted_model),
        ],
        axis=1,
    )  # fmt: skip
    _, code = np.unique(user, return_inverse=True)
    sums = np.stack([np.bincount(code, weights=column, minlength=people) for column in per_row.T], axis=1)
    drawn = np.random.default_rng(seed).multinomial(people, np.full(people, 1 / people), size=DRAWS)
    total = np.concatenate([np.ones((1, people)), drawn]) @ sums
    # 3. Each estimator on the whole, then on every resample.
    estimators: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "ips": lambda t: t[:, 3] / t[:, 0],
        "snips": lambda t: t[:, 3] / np.maximum(t[:, 2], 1e-12),
        "dr": lambda t: t[:, 4] / t[:, 0],
    }
    logged = total[:, 1] / total[:, 0]
    values = {name: _estimated(of(total)) for name, of in estimators.items()}
    gains = {name: _estimated(of(total) - logged) for name, of in estimators.items()}
    return ReplayResult(_estimated(logged), values, gains, len(reward), people, effective, unseen, None)


def _predicted(user: np.ndarray, model: np.ndarray, reward: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """Return (N,) mean rewards of the models asked for, each over people of other folds."""
    names, person = np.unique(user, return_inverse=True)
    fold = (np.random.default_rng(0).permutation(len(names)) % FOLDS)[person]
    out = np.zeros(len(reward))
    for one in range(FOLDS):
        others, here = fold != one, fold == one
        mean = float(reward[others].mean()) if others.any() else 0.5
        for name in np.unique(asked[here]):
            rows = others & (model == name)
            out[here & (asked == name)] = (reward[rows].sum() + PRIOR * mean) / (rows.sum() + PRIOR)
    return out


def _estimated(samples: np.ndarray) -> Estimated:
    low, high = np.quantile(samples[1:], [0.025, 0.975])
    return Estimated(float(samples[0]), float(low), float(high))


def _cannot_tell(used: int, rated: int, people: int, effective: float, unseen: float) -> str | None:
    """Say why a log cannot tell, None where it can."""
    if rated < LEAST:
        return f"{rated} decisions were rated; at least {LEAST} are needed"
    if unseen >= UNSEEN:
        return (
            f"in {unseen:.0%} of the rated decisions gmt's choice had no chance to be asked; let a share explore "
            "(gateway.explore_share)"
        )
    if people < LEAST_PEOPLE:
        return f"{people} people rated; an interval needs at least {LEAST_PEOPLE}"
    if used < LEAST or effective < LEAST:
        return f"the log tells as much as {effective:.0f} decisions by gmt's own choice; at least {LEAST} are needed"
    return None
