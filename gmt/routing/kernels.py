"""Say how alike queries and models are by their texts, as prior covariances."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.sparse import csr_matrix

from gmt.routing.conversation_reading import ReadQueries
from gmt.routing.query_keys import QueryKeys
from gmt.routing.row_parts import row_parts

# The parts of K_q add up to 1 for a query with itself, so that quality_variance is the variance of one answer.
SAME_QUERY = 0.5
"""Share of K_q that only the very same query has: much of an answer's quality is predicted by no other query."""
SAME_TASK = 0.2
"""Share of K_q that queries of one task have in common."""
TEXT = 0.3
"""Share of K_q that depends on what the texts say."""
TEXT_FLOOR = 0.3
"""Share of `TEXT` that any two queries have, for models good at one kind of query are often good at others."""
DENSE_QUERIES = 1500
"""Beyond so many queries their (G, G) similarities are not formed, and their texts keep `QUERY_COMPONENTS` axes."""
STRENGTH_SHARES, ANSWER_SHARES = (0.3, 0.7), (0.7, 0.15)
"""Of K_b and of K_m: what a model has for itself, and what goes with the cosine of the texts."""
ANSWER_CONSTANT = 0.15
"""Of K_m: what the answers of all models to one query share."""
MANY_MODELS = 300
"""Beyond so many models no sum over all of them is formed for each query, and S stays what the texts say."""
QUERY_COMPONENTS = 16
"""Principal components of the queries' texts that are kept then."""


