"""Read a table as votes between two models, and measure how well score differences predict them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import expit

from gmt.data.interactions import InteractionTable


@dataclass(frozen=True, eq=False)
class Votes:
    """Hold V votes; a comparison with K rated candidates gives each of its K (K - 1) / 2 pairs once.

    Args:
        comparison: (V,) positions in the table the votes were read from.
        user, question, turn: (V,) as in the table.
        a, b: (V,) model codes in the order the answers were shown.
        row_a, row_b: (V,) rows of the table, for whoever needs responses or feedback.
        y: (V,) 1 where a was preferred, 0 where b was, 0.5 for a tie.
    """

    comparison: np.ndarray
    user: np.ndarray
    question: np.ndarray
    turn: np.ndarray
    a: np.ndarray
    b: np.ndarray
    row_a: np.ndarray
    row_b: np.ndarray
    y: np.ndarray

    def __len__(self) -> int:
        return len(self.y)

    def select(self, mask: np.ndarray) -> Votes:
        """Return the votes at `mask` (indices or a mask)."""
        return replace(self, **{name: value[mask] for name, value in vars(self).items()})


def votes_of(table: InteractionTable) -> Votes:
    """Read every pair of rated candidates of every comparison as one vote."""
    rows, ratings = table.padded_rows, table.ratings
    width = rows.shape[1] if rows.ndim == 2 else 0
    first, second = np.triu_indices(width, 1)
    if not len(first):
        none = np.zeros(0, dtype=np.int64)
        return Votes(none, none, none, none, none, none, none, none, np.zeros(0))
    rated = ~np.isnan(ratings)
    comparison, pair = np.nonzero(rated[:, first] & rated[:, second])
    left, right = first[pair], second[pair]
    row_a, row_b = rows[comparison, left], rows[comparison, right]
    return Votes(
        comparison=comparison,
        user=table.user[comparison],
        question=table.question[comparison],
        turn=table.turn[comparison],
        a=table.model[row_a],
        b=table.model[row_b],
        row_a=row_a,
        row_b=row_b,
        y=(1 + np.sign(ratings[comparison, left] - ratings[comparison, right])) / 2,
    )


def log_loss(differences: np.ndarray, y: np.ndarray | float = 1.0, temperature: float = 1.0) -> float:
    """Return the mean -log likelihood of outcomes `y` under sigmoid(difference / temperature)."""
    return float(np.mean(log_losses(np.asarray(differences) / temperature, y)))


def log_losses(logit: np.ndarray, y: np.ndarray | float = 1.0) -> np.ndarray:
    """Return the -log likelihood of each outcome under sigmoid(logit)."""
    return np.logaddexp(0, logit) - y * logit


def fit_temperature(differences: np.ndarray, y: np.ndarray | float = 1.0) -> float | None:
    """Fit the temperature that makes sigmoid(difference / temperature) the likeliest.

    Args:
        differences: (P,) score of the preferred candidate less that of the other, or of a less b
            where `y` says who won.
        y: Outcome of each difference, 1 by default.

    Returns:
        The temperature, between 1/1000 and 1000 times the typical difference; None without any
        difference to learn from.
    """
    differences = np.asarray(differences, dtype=float)
    size = np.abs(differences)
    scale = float(size[size > 0].mean()) if (size > 0).any() else 0.0
    if scale == 0:
        return None
    span = np.log(1000.0)
    found = minimize_scalar(
        lambda step: log_loss(differences, y, scale * np.exp(step)), bounds=(-span, span), method="bounded"
    )
    return scale * float(np.exp(found.x))  # pyright: ignore[reportAttributeAccessIssue]


def wins(votes: Votes, models: int) -> tuple[np.ndarray, np.ndarray]:
    """Add up votes between models.

    Returns:
        Two (M, M) matrices: how often a met b in this order of showing, and a's wins (ties count half).
    """
    cell = votes.a * models + votes.b
    shape = (models, models)
    met = np.bincount(cell, minlength=models * models).reshape(shape)
    return met.astype(float), np.bincount(cell, votes.y, models * models).reshape(shape)


def win_probability(differences: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """Return sigmoid(difference / temperature), elementwise."""
    return expit(np.asarray(differences) / temperature)


def choices(scores: np.ndarray, ratings: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rate the highest-scored candidate of comparisons with at least two rated ones.

    Returns:
        (N,) rating of the chosen candidate, averaged over equal highest scores; (N,) the best
        rating on offer; (N,) the comparisons these belong to.
    """
    several = np.flatnonzero((~np.isnan(ratings)).sum(axis=1) >= 2)
    rated = ~np.isnan(ratings[several])
    offered = np.where(rated, scores[several], -np.inf)
    chosen = rated & (offered == offered.max(axis=1, keepdims=True, initial=-np.inf))
    value = np.where(rated, ratings[several], 0.0)
    return (value * chosen).sum(axis=1) / np.maximum(chosen.sum(axis=1), 1), value.max(axis=1, initial=0.0), several
