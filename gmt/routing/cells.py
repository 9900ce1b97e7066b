"""Estimate how good each model's answer to each query is for everybody, sharing what is learned between texts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.sparse import csr_matrix
from scipy.special import expit

from gmt.data.dataset import Dataset, Questions
from gmt.data.interactions import InteractionTable

SAME_QUERY, SAME_TASK, TEXT, TEXT_FLOOR = 0.5, 0.2, 0.3, 0.3
DENSE_QUERIES, COMPONENTS = 1500, 16  # beyond so many queries their similarity keeps so many principal components
NEWTON_STEPS, NEWTON_TOLERANCE, SOLVE_STEPS, SOLVE_TOLERANCE = 12, 1e-7, 400, 1e-8


def centred(vectors: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """Return (N, D) unit vectors around a centre; zero for a vector that lies on it."""
    moved = np.asarray(vectors, dtype=float) - centre
    length = np.linalg.norm(moved, axis=1, keepdims=True)
    return np.where(length > 1e-6, moved / np.maximum(length, 1e-12), 0.0)


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


@dataclass(frozen=True, eq=False)
class CellPrior:
    """Hold the normal prior of f, the worth of every model's answer to every query.

    cov f(q, m), f(r, n) = base · K_b(m, n) + cells · K_q(q, r) · K_m(m, n).

    Args:
        queries: K_q over the G queries that were voted on.
        strengths, answers: (M, M) K_b and K_m.
        base, cells: Variances of the strength shared by all queries, and of an answer around it.
    """

    queries: QueryKernel
    strengths: np.ndarray
    answers: np.ndarray
    base: float
    cells: float

    def apply(self, weights: np.ndarray) -> np.ndarray:
        """Multiply (G · M, N) numbers, one a cell, by the prior covariance."""
        models, queries = len(self.strengths), len(self.queries.keys)
        shaped = weights.reshape(queries, models, -1)
        local = self.queries.apply(shaped.reshape(queries, -1)).reshape(shaped.shape)
        out = self.cells * np.einsum("mk,gkn->gmn", self.answers, local, optimize=True)
        return (out + self.base * np.tensordot(self.strengths, shaped.sum(axis=0), 1)).reshape(weights.shape)


@dataclass(frozen=True, eq=False)
class CellFit:
    """Hold the posterior of f given votes: y is 1 with chance sigmoid(scale · (f_a - f_b) + offset).

    Args:
        prior: What f was before.
        design: (V, G · M) rows that take scale · (f_a - f_b).
        residual: (V,) y less its chance; with it f = prior covariance · designᵀ residual.
        curvature: (V,) chance · (1 - chance).
    """

    prior: CellPrior
    design: csr_matrix
    residual: np.ndarray
    curvature: np.ndarray

    @cached_property
    def weights(self) -> np.ndarray:
        """(G, M) weight of every cell in the posterior mean of all others."""
        return (self.design.T @ self.residual).reshape(-1, len(self.prior.strengths))

    @cached_property
    def base(self) -> np.ndarray:
        """(M,) strength of every model on a query unlike all others."""
        return self.prior.base * self.prior.strengths @ self.weights.sum(axis=0)

    @cached_property
    def _answers(self) -> np.ndarray:
        return self.prior.cells * self.weights @ self.prior.answers

    @cached_property
    def known(self) -> np.ndarray:
        """(G, M) posterior mean at the queries that were voted on."""
        return self.base + self.prior.queries.apply(self._answers)

    def mean(self, similarity: np.ndarray) -> np.ndarray:
        """Return the (C, M) posterior mean at C queries with (C, G) similarities to the known ones."""
        return self.base + similarity @ self._answers

    def covariance(self, similarity: np.ndarray, candidates: np.ndarray) -> np.ndarray:
        """Return the (K, K) posterior covariance of one query's candidates.

        Args:
            similarity: (G,) similarities of the query to the known ones.
            candidates: (K,) model codes.
        """
        prior, chosen = self.prior, np.ix_(candidates, candidates)
        # (G, M, K) prior covariance of every known cell with every candidate.
        cross = prior.base * prior.strengths[:, candidates][None] + (
            prior.cells * similarity[:, None, None] * prior.answers[:, candidates][None]
        )
        root = np.sqrt(self.curvature)[:, None]
        seen = root * (self.design @ cross.reshape(-1, len(candidates)))
        solved = _solve(self._precision, seen, np.zeros_like(seen), SOLVE_TOLERANCE)
        return prior.base * prior.strengths[chosen] + prior.cells * prior.answers[chosen] - seen.T @ solved

    @cached_property
    def _precision(self) -> Callable[[np.ndarray], np.ndarray]:
        return _precision(self.prior, self.design, self.curvature)


def fit_cells(
    prior: CellPrior,
    query: np.ndarray,
    a: np.ndarray,
    b: np.ndarray,
    y: np.ndarray,
    scale: np.ndarray | None = None,
    offset: np.ndarray | None = None,
    start: CellFit | None = None,
) -> CellFit:
    """Find the most likely f by Newton's method in the space of votes.

    Each step solves (I + W^½ K W^½) by conjugate gradients; K is applied as a product over queries
    and models, so no matrix over cells is ever formed.

    Source: Rasmussen and Williams, Gaussian Processes for Machine Learning (2006), algorithm 3.1.

    Args:
        prior: The prior of f.
        query: (V,) which known query each vote is about.
        a, b: (V,) models.
        y: (V,) 1 where a won, 0 where b did, 0.5 for a tie.
        scale, offset: (V,) as in `CellFit`; 1 and 0 by default.
        start: A fit of the same votes to begin from.
    """
    count, models = len(y), len(prior.strengths)
    scale = np.ones(count) if scale is None else scale
    offset = np.zeros(count) if offset is None else offset
    rows = np.tile(np.arange(count), 2)
    cells = np.concatenate([query * models + a, query * models + b])
    shape = (count, len(prior.queries.keys) * models)
    design = csr_matrix((np.concatenate([scale, -scale]), (rows, cells)), shape=shape)
    residual = np.zeros(count) if start is None else start.residual
    latent = design @ prior.apply(design.T @ residual[:, None])
    solved = np.zeros((count, 1))
    for _ in range(NEWTON_STEPS if count else 0):
        chance = expit(latent[:, 0] + offset)
        root = np.sqrt(chance * (1 - chance))[:, None]
        target = root**2 * latent + (y - chance)[:, None]
        known = design @ prior.apply(design.T @ target)
        apply = _precision(prior, design, root[:, 0] ** 2)
        solved = _solve(apply, root * known, solved, SOLVE_TOLERANCE)
        residual = (target - root * solved)[:, 0]
        before, latent = latent, design @ prior.apply(design.T @ residual[:, None])
        if np.abs(latent - before).max() < NEWTON_TOLERANCE:
            break
    chance = expit(latent[:, 0] + offset)
    return CellFit(prior, design, residual, chance * (1 - chance))


def _precision(prior: CellPrior, design: csr_matrix, curvature: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Return the product with I + W^½ K W^½ of (V, N) numbers."""
    root = np.sqrt(curvature)[:, None]
    return lambda x: x + root * (design @ prior.apply(design.T @ (root * x)))


