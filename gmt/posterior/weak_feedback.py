"""Read words and signals on answers that nobody rated as how likely the user was glad."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit

from gmt.data.dataset import Dataset
from gmt.data.growing_rows import Vectors
from gmt.data.interactions import InteractionTable
from gmt.data.signals import SIGNALS
from gmt.posterior.remark_head import RemarkHead

SIGNAL_LOG_ODDS = {"copied": 0.8, "shared": 1.0, "regenerated": -1.0, "edited": -0.4, "abandoned": -0.8}
"""How much likelier a glad user is to leave each signal than another: a cautious start, where no rating says it."""
PRIOR_ROUNDS = 8.0
"""Rounds that the start counts as beside rounds of TRAIN with both a signal and a rating."""
LEAST_LOG_ODDS = 0.02
"""Words and signals that say less than this are not read."""
PREFIX = "weak."
"""Begins their names in a saved state."""


@dataclass(frozen=True, eq=False)
class WeakFeedback:
    """Hold what a remark's vector and each signal say of how glad the user was.

    Both are log odds log P(said | glad) / P(said | not glad), and add up where a round has both. An observation of log
    odds o is right with chance p = s(|o|), and counts 2 p - 1 = tanh(|o| / 2) of one that is right for sure: at even
    chances its pull on the latent score is that of the exact mixture likelihood p s(z) + (1 - p) s(-z).

    Args:
        head: What reads remarks; None where there was none to learn from.
        signals: (len(SIGNALS),) log odds of each signal.
    """

    head: RemarkHead | None
    signals: np.ndarray

    @classmethod
    def learned(cls, train: Dataset) -> WeakFeedback | None:
        """Learn from the rounds of TRAIN that carry a rating beside words or a signal; None where there are neither."""
        table = train.table
        own = own_remarks(table)
        if not len(own) and (table.signal < 0).all():
            return None
        glad, weight = gladness(table)
        signals = np.array([SIGNAL_LOG_ODDS[name] for name in SIGNALS])
        for code in range(len(SIGNALS)):
            rows = np.flatnonzero((table.signal == code) & ~np.isnan(glad))
            # A beta prior around the start: a few rounds move it little, many replace it.
            right = PRIOR_ROUNDS * expit(signals[code]) + (weight[rows] * glad[rows]).sum()
            signals[code] = logit(right / (PRIOR_ROUNDS + weight[rows].sum()))
        head = RemarkHead.learned(train, own, glad, weight) if len(own) else None
        return cls(head, signals)

    def read(self, table: InteractionTable, vectors: Vectors) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return (N,) rows with words or a signal in rounds without a rating, 1 where glad else 0, and weights."""
        unrated = ~table.rated[table.row_comparison]
        odds = np.zeros(len(table.model))
        signalled = np.flatnonzero(unrated & (table.signal >= 0))
        odds[signalled] += self.signals[table.signal[signalled]]
        if self.head is not None:
            said = own_remarks(table)
            said = said[unrated[said]]
            odds[said] += self.head.log_odds(vectors[table.feedback[said]])
        rows = np.flatnonzero(np.abs(odds) >= LEAST_LOG_ODDS)
        return rows, (odds[rows] > 0).astype(float), np.tanh(np.abs(odds[rows]) / 2)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return everything, by its name in a saved state."""
        found = {f"{PREFIX}signals": self.signals}
        if self.head is not None:
            found |= {f"{PREFIX}direction": self.head.direction, f"{PREFIX}bias": np.array(self.head.bias)}
        return found

    @classmethod
    def from_arrays(cls, state: dict[str, np.ndarray]) -> WeakFeedback | None:
        """Read what `to_arrays` returned; None where there is nothing."""
        if f"{PREFIX}signals" not in state:
            return None
        direction = state.get(f"{PREFIX}direction")
        head = None if direction is None else RemarkHead(direction, float(state[f"{PREFIX}bias"]))
        return cls(head, state[f"{PREFIX}signals"])


def own_remarks(table: InteractionTable) -> np.ndarray:
    """Return the (N,) rows with a remark of their own.

    A remark that stands at several answers of one comparison names none of them: it must not become a vote.
    """
    said = np.flatnonzero(table.feedback >= 0)
    keys = np.stack([table.row_comparison[said], table.feedback[said]], axis=1)
    _, place, count = np.unique(keys, axis=0, return_inverse=True, return_counts=True)
    return said[count[place.reshape(-1)] == 1]


def gladness(table: InteractionTable) -> tuple[np.ndarray, np.ndarray]:
    """Return (R,) whether each rating is above the middle of all ratings, NaN without one, and (R,) weights.

    Weights make both halves count alike, so that what is learned are odds at even chances: how many answers are good is
    for thresholds to say. Ratings on the middle itself say neither.
    """
    known = ~np.isnan(table.rating)
    values = table.rating[known]
    glad, weight = np.full(len(table.rating), np.nan), np.zeros(len(table.rating))
    levels = np.unique(values)
    if len(levels) < 2:
        return glad, weight
    # The cut between two levels that parts the ratings most evenly.
    cuts = (levels[1:] + levels[:-1]) / 2
    share = np.array([(values > cut).mean() for cut in cuts])
    cut = cuts[np.argmin(np.abs(share - 0.5))]
    glad[known] = values > cut
    high = float((values > cut).mean())
    weight[known] = np.where(values > cut, 0.5 / high, 0.5 / (1 - high))
    return glad, weight