def centred(vectors: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """Return (N, D) unit vectors around a centre; zero for a vector that lies on it."""
    moved = np.asarray(vectors, dtype=float) - centre
    # Most text vectors share a large common part; around the centre their cosines use the whole range.
    length = np.linalg.norm(moved, axis=1, keepdims=True)
    return np.where(length > 1e-6, moved / np.maximum(length, 1e-12), 0.0)


def principal_axes(vectors: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the mean (D,) of (N, D) vectors, their largest variances, ascending, and the (D, R) axes of these."""
    vectors = np.asarray(vectors, dtype=float)
    centre = vectors.mean(axis=0) if len(vectors) else np.zeros(vectors.shape[1])
    # `eigh` orders by size, ascending: the largest stand last.
    size, basis = np.linalg.eigh((vectors - centre).T @ (vectors - centre) / max(len(vectors), 1))
    return centre, size[-count:], basis[:, -count:]


def model_kernels(vectors: np.ndarray, centre: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return two (M, M) prior covariances over models: K_b of their strengths, K_m of their answers to one query.

    K_b = 0.3 I + 0.7 C and K_m = 0.7 I + 0.3 (0.5 + 0.5 C), where C holds the cosines of the descriptions around a
    centre: strengths follow from what a model is, an answer to one query mostly does not.

    Args:
        vectors: (M, D) text vectors of the descriptions.
        centre: (D,) what they are centred on.
    """
    unit = centred(vectors, centre)
    cosine, own = unit @ unit.T, np.eye(len(unit))
    return 0.3 * own + 0.7 * cosine, 0.7 * own + 0.3 * (0.5 + 0.5 * cosine)


@dataclass(frozen=True, eq=False)
class QueryKernel:
    """Measure how alike queries are: the same, of one task, or near in meaning.

    K_q(q, r) = 0.5 [q = r] + 0.2 [same task] + 0.3 (0.3 + 0.7 cos(q, r)), a sum of positive definite kernels.

    Source: Rasmussen and Williams, Gaussian Processes for Machine Learning (2006), section 4.2.4, for sums of kernels.

    Args:
        keys: G known queries.
        coordinates: (G, R) coordinates whose products are the cosines of the centred text vectors.
        centre: (D,) what text vectors are centred on.
        basis: (D, R) principal components `coordinates` was reduced to; None where it is whole.
        beginning: The coordinates of the kernel that this one was extended from.
    """

    keys: QueryKeys
    coordinates: np.ndarray
    centre: np.ndarray
    basis: np.ndarray | None = None
    beginning: np.ndarray | None = None

    @classmethod
    def of(cls, read: ReadQueries, centre: np.ndarray, models: int = 0) -> QueryKernel:
        """Give G queries coordinates by their vectors.

        These are on `QUERY_COMPONENTS` axes where the queries are more than `DENSE_QUERIES` or models than
        `MANY_MODELS`.
        """
        # A kernel that is kept as a matrix has whole coordinates; `basis` is thus what says which form it has.
        if len(read) <= DENSE_QUERIES and models <= MANY_MODELS:
            return cls(read.keys, centred(read.vectors, centre), centre)
        cuts = row_parts(len(read), len(centre))
        whole = [centred(read.vectors, centre)] if len(cuts) == 1 else None

        def parts() -> Iterable[np.ndarray]:
            # The vectors of very many queries are read twice, for in double precision they would not fit in memory.
            return whole or (centred(read.select(cut).vectors, centre) for cut in cuts)

        # Not centred again: products of coordinates are to stay the cosines, as near as few axes allow.
        basis = np.linalg.eigh(sum(part.T @ part for part in parts()))[1][:, -QUERY_COMPONENTS:]
        return cls(read.keys, np.concatenate([part @ basis for part in parts()]), centre, basis)

    def select(self, codes: np.ndarray) -> QueryKernel:
        """Return the kernel of some of the known queries, which get new codes."""
        return replace(self, keys=self.keys.select(codes), coordinates=self.coordinates[codes], beginning=None)

    def begins_with(self, other: QueryKernel) -> bool:
        """Tell whether the first known queries are the other's: it is the other, or was extended from it."""
        # By identity, which costs nothing; arrays of coordinates are never written into.
        return other.coordinates is self.coordinates or other.coordinates is self.beginning

    def extended(self, read: ReadQueries) -> QueryKernel:
        """Return the kernel with more known queries behind the others, which keep their coordinates."""
        coordinates = self._coordinates(read)
        # The first beginning is kept through any number of extensions, for f was fitted to it.
        first = self.coordinates if self.beginning is None else self.beginning
        longer = np.concatenate([self.coordinates, coordinates])
        return replace(self, keys=self.keys.joined(read.keys), coordinates=longer, beginning=first)

    @cached_property
    def _dense(self) -> np.ndarray | None:
        """(G, G) similarities, None where the queries are too many to keep them."""
        if self.basis is not None:
            return None
        return self._join(self.keys, self.coordinates, np.arange(len(self.keys))[:, None] == np.arange(len(self.keys)))

    def _join(self, keys: QueryKeys, coordinates: np.ndarray, same: np.ndarray) -> np.ndarray:
        """Return the (N, G) similarities of N queries to the known ones, given which are the same."""
        # A query without a task is of one task with itself alone, so that the diagonal is 1 for every query.
        task = same | ((keys.task[:, None] == self.keys.task) & (keys.task[:, None] >= 0))
        return (
            SAME_QUERY * same
            + SAME_TASK * task
            + TEXT * (TEXT_FLOOR + (1 - TEXT_FLOOR) * coordinates @ self.coordinates.T)
        )

    def to_known(self, targets: ReadQueries) -> np.ndarray:
        """Return (C, G) similarities of C queries, known or not, to the known ones."""
        return self._join(targets.keys, self._coordinates(targets), targets.keys.same_as(self.keys))

    def _coordinates(self, read: ReadQueries) -> np.ndarray:
        coordinates = centred(read.vectors, self.centre)
        return coordinates if self.basis is None else coordinates @ self.basis

    def between(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Return similarities of known queries, (B, T) codes against (B, S), as (B, T, S)."""
        left, right = first[:, :, None], second[:, None, :]
        if self._dense is not None:
            return self._dense[left, right]
        same, task = left == right, self.keys.task
        alike = same | ((task[left] == task[right]) & (task[left] >= 0))
        text = self.coordinates[first] @ self.coordinates[second].swapaxes(1, 2)
        return SAME_QUERY * same + SAME_TASK * alike + TEXT * (TEXT_FLOOR + (1 - TEXT_FLOOR) * text)

    def parts(self, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Take the similarities of (N,) known queries apart, so that they need not be formed.

        K_q(i, j) = own_i [i = j] + shared_i · shared_j + SAME_TASK [tasks equal], where a task is not -1.

        Returns:
            (N,) own, (N, R + 1) shared, and (N,) tasks, -1 for none.
        """
        task = self.keys.task[codes]
        own = SAME_QUERY + SAME_TASK * (task < 0)
        # Roots of both weights, for every coordinate meets one of the other query.
        constant = np.full((len(codes), 1), np.sqrt(TEXT * TEXT_FLOOR))
        shared = np.concatenate([constant, np.sqrt(TEXT * (1 - TEXT_FLOOR)) * self.coordinates[codes]], axis=1)
        return own, shared, np.where(task >= 0, task, -1)

    def dense(self, codes: np.ndarray) -> np.ndarray | None:
        """Return the (N, N) similarities of (N,) known queries, None where they are not kept."""
        return None if self._dense is None else self._dense[np.ix_(codes, codes)]

    def apply(self, values: np.ndarray) -> np.ndarray:
        """Multiply (G, N) values by the (G, G) similarities, which are never formed where queries are many."""
        if self._dense is not None:
            return self._dense @ values
        # The same sum of kernels, each applied by its own low-rank form: identity, a constant, cosines, tasks.
        out = SAME_QUERY * values + TEXT * TEXT_FLOOR * values.sum(axis=0)
        out += TEXT * (1 - TEXT_FLOOR) * (self.coordinates @ (self.coordinates.T @ values))
        return out + SAME_TASK * self._tasks @ (self._tasks.T @ values)

    @cached_property
    def _tasks(self) -> csr_matrix:
        """(G, tasks) true where a query is of a task; queries without one are alone in theirs."""
        task = self.keys.task
        # Negative codes, each used once, cannot meet those of tasks.
        code = np.unique(np.where(task >= 0, task, -1 - np.arange(len(task))), return_inverse=True)[1].reshape(-1)
        return csr_matrix((np.ones(len(task)), (np.arange(len(task)), code)))
