"""Say from measured curves whether more votes of a person, or more people, would help."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gmt.evaluation.controls import UNKNOWN_USER

HALVES = np.geomspace(0.25, 1024, 241)
"""Numbers of rounds that are tried as those after which half of the most is gained."""
LEAST_POINTS = 3
TELLING = 0.005
"""AUC by which a doubling must raise what is reached to be called a help."""


@dataclass(frozen=True)
class GainCurve:
    """Hold gain(n) = most · n / (n + half_after) after n rounds of a user.

    Source: the share of a normal trait's variance that n noisy looks at it explain, half_after being noise over prior
    variance (Spearman 1910, Brown 1910); of an AUC it holds about.

    Args:
        most: What any number of rounds could gain.
        half_after: Rounds after which half of it is gained.
    """

    most: float
    half_after: float

    def at(self, rounds: float) -> float:
        """Return the gain after so many rounds."""
        return self.most * rounds / (rounds + self.half_after)


def fit_gain_curve(rounds: Sequence[float], gains: Sequence[float]) -> GainCurve | None:
    """Fit the curve by least squares.

    Args:
        rounds, gains: Points with at least one round.

    Returns:
        None where it cannot be told: there are fewer than `LEAST_POINTS` points, they do not rise, or do not bend
        between the fewest rounds and four times the most that were measured.
    """
    n, gain = np.asarray(rounds, float), np.asarray(gains, float)
    if len(n) < LEAST_POINTS:
        return None
    x = n / (n + HALVES[:, None])  # (H, points)
    most = (x @ gain) / (x**2).sum(axis=1)
    errors = ((most[:, None] * x - gain) ** 2).sum(axis=1)
    best = int(np.argmin(errors))
    # A straight line has no end, and a flat one no bend: whatever is said of it would be made up.
    if most[best] <= 0 or HALVES[best] > 4 * n.max() or best in (0, len(HALVES) - 1):
        return None
    return GainCurve(float(most[best]), float(HALVES[best]))


def more_votes(summary: Mapping[str, Any], reference: str = "gmt") -> dict[str, Any] | None:
    """Say what the votes of a user have gained, and what twice as many would.

    Args:
        summary: In the shape of `results/<protocol>.json`.
        reference: The router that is judged.

    Returns:
        `rounds` and `gain` (at the most rounds, AUC over the router for an unknown user), `points` (rounds -> gain),
        `fit` (`most`, `half_after`) or None where no curve can be told, `doubled` (what twice the rounds would add) and
        `helps` (True, False, or None where it cannot be told); None where nothing was measured.
    """
    points = _shot_points(summary, reference)
    if points is None:
        curve = summary.get("history_curve") or {}
        points = [(float(one["rounds"]), one["gain"]) for one in curve.get("votes") or [] if one["gain"]]
    points = [(rounds, gain) for rounds, gain in points if rounds > 0 and gain is not None]
    if not points:
        return None
    rounds, gain = max(points, key=lambda point: point[0])
    # A curve through points that may all be 0 is a curve through noise.
    sure = gain["low"] is not None and gain["low"] > 0
    fit = fit_gain_curve([n for n, _ in points], [one["value"] for _, one in points]) if sure else None
    doubled = None if fit is None else fit.at(2 * rounds) - fit.at(rounds)
    return {
        "rounds": rounds,
        "gain": gain,
        "points": [[n, one["value"]] for n, one in points],
        "fit": None if fit is None else {"most": fit.most, "half_after": fit.half_after},
        "doubled": doubled,
        "helps": None if doubled is None else doubled >= TELLING,
    }


def _shot_points(summary: Mapping[str, Any], reference: str) -> list[tuple[float, Any]] | None:
    """Return (shots, gain over an unknown user) of new users; None where shots are none of a user's."""
    if summary["protocol"] != "new-users" or not all(key.isdigit() for key in summary["shots"]):
        return None
    name = f"{reference} - {UNKNOWN_USER}"
    return [(float(key), (found["differences"].get(name) or {}).get("auc")) for key, found in summary["shots"].items()]


def more_people(summary: Mapping[str, Any]) -> dict[str, Any] | None:
    """Say what would be lost with half of the users.

    Returns:
        `users`, `loss` (AUC with all less with half, paired over users) and `helps`: True where the loss is
        beyond doubt and `TELLING` or more, False where its interval ends below `TELLING`, None where it cannot be told;
        None where nothing was measured.
    """
    found = (summary.get("history_curve") or {}).get("people")
    if not found or not found["loss"]:
        return None
    value, low, high = (found["loss"][end] for end in ("value", "low", "high"))
    helps = None
    if low is not None:
        helps = True if low > 0 and value >= TELLING else False if high < TELLING else None
    return {"users": found["users"], "loss": found["loss"], "helps": helps}