def _solve(
    apply: Callable[[np.ndarray], np.ndarray], right: np.ndarray, start: np.ndarray, tolerance: float
) -> np.ndarray:
    """Solve N symmetric positive definite systems at once by conjugate gradients.

    Args:
        apply: Product of the matrix with (V, N) numbers.
        right, start: (V, N) right-hand sides and first guesses.
        tolerance: Norm of a residual, relative to its right-hand side, that is good enough.
    """
    x, rest = start, right - apply(start)
    direction, size = rest, (rest**2).sum(axis=0)
    enough = tolerance**2 * (right**2).sum(axis=0)
    for _ in range(SOLVE_STEPS):
        if (size <= enough).all():
            break
        along = apply(direction)
        step = size / np.maximum((direction * along).sum(axis=0), 1e-300)
        x, rest = x + step * direction, rest - step * along
        before, size = size, (rest**2).sum(axis=0)
        direction = rest + size / np.maximum(before, 1e-300) * direction
    return x


def known_queries(data: Dataset, comparisons: np.ndarray, centre: np.ndarray) -> tuple[QueryKernel, np.ndarray]:
    """Return the kernel over the queries of `comparisons`, and (V,) which of them each one asks."""
    keys, code = QueryKeys.of(data.table).select(comparisons).distinct()
    return QueryKernel.of(keys, data.vectors, centre), code
