"""Offer a rival that learns a space in which a query lies near the models that answer it well."""

from __future__ import annotations

from typing import Self

import numpy as np
import torch
from threadpoolctl import threadpool_limits
from torch import nn

from gmt.data.dataset import Dataset, Questions
from gmt.data.interactions import TRAIN

WIDTH, STEPS, BATCH, RATE, DECAY, TEMPERATURE, BETWEEN = 64, 200, 256, 5e-3, 1.0, 0.2, 0.2


class DualContrastive:
    """Score a model by the cosine of its learned vector with the projected query, the same for everybody.

    Source: RouterDC (arXiv 2409.19886); simplified: frozen text vectors under one linear map, ratings averaged over
    people, the best model against all others, and queries of one task drawn together.

    Args:
        seed: Of weights and batches.
    """

    name = "dual_contrastive"

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self._space: tuple[np.ndarray, np.ndarray] | None = None

    def fit(self, data: Dataset) -> Self:
        """Learn the map and the models' vectors from the TRAIN ratings."""
        table = data.table.select(data.table.split == TRAIN)
        models = len(table.models)
        rows = np.flatnonzero(~np.isnan(table.rating))
        queries, at = np.unique(table.query[table.row_comparison[rows]], return_inverse=True)
        cell = at.reshape(-1) * models + table.model[rows]
        count = np.bincount(cell, minlength=len(queries) * models).reshape(-1, models)
        mean = np.bincount(cell, table.rating[rows], len(queries) * models).reshape(-1, models) / np.maximum(count, 1)
        task = np.full(len(queries), -1)
        task[np.searchsorted(queries, table.query)] = table.task
        several = np.flatnonzero((count > 0).sum(axis=1) > 1)
        generator = np.random.default_rng([self.seed, 17])
        torch.manual_seed(self.seed)
        project = nn.Linear(data.vectors.shape[1], WIDTH, bias=False)
        vectors = nn.Parameter(torch.randn(models, WIDTH))
        optimiser = torch.optim.AdamW([*project.parameters(), vectors], RATE, weight_decay=DECAY)
        rated, best = count > 0, np.where(count > 0, mean, -np.inf)
        for _ in range(STEPS if len(several) else 0):
            part = generator.choice(several, min(BATCH, len(several)), replace=False)
            place = nn.functional.normalize(project(torch.as_tensor(data.vectors[queries[part]]).float()), dim=1)
            near = place @ nn.functional.normalize(vectors, dim=1).T / TEMPERATURE
            near = near.masked_fill(~torch.from_numpy(rated[part]), -torch.inf)
            first = torch.from_numpy(best[part].argmax(axis=1))
            loss = nn.functional.cross_entropy(near, first) + BETWEEN * _between(place, torch.from_numpy(task[part]))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        self._space = project.weight.detach().numpy().T, nn.functional.normalize(vectors.detach(), dim=1).numpy()
        return self

    def score(self, history: Dataset, questions: Questions) -> np.ndarray:
        """Score candidates by nearness; a model that was not trained stands in the middle of all."""
        assert self._space is not None
        weights, vectors = self._space
        grown = np.tile(vectors.mean(axis=0), (len(history.table.models), 1))
        grown[: len(vectors)] = vectors
        with threadpool_limits(1):
            place = history.vectors[questions.query] @ weights
        place = place / np.maximum(np.linalg.norm(place, axis=1, keepdims=True), 1e-9)
        scores = np.einsum("cw,ckw->ck", place, grown[np.maximum(questions.candidates, 0)]).astype(float)
        return np.where(questions.candidates >= 0, scores, -np.inf)


def _between(place: torch.Tensor, task: torch.Tensor) -> torch.Tensor:
    """Return the contrastive loss of queries of one task against those of others."""
    same = (task[:, None] == task[None, :]) & (task >= 0)[:, None]
    same.fill_diagonal_(False)
    near = (place @ place.T / TEMPERATURE).masked_fill(torch.eye(len(place), dtype=torch.bool), -torch.inf)
    chance = torch.log_softmax(near, dim=1).masked_fill(~same, 0.0)
    has = same.any(dim=1)
    return -(chance.sum(dim=1) / same.sum(dim=1).clamp_min(1))[has].mean() if has.any() else near.new_zeros(())
