"""Read a table as votes between two models, and measure how well score differences predict them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import expit

from gmt.data.interactions import InteractionTable

ALL_PAIRS_UP_TO = 9
"""Rated answers of a comparison up to which every two of them are a vote."""


@dataclass(frozen=True, eq=False)
class Votes:
    """Hold V votes, the pairs of rated candidates of every comparison that `rated_pairs` takes.

    Args:
        comparison: (V,) positions in the table the votes were read from.
        user, question, turn: (V,) as in the table.
        a, b: (V,) model codes in the order the answers were shown.
        row_a, row_b: (V,) rows of the table, for whoever needs responses or feedback.
        y: (V,) 1 where a was preferred, 0 where b was, 0.5 for a tie.
        gap: (V,) rating of a less that of b.
        weight: (V,) what the vote counts: the pairs of K rated answers K - 1 together, a vote between two answers 1.
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
    gap: np.ndarray
    weight: np.ndarray

    def __len__(self) -> int:
        return len(self.y)

    def select(self, mask: np.ndarray) -> Votes:
        """Return the votes at `mask` (indices or a mask)."""
        return replace(self, **{name: value[mask] for name, value in vars(self).items()})


def votes_of(table: InteractionTable, every: bool = False) -> Votes:
    """Read pairs of rated candidates of every comparison as votes: those of `rated_pairs`, or with `every` all."""
    rows, ratings = table.padded_rows, table.ratings
    comparison, left, right = rated_pairs(~np.isnan(ratings), None if every else ALL_PAIRS_UP_TO)
    # Slots are in the order of showing, so a is the answer shown first.
    row_a, row_b = rows[comparison, left], rows[comparison, right]
    gap = ratings[comparison, left] - ratings[comparison, right]
    rated, pairs = (~np.isnan(ratings)).sum(axis=1), np.bincount(comparison, minlength=len(table))
    return Votes(
        comparison=comparison,
        user=table.user[comparison],
        question=table.question[comparison],
        turn=table.turn[comparison],
        a=table.model[row_a],
        b=table.model[row_b],
        row_a=row_a,
        row_b=row_b,
        y=(1 + np.sign(gap)) / 2,
        gap=gap,
        weight=((rated - 1) / np.maximum(pairs, 1))[comparison],
    )


def lone_rows(table: InteractionTable) -> np.ndarray:
    """Return the (N,) rows whose answer was rated alone: the only rating of its comparison."""
    rated = ~np.isnan(table.rating)
    count = np.bincount(table.row_comparison[rated], minlength=len(table))
    return np.flatnonzero(rated & (count[table.row_comparison] == 1))


def rated_pairs(rated: np.ndarray, whole: int | None = ALL_PAIRS_UP_TO) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Choose the pairs of rated candidates that a comparison is learned from.

    Up to `whole` rated candidates all K (K - 1) / 2 pairs; of more, the 3 K pairs that lie 1, K / 4 and just under
    K / 2 places apart on a ring in the order of showing, so that the cost grows with the answers. Every answer is in
    six of them and they connect all answers. Ratings have no part in the choice: the pairs are a sample of all, whereas
    pairs that are next to each other in the rating order would bias strengths.

    Source: Azari Soufiani, Chen, Parkes and Xia, Generalized method-of-moments for rank aggregation (2013), for which
    pairs of a ranking leave estimates consistent.

    Args:
        rated: (C, K) true where a candidate is rated.
        whole: Rated candidates up to which all pairs are taken; None: always.

    Returns:
        (P,) comparisons, ascending, and (P,) slots of the first and of the second candidate.
    """
    count = rated.sum(axis=1)
    # Without any pair there would be nothing to concatenate.
    found = [np.zeros((3, 0), np.int64)]
    # Comparisons with equally many rated candidates have the same pairs among these.
    for several in np.unique(count[count > 1]).tolist():
        at = np.flatnonzero(count == several)
        slots = np.nonzero(rated[at])[1].reshape(-1, several)
        first, second = _pairs_among(several, whole)
        found.append(np.stack([np.repeat(at, len(first)), slots[:, first].reshape(-1), slots[:, second].reshape(-1)]))
    comparison, left, right = np.concatenate(found, axis=1)
    # Pairs were found by the number of candidates; callers count on the order of the table.
    order = np.argsort(comparison, kind="stable")
    return comparison[order], left[order], right[order]


def _pairs_among(count: int, whole: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Return the (P,) smaller and (P,) larger places of the pairs taken among `count` candidates, in order."""
    if whole is None or count <= whole:
        first, second = np.triu_indices(count, 1)
        return first, second
    # The widest gap is less than half of the ring: at half of it every pair would be met from both ends.
    place = np.arange(count)
    ends = np.concatenate(
        [np.stack([place, (place + gap) % count]) for gap in (1, count // 4, (count - 1) // 2)], axis=1
    )
    first, second = np.unique(np.sort(ends, axis=0), axis=1)
    return first, second


def log_loss(differences: np.ndarray, y: np.ndarray | float = 1.0, temperature: float = 1.0) -> float:
    """Return the mean -log likelihood of (V,) outcomes `y` under sigmoid(difference / temperature)."""
    return float(np.mean(log_losses(np.asarray(differences) / temperature, y)))


def log_losses(logit: np.ndarray, y: np.ndarray | float = 1.0) -> np.ndarray:
    """Return the (V,) -log likelihoods of (V,) outcomes under sigmoid(logit)."""
    # log(1 + e^z) - y z: finite where sigmoid is 0 or 1 to the last bit.
    return np.logaddexp(0, logit) - y * logit


def fit_temperature(differences: np.ndarray, y: np.ndarray | float = 1.0) -> float | None:
    """Fit the temperature that makes sigmoid(difference / temperature) the likeliest.

    Args:
        differences: (V,) score of the preferred candidate less that of the other, or of a less b
            where `y` says who won.
        y: (V,) outcome of each difference, 1 by default.

    Returns:
        The temperature, between 1/1000 and 1000 times the typical difference; None without any
        difference to learn from.
    """
    differences = np.asarray(differences, dtype=float)
    size = np.abs(differences)
    scale = float(size[size > 0].mean()) if (size > 0).any() else 0.0
    if scale == 0:
        return None
    # Here, for the solvers take a third of a second to load and routing a question needs none.
    from scipy.optimize import minimize_scalar

    # On a log scale around the typical difference, so that a router's unit does not matter and bounds suit any.
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
    """Rate the highest-scored candidate of comparisons with at least two rated ones, given (C, K) scores and ratings.

    Returns:
        (N,) rating of the chosen candidate, averaged over equal highest scores; (N,) the best
        rating on offer; (N,) the comparisons these belong to.
    """
    several = np.flatnonzero((~np.isnan(ratings)).sum(axis=1) >= 2)
    rated = ~np.isnan(ratings[several])
    offered = np.where(rated, scores[several], -np.inf)
    # Equal scores are no choice: the mean of them is what drawing among them would earn.
    chosen = rated & (offered == offered.max(axis=1, keepdims=True, initial=-np.inf))
    value = np.where(rated, ratings[several], 0.0)
    return (value * chosen).sum(axis=1) / np.maximum(chosen.sum(axis=1), 1), value.max(axis=1, initial=0.0), several
