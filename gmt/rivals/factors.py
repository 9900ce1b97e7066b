"""Fit strengths of models and factors of users and queries, from votes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.optimize import minimize
from scipy.sparse import csc_matrix, csr_matrix, hstack
from scipy.special import expit

from gmt.data.dataset import Dataset, Questions
from gmt.data.growing_rows import Vectors
from gmt.routing.pairwise import Votes

ITERATIONS, TOLERANCE = 150, 1e-3
START = 0.3  # length of the first factors against what their strongest pull would make it


@dataclass(frozen=True)
class FactorSettings:
    """Hold what a fit of factors may choose.

    Args:
        rank: R, factors of a model.
        user, query: Prior variances of a user's and of the query's weights; 0 leaves them out.
        strength: Prior variance of a model's strength.
    """

    rank: int = 16
    user: float = 0.03
    query: float = 0.1
    strength: float = 1.0


@dataclass(frozen=True, eq=False)
class FactorProblem:
    """Hold V votes as logit = Δ (strength + P hᵀ) with h = Z C, and what priors add to their loss.

    Args:
        context: Z, (V, F) what is known of user and query, each column scaled by its prior's deviation.
        pair: Δ, (V, M) 1 at the model shown first, -1 at the other.
        y: (V,) outcomes, 0.5 for a tie.
        settings: Rank R and the strengths' variance; P (M, R) and C (F, R) have the variance 1.
    """

    context: csr_matrix
    pair: csr_matrix
    y: np.ndarray
    settings: FactorSettings

    @classmethod
    def of(cls, context: csr_matrix, votes: Votes, models: int, settings: FactorSettings) -> FactorProblem:
        """State the problem of V votes whose contexts are the rows of `context`."""
        count, rows = len(votes), np.arange(len(votes))
        sides = np.repeat([1.0, -1.0], count), (np.tile(rows, 2), np.concatenate([votes.a, votes.b]))
        return cls(context, csr_matrix(sides, shape=(count, models)), votes.y, settings)

    def split(self, parameters: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Cut a flat vector into strengths (M,), P (M, R) and C (F, R)."""
        models, rank = self.pair.shape[1], self.settings.rank
        factors = parameters[models:].reshape(-1, rank) if rank else np.zeros((models + self.context.shape[1], 0))
        return parameters[:models], factors[:models], factors[models:]

    def loss(self, parameters: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the penalised -log likelihood of (M + M R + F R,) parameters and its gradient."""
        strength, own, weights = self.split(parameters)
        apart, context = self.pair @ own, self.context @ weights  # (V, R) each
        logit = self.pair @ strength + (apart * context).sum(axis=1)
        error = expit(logit) - self.y
        # log(1 + e^x) - y x is the cross entropy, without the log of a chance that has rounded to 0.
        loss = (np.logaddexp(0, logit) - self.y * logit).sum()
        loss += strength @ strength / (2 * self.settings.strength) + ((own**2).sum() + (weights**2).sum()) / 2
        gradient = [
            self._pair_back @ error + strength / self.settings.strength,
            (self._pair_back @ (error[:, None] * context) + own).ravel(),
            (self._context_back @ (error[:, None] * apart) + weights).ravel(),
        ]
        return float(loss), np.concatenate(gradient)

    @cached_property
    def _pair_back(self) -> csc_matrix:
        """Δᵀ, (M, V); kept, for a search asks for the loss a hundred times."""
        return self.pair.T

    @cached_property
    def _context_back(self) -> csc_matrix:
        """Zᵀ, (F, V)."""
        return self.context.T

    def start(self, strength: np.ndarray) -> np.ndarray:
        """Return (M + M R + F R,) parameters, factors along the strongest pulls that strengths leave unexplained.

        Factors of 0 never leave 0, and are the optimum where a pull is weaker than the prior, 1.
        """
        error = self.y - expit(self.pair @ strength)
        pull = csr_matrix(self.context.T.multiply(error)) @ self.pair  # (F, M)
        left, size, right = np.linalg.svd(pull.toarray(), full_matrices=False)
        rank = self.settings.rank
        factors = np.zeros((len(strength) + pull.shape[0], rank))
        # A pull of size 1 is what the prior outweighs, so only what exceeds it gets a length.
        length = START * np.sqrt(np.maximum(size[:rank] - 1, 0))
        factors[:, : len(length)] = np.concatenate([right[:rank].T, left[:, :rank]]) * length
        return np.concatenate([strength, factors.ravel()])

    def solve(self, strength: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the likeliest strengths (M,), P (M, R) and C (F, R), searched from (M,) `strength`."""
        found = minimize(
            self.loss,
            self.start(strength),
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": ITERATIONS, "gtol": TOLERANCE, "ftol": 1e-6},
        )
        return self.split(found.x)


@dataclass(frozen=True, eq=False)
class Contexts:
    """Turn users and queries into features: a column per user, and principal components of the query's text.

    Args:
        users: U, the size of the vocabulary.
        centre: (D,) mean of the visible queries' vectors.
        basis: (D, A) their principal components, scaled so that a visible query has length 1 on average.
        settings: The variances that scale the columns.
    """

    users: int
    centre: np.ndarray
    basis: np.ndarray
    settings: FactorSettings

    @classmethod
    def of(cls, history: Dataset, axes: int, settings: FactorSettings) -> Contexts:
        """Find at most `axes` components of the queries of a history."""
        known = history.vectors[np.unique(history.table.query)].astype(float)
        centre = known.mean(axis=0) if len(known) else np.zeros(history.vectors.shape[1])
        apart = known - centre
        wide = len(apart) <= len(centre)  # else the (D, D) products have the same components and are smaller
        basis = np.linalg.svd(apart if wide else apart.T @ apart, full_matrices=False)[2][:axes].T
        length = np.sqrt(((apart @ basis) ** 2).sum() / max(len(known), 1))
        return cls(len(history.table.users), centre, basis / length if length > 1e-6 else 0 * basis, settings)

    def features(self, user: np.ndarray, query: np.ndarray, vectors: Vectors) -> csr_matrix:
        """Return (N, F) features of N users and query codes into (T, D) vectors; an unknown user's column is empty."""
        # Each distinct text is projected once, however many rows ask it.
        codes, of = np.unique(query, return_inverse=True)
        text = ((vectors[codes].astype(float) - self.centre) @ self.basis)[of.reshape(-1)]
        rows = np.flatnonzero(user >= 0)
        one = csr_matrix((np.ones(len(rows)), (rows, user[rows])), shape=(len(user), self.users))
        # Columns scaled by the prior deviation: every weight then has the prior variance 1.
        blocks = [one * np.sqrt(self.settings.user)] if self.settings.user else []
        blocks += [csr_matrix(text * np.sqrt(self.settings.query))] if self.settings.query else []
        return csr_matrix(hstack(blocks)) if blocks else csr_matrix((len(user), 0))


@dataclass(frozen=True, eq=False)
class Factors:
    """Hold fitted strengths (M,), factors of models (M, R) and weights of context features (F, R)."""

    contexts: Contexts
    strength: np.ndarray
    models: np.ndarray
    weights: np.ndarray

    def score(self, questions: Questions, vectors: Vectors) -> np.ndarray:
        """Return (C, K) scores of the candidates, -inf under padding, given (T, D) text vectors."""
        candidates = np.maximum(questions.candidates, 0)
        context = self.contexts.features(questions.user, questions.query, vectors) @ self.weights  # (C, R)
        scores = self.strength[candidates] + (self.models[candidates] * context[:, None, :]).sum(axis=2)
        return np.where(questions.mask, scores, -np.inf)
