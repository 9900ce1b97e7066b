"""Estimate what each person likes from their own votes, given what is good for everybody."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import expit

from gmt.data.dataset import Dataset
from gmt.posterior.laplace import laplace_mode
from gmt.posterior.style import CandidateFeatures
from gmt.routing.kernels import QueryKernel, QueryKeys
from gmt.routing.pairwise import votes_of
from gmt.routing.recency import faded, rated_since

OF_VOTES = ("user", "a", "b", "y", "query", "features", "comparison", "since")  # columns of `Past`
NUMBERS_AT_ONCE = 2_000_000  # people are solved in batches whose padded (B, T, T) kernels hold at most so many


@dataclass(frozen=True, eq=False)
class Past:
    """Hold V votes, those of a person side by side.

    Args:
        user, a, b: (V,) codes, ordered by user.
        y: (V,) 1 where a won, 0 where b did, 0.5 for a tie.
        query: (V,) codes of the known queries.
        features: (V, F) features of a's answer less those of b's.
        comparison: (V,) positions in the table the votes were read from.
        since: (V,) how many comparisons the same person rated later.
        queries: The similarity of the known queries.
        groups: Where each group of features ends among the F.
        half_life: Ratings after which two votes of a person have half in common; 0: whatever lies between them.
    """

    user: np.ndarray
    a: np.ndarray
    b: np.ndarray
    y: np.ndarray
    query: np.ndarray
    features: np.ndarray
    comparison: np.ndarray
    since: np.ndarray
    queries: QueryKernel
    groups: tuple[int, ...] = ()
    half_life: float = 0.0

    def __len__(self) -> int:
        return len(self.y)

    @classmethod
    def read(
        cls, history: Dataset, features: Sequence[CandidateFeatures], centre: np.ndarray, half_life: float = 0.0
    ) -> Past:
        """Read the votes of a history, in an order that does not depend on the table's.

        Args:
            history: The visible comparisons.
            features: One for each group of features.
            centre: (D,) what query vectors are centred on.
            half_life: As in `Past`.
        """
        table, votes = history.table, votes_of(history.table)
        keys, query = QueryKeys.of(table).select(votes.comparison).distinct()
        answers = table.response[votes.row_a], table.response[votes.row_b]
        order = np.lexsort((votes.y, *answers, votes.b, votes.a, query, votes.user))
        rows = [part.of_rows(history) for part in features]
        differences = [part[votes.row_a] - part[votes.row_b] for part in rows]
        return cls(
            votes.user[order],
            votes.a[order],
            votes.b[order],
            votes.y[order],
            query[order],
            np.concatenate([np.zeros((len(votes), 0)), *differences], axis=1)[order],
            votes.comparison[order],
            rated_since(table)[votes.comparison[order]],
            QueryKernel.of(keys, history.vectors, centre),
            tuple(int(end) for end in np.cumsum([part.shape[1] for part in rows])),
            half_life,
        )

    def select(self, positions: np.ndarray) -> Past:
        """Return the votes at `positions` (indices or a mask), which must leave a person's side by side."""
        return replace(self, **{name: getattr(self, name)[positions] for name in OF_VOTES})

    def inserted(self, places: np.ndarray, other: Past) -> Past:
        """Return the votes with other ones before `places`, where a person's must stay side by side."""
        columns = {name: np.insert(getattr(self, name), places, getattr(other, name), axis=0) for name in OF_VOTES}
        return replace(self, **columns)

    def where(self, user: int) -> slice:
        """Return where a person's votes stand."""
        return slice(int(np.searchsorted(self.user, user)), int(np.searchsorted(self.user, user, side="right")))

    def people(self, users: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Cut users into batches of people with about equally many votes; who has none is left out.

        Yields:
            (B,) codes of the users and (B, T) positions of their votes, -1 under padding.
        """
        users = np.unique(users)
        first = np.searchsorted(self.user, users)
        count = np.searchsorted(self.user, users, side="right") - first
        order = np.argsort(count, kind="stable")
        order = order[count[order] > 0][::-1]
        while len(order):
            most = int(count[order[0]])
            fits = max(1, NUMBERS_AT_ONCE // most**2)
            size = min(fits, int((count[order] * 1.3 + 3 >= most).sum()))
            part, order = order[:size], order[size:]
            slots = np.arange(most)
            yield users[part], np.where(slots < count[part, None], first[part, None] + slots, -1)


@dataclass(frozen=True, eq=False)
class Parts:
    """Hold the terms of a kernel before their amplitudes: linear, memory, and one for each group of features."""

    linear: np.ndarray
    memory: np.ndarray
    features: tuple[np.ndarray, ...]

    def blend(self, spread: float, memory: float, features: tuple[float, ...]) -> np.ndarray:
        """Return the kernel; `spread` multiplies S."""
        out = self.linear + memory * self.memory if memory else self.linear.copy()
        out *= spread
        for amplitude, part in zip(features, self.features, strict=False):
            if amplitude:
                out += amplitude * part
        return out


class People:
    """Hold the votes of B people, padded to T each, and their kernels.

    Args:
        past: All votes.
        index: (B, T) positions of theirs, -1 under padding.
        shift: (V,) Δf of every vote.
        covariance: (M + 2, M + 2) S.
    """

    def __init__(self, past: Past, index: np.ndarray, shift: np.ndarray, covariance: np.ndarray) -> None:
        at = np.maximum(index, 0)
        self.queries, self.covariance, self.groups = past.queries, covariance, past.groups
        self.since, self.half_life = past.since[at], past.half_life
        self.mask = index >= 0
        self.a, self.b, self.query, self.y = past.a[at], past.b[at], past.query[at], past.y[at]
        self.shift = np.where(self.mask, shift[at], 0.0)
        self.features = past.features[at] * self.mask[:, :, None]
        bias, reliability = len(covariance) - 2, len(covariance) - 1
        rows = covariance[self.a] - covariance[self.b] + covariance[bias]
        rows += self.shift[:, :, None] * covariance[reliability]
        self.rows = rows * self.mask[:, :, None]
        """(B, T, M + 2) S x of every vote."""

    def linear(self) -> np.ndarray:
        """Return the (B, T, T) linear part of the kernel between the votes of each person."""
        bias, reliability = len(self.covariance) - 2, len(self.covariance) - 1
        person, vote = np.arange(len(self.a))[:, None, None], np.arange(self.a.shape[1])[None, :, None]
        found = self.rows[person, vote, self.a[:, None, :]] - self.rows[person, vote, self.b[:, None, :]]
        found += self.rows[:, :, bias, None] + self.rows[:, :, reliability, None] * self.shift[:, None, :]
        return found * self.mask[:, None, :]

    def among(self) -> Parts:
        """Return the (B, T, T) kernel between the votes of each person."""
        kept = remembered(self.covariance)
        left, right = kept[self.a] - kept[self.b], np.arange(self.a.shape[1])[None, :, None]
        person = np.arange(len(self.a))[:, None, None]
        memory = left[person, right, self.a[:, None, :]] - left[person, right, self.b[:, None, :]]
        memory *= self.queries.between(self.query, self.query)
        memory *= self.mask[:, :, None] & self.mask[:, None, :]
        features = tuple(part @ part.swapaxes(1, 2) for part in self._grouped(self.features))
        return self._faded(Parts(self.linear(), memory, features), self.since[:, :, None] - self.since[:, None, :])

    def towards(
        self, row: np.ndarray, candidates: np.ndarray, worth: np.ndarray, similarity: np.ndarray, features: np.ndarray
    ) -> Parts:
        """Return the (C, K, T) kernel between candidates and the votes of the person they are for.

        Args:
            row: (C,) which of the B people asks.
            candidates: (C, K) model codes.
            worth: (C, K) f of each candidate.
            similarity: (C, G) similarities of the queries asked to the known ones.
            features: (C, K, F) features of the candidates.
        """
        reliability, vote = len(self.covariance) - 1, np.arange(self.a.shape[1])
        models = candidates[:, :, None]
        linear = self.rows[row[:, None, None], vote, models]
        linear = linear + worth[:, :, None] * self.rows[row, :, reliability][:, None, :]
        kept = remembered(self.covariance)
        memory = kept[models, self.a[row][:, None, :]] - kept[models, self.b[row][:, None, :]]
        near = np.take_along_axis(similarity, self.query[row], axis=1) * self.mask[row]
        theirs = self._grouped(self.features[row])
        found = tuple(own @ past.swapaxes(1, 2) for own, past in zip(self._grouped(features), theirs, strict=True))
        # A question comes after all that was rated.
        return self._faded(Parts(linear, memory * near[:, None, :], found), self.since[row][:, None, :] + 1)

    def within(self, candidates: np.ndarray, worth: np.ndarray, features: np.ndarray) -> Parts:
        """Return the (C, K, K) prior covariance of what a person adds to the candidates' scores."""
        reliability = len(self.covariance) - 1
        left, right = candidates[:, :, None], candidates[:, None, :]
        leaning = self.covariance[candidates, reliability]
        linear = self.covariance[left, right] + worth[:, :, None] * leaning[:, None, :]
        linear += leaning[:, :, None] * worth[:, None, :]
        linear += worth[:, :, None] * worth[:, None, :] * self.covariance[reliability, reliability]
        found = tuple(part @ part.swapaxes(1, 2) for part in self._grouped(features))
        return Parts(linear, remembered(self.covariance)[left, right], found)

    def _faded(self, parts: Parts, gap: np.ndarray) -> Parts:
        """Return a kernel of a taste that wanders: what lies far apart in time has less in common."""
        if not self.half_life:
            return parts
        left = faded(np.abs(gap), self.half_life)
        return Parts(parts.linear * left, parts.memory * left, tuple(part * left for part in parts.features))

    def _grouped(self, features: np.ndarray) -> list[np.ndarray]:
        return np.split(features, self.groups[:-1], axis=-1) if self.groups else []

    def solve(self, kernel: np.ndarray, start: np.ndarray | None = None) -> np.ndarray:
        """Return (B, T) α, each person's most likely departure from everybody being `kernel` α.

        `start` is an α to begin from; it changes how long this takes, not what is found.
        """
        return laplace_mode(
            lambda x: (kernel @ x[:, :, None])[:, :, 0],
            lambda weight, x: np.linalg.solve(precision(kernel, weight), x[:, :, None])[:, :, 0],
            self.y,
            self.shift,
            self.mask,
            start,
        )

    def chances(self, latent: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (B, T) chances that a wins, and their variances, 0 under padding."""
        chance = expit(latent + self.shift)
        return chance, chance * (1 - chance) * self.mask

    def moments(self, alpha: np.ndarray, kernel: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (B, M + 2) means of (θ, π, ρ), and the sum over people of means' squares and covariances.

        Both read the linear kernel alone.
        """
        mean = np.einsum("bt,btm->bm", alpha, self.rows)
        weight = self.chances((kernel @ alpha[:, :, None])[:, :, 0])[1]
        learned = np.linalg.solve(precision(kernel, weight), weight[:, :, None] * self.rows)
        size = self.rows.shape[2]
        shrunk = self.rows.reshape(-1, size).T @ learned.reshape(-1, size)
        return mean, mean.T @ mean + len(mean) * self.covariance - shrunk


def precision(kernel: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return (B, T, T) I + W K."""
    out, own = weight[:, :, None] * kernel, np.arange(kernel.shape[1])
    out[:, own, own] += 1
    return out


def remembered(covariance: np.ndarray) -> np.ndarray:
    """Return the (M, M) covariance of what a person likes on one kind of query only, from S."""
    own = covariance[:-2, :-2]
    return 0.5 * np.diag(np.diag(own)) + 0.5 * own
