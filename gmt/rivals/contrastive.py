"""Rank models in a learned space in which a query lies near the models that answer it well."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import nn

from gmt.data.dataset import Dataset, Questions
from gmt.data.interactions import TRAIN, InteractionTable
from gmt.errors import DataError
from gmt.model.eager_adamw import EagerAdamW
from gmt.model.seeding import seeded
from gmt.rivals.rival import Rival, entry
from gmt.routing.one_thread import one_thread

WIDTH, STEPS, BATCH, RATE, DECAY, TEMPERATURE, BETWEEN = 64, 200, 256, 5e-3, 1.0, 0.2, 0.2


@dataclass(frozen=True, eq=False)
class QueryRatings:
    """Hold what was rated for each of Q queries, averaged over users.

    Args:
        query, task: (Q,) codes; the task is -1 where unknown.
        count, mean: (Q, M) numbers and means of the ratings, 0 where there are none.
    """

    query: np.ndarray
    task: np.ndarray
    count: np.ndarray
    mean: np.ndarray

    @classmethod
    def of(cls, table: InteractionTable) -> QueryRatings:
        """Read the rated rows of a table."""
        models, rows = len(table.models), np.flatnonzero(~np.isnan(table.rating))
        at = table.row_comparison[rows]
        queries, of = np.unique(table.query[at], return_inverse=True)
        cell = of.reshape(-1) * models + table.model[rows]
        count = np.bincount(cell, minlength=len(queries) * models).reshape(-1, models)
        total = np.bincount(cell, table.rating[rows], len(queries) * models).reshape(-1, models)
        task = np.full(len(queries), -1)
        # Where rows of one query name several tasks, the last one stands.
        task[of.reshape(-1)] = table.task[at]
        return cls(queries, task, count, total / np.maximum(count, 1))

    def best(self) -> np.ndarray:
        """Return (Q, M) the share of each model in the first place, which equally good ones divide."""
        mean = np.where(self.count > 0, self.mean, -np.inf)
        top = mean == mean.max(axis=1, keepdims=True, initial=-np.inf)
        return top / np.maximum(top.sum(axis=1, keepdims=True), 1)


class DualContrastive(Rival):
    """Score a model by the cosine of its learned vector with the projected query, the same for everybody.

    Source: RouterDC (arXiv 2409.19886); simplified: frozen text vectors under one linear map, ratings averaged over
    users, the best model against all others, and queries of one task drawn together.

    Args:
        seed: Of weights and batches.
    """

    name, saved = "dual_contrastive", ("seed",)

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self.projection, self.vectors = np.zeros((WIDTH, 0), np.float32), np.zeros((0, WIDTH), np.float32)

    def fit(self, data: Dataset) -> Self:
        """Learn the map and the models' vectors from the TRAIN ratings."""
        # 1. Queries that have something to teach, and the models that were best on them.
        known = QueryRatings.of(data.table.select(data.table.split == TRAIN))
        several = np.flatnonzero((known.count > 0).sum(axis=1) > 1)  # elsewhere nothing is compared
        generator = np.random.default_rng([self.seed, 17])
        # 2. Layers initialise themselves from the default generator and take no other.
        with seeded(self.seed):
            project = nn.Linear(data.vectors.shape[1], WIDTH, bias=False)
            vectors = nn.Parameter(torch.randn(known.count.shape[1], WIDTH))
        optimiser = EagerAdamW([*project.parameters(), vectors], RATE, weight_decay=DECAY)
        rated, best = known.count > 0, known.best()
        # 3. Each query is drawn to the models that were best on it, and to other queries of its task.
        for _ in range(STEPS if len(several) else 0):
            part = generator.choice(several, min(BATCH, len(several)), replace=False)
            texts = torch.as_tensor(data.vectors[known.query[part]]).float()
            place = nn.functional.normalize(project(texts), dim=1)
            near = place @ nn.functional.normalize(vectors, dim=1).T / TEMPERATURE
            # A model without a rating on the query is no negative: nothing says that it answers worse.
            near = near.masked_fill(~torch.from_numpy(rated[part]), -torch.inf)
            between = _between(place, torch.from_numpy(known.task[part]))
            loss = _against_others(near, torch.from_numpy(best[part])) + BETWEEN * between
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        self.projection = project.weight.detach().numpy()
        self.vectors = nn.functional.normalize(vectors.detach(), dim=1).numpy()
        return self

    def score(self, history: Dataset, questions: Questions) -> np.ndarray:
        """Score (C, K) candidates by nearness; a model that was not trained stands in the middle of all.

        Raises:
            DataError: The router was not fitted.
        """
        if not self.projection.size:
            raise DataError("dual_contrastive was not fitted; fit it before it scores")
        vectors = np.tile(self.vectors.mean(axis=0), (len(history.table.models), 1))
        vectors[: len(self.vectors)] = self.vectors
        with one_thread():
            place = history.vectors[questions.query] @ self.projection.T
        place = place / np.maximum(np.linalg.norm(place, axis=1, keepdims=True), 1e-9)
        scores = np.einsum("cw,ckw->ck", place, vectors[np.maximum(questions.candidates, 0)]).astype(float)
        return np.where(questions.mask, scores, -np.inf)

    def state_dict(self) -> dict[str, np.ndarray]:
        """Return the map (W, D) and the models' vectors (M, W)."""
        return super().state_dict() | {"projection": self.projection, "vectors": self.vectors}

    def load_state_dict(self, state: Mapping[str, np.ndarray]) -> Self:
        """Take over what `state_dict` returned."""
        self.projection, self.vectors = (entry(state, name, self.name) for name in ("projection", "vectors"))
        return super().load_state_dict(state)


def _against_others(near: torch.Tensor, best: torch.Tensor) -> torch.Tensor:
    """Return the mean cross entropy of (B, M) logits, -inf where unrated, with (B, M) shares of the first place."""
    chance = torch.log_softmax(near, dim=1)
    # Filled before the product, for 0 times -inf is NaN.
    return -(best.to(chance.dtype) * chance.masked_fill(best == 0, 0.0)).sum(dim=1).mean()


def _between(place: torch.Tensor, task: torch.Tensor) -> torch.Tensor:
    """Return the contrastive loss of queries of one task against those of others."""
    same = (task[:, None] == task[None, :]) & (task >= 0)[:, None]
    # A query is no positive of itself.
    same.fill_diagonal_(False)
    near = (place @ place.T / TEMPERATURE).masked_fill(torch.eye(len(place), dtype=torch.bool), -torch.inf)
    chance = torch.log_softmax(near, dim=1).masked_fill(~same, 0.0)
    # A query that is alone with its task in the batch has nothing to be near to.
    has = same.any(dim=1)
    return -(chance.sum(dim=1) / same.sum(dim=1).clamp_min(1))[has].mean() if has.any() else near.new_zeros(())
