"""Say how alike queries and models are by their texts, as prior covariances."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.sparse import csr_matrix

from gmt.data.dataset import Questions
from gmt.data.interactions import InteractionTable

SAME_QUERY, SAME_TASK, TEXT, TEXT_FLOOR = 0.5, 0.2, 0.3, 0.3
DENSE_QUERIES, COMPONENTS = 1500, 16  # beyond so many queries their similarity keeps so many principal components


def centred(vectors: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """Return (N, D) unit vectors around a centre; zero for a vector that lies on it."""
    moved = np.asarray(vectors, dtype=float) - centre
    length = np.linalg.norm(moved, axis=1, keepdims=True)
    return np.where(length > 1e-6, moved / np.maximum(length, 1e-12), 0.0)


def principal_axes(vectors: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the mean (D,) of (N, D) vectors, their largest variances, ascending, and the (D, R) axes of these."""
    vectors = np.asarray(vectors, dtype=float)
    centre = vectors.mean(axis=0) if len(vectors) else np.zeros(vectors.shape[1])
    size, basis = np.linalg.eigh((vectors - centre).T @ (vectors - centre) / max(len(vectors), 1))
    return centre, size[-count:], basis[:, -count:]


def model_kernels(vectors: np.ndarray, centre: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return two (M, M) prior covariances over models: of their strengths, and of their answers to one query."""
    unit = centred(vectors, centre)
    cosine, own = unit @ unit.T, np.eye(len(unit))
    return 0.3 * own + 0.7 * cosine, 0.7 * own + 0.3 * (0.5 + 0.5 * cosine)


@dataclass(frozen=True, eq=False)
class QueryKeys:
    """Hold what tells N queries apart: (N,) codes of text, question, turn and task.

    An opening query is its text, whatever its source calls it; a later one is also the question it
    belongs to and its turn, for "go on" means something else in every conversation.
    """

    query: np.ndarray
    question: np.ndarray
    turn: np.ndarray
    task: np.ndarray

    def __len__(self) -> int:
        return len(self.query)

    @classmethod
    def of(cls, source: InteractionTable | Questions) -> QueryKeys:
        """Read the keys of every comparison or question."""
        return cls(source.query, np.where(source.turn > 0, source.question, -1), source.turn, source.task)

    def select(self, positions: np.ndarray) -> QueryKeys:
        """Return the keys at `positions`."""
        return QueryKeys(**{name: value[positions] for name, value in vars(self).items()})

    def codes(self) -> dict[tuple[int, int, int], int]:
        """Return key -> its place, for keys that are all different."""
        return {key: code for code, key in enumerate(self.tuples())}

    def tuples(self) -> list[tuple[int, int, int]]:
        """Return the keys one by one, as (text, question, turn)."""
        return list(zip(self.query.tolist(), self.question.tolist(), self.turn.tolist(), strict=True))

    def distinct(self) -> tuple[QueryKeys, np.ndarray]:
        """Return the G different keys in a fixed order, and (N,) which of them each one is."""
        columns = np.stack([self.query, self.question, self.turn], axis=1)
        _, first, code = np.unique(columns, axis=0, return_index=True, return_inverse=True)
        return self.select(first), code.reshape(-1)


@dataclass(frozen=True, eq=False)
class QueryKernel:
    """Measure how alike queries are: the same, of one task, or near in meaning.

    Args:
        keys: G known queries.
        places: (G, R) coordinates whose products are the cosines of the centred text vectors.
        centre: (D,) what text vectors are centred on.
        basis: (D, R) principal components `places` was reduced to; None where it is whole.
    """

    keys: QueryKeys
    places: np.ndarray
    centre: np.ndarray
    basis: np.ndarray | None = None

    @classmethod
    def of(cls, keys: QueryKeys, vectors: np.ndarray, centre: np.ndarray) -> QueryKernel:
        """Place G queries by their (T, D) text vectors, on `COMPONENTS` axes where they are many."""
        places, basis = centred(vectors[keys.query], centre), None
        if len(keys) > DENSE_QUERIES:
            basis = np.linalg.eigh(places.T @ places)[1][:, -COMPONENTS:]
            places = places @ basis
        return cls(keys, places, centre, basis)

    def extended(self, keys: QueryKeys, vectors: np.ndarray) -> QueryKernel:
        """Return the kernel with more known queries behind the others, which keep their coordinates."""
        places = centred(vectors[keys.query], self.centre)
        places = places if self.basis is None else places @ self.basis
        both = {name: np.concatenate([getattr(self.keys, name), getattr(keys, name)]) for name in vars(keys)}
        return replace(self, keys=QueryKeys(**both), places=np.concatenate([self.places, places]))

    @cached_property
    def _dense(self) -> np.ndarray | None:
        """(G, G) similarities, None where the queries are too many to keep them."""
        if self.basis is not None:
            return None
        return self._join(self.keys, self.places, np.arange(len(self.keys))[:, None] == np.arange(len(self.keys)))

    def _join(self, keys: QueryKeys, places: np.ndarray, same: np.ndarray) -> np.ndarray:
        task = same | ((keys.task[:, None] == self.keys.task) & (keys.task[:, None] >= 0))
        return SAME_QUERY * same + SAME_TASK * task + TEXT * (TEXT_FLOOR + (1 - TEXT_FLOOR) * places @ self.places.T)

    def to_known(self, asked: QueryKeys, vectors: np.ndarray) -> np.ndarray:
        """Return (C, G) similarities of C queries, known or not, to the known ones.

        Args:
            asked: C queries.
            vectors: (T, D) text vectors that `asked.query` points into.
        """
        places = centred(vectors[asked.query], self.centre)
        places = places if self.basis is None else places @ self.basis
        known = self.keys
        same = (asked.query[:, None] == known.query) & (asked.turn[:, None] == known.turn)
        same &= asked.question[:, None] == known.question
        return self._join(asked, places, same)

    def between(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Return similarities of known queries, (B, T) codes against (B, S), as (B, T, S)."""
        left, right = first[:, :, None], second[:, None, :]
        if self._dense is not None:
            return self._dense[left, right]
        same, task = left == right, self.keys.task
        alike = same | ((task[left] == task[right]) & (task[left] >= 0))
        text = self.places[first] @ self.places[second].swapaxes(1, 2)
        return SAME_QUERY * same + SAME_TASK * alike + TEXT * (TEXT_FLOOR + (1 - TEXT_FLOOR) * text)

    def apply(self, values: np.ndarray) -> np.ndarray:
        """Multiply (G, N) values by the (G, G) similarities, which are never formed where queries are many."""
        if self._dense is not None:
            return self._dense @ values
        out = SAME_QUERY * values + TEXT * TEXT_FLOOR * values.sum(axis=0)
        out += TEXT * (1 - TEXT_FLOOR) * (self.places @ (self.places.T @ values))
        return out + SAME_TASK * self._tasks @ (self._tasks.T @ values)

    @cached_property
    def _tasks(self) -> csr_matrix:
        """(G, tasks) true where a query is of a task; queries without one are alone in theirs."""
        task = self.keys.task
        code = np.unique(np.where(task >= 0, task, -1 - np.arange(len(task))), return_inverse=True)[1].reshape(-1)
        return csr_matrix((np.ones(len(task)), (np.arange(len(task)), code)))
