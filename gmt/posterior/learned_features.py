"""Let the posterior read learned traits: describe candidates by them, and differentiate a person's fit."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from gmt.data.dataset import Dataset, Questions
from gmt.model.trait_network import TraitNetwork
from gmt.posterior.hierarchical import HierarchicalBradleyTerry
from gmt.posterior.laplace import laplace_mode
from gmt.posterior.user_effects import precision


@dataclass(frozen=True, eq=False)
class TraitFeatures:
    """Describe answers by the traits of their model, weighed by what was asked; an answer's text is not read.

    Args:
        models: (M, F) traits of every model.
        network: What weighs them.
    """

    models: np.ndarray
    network: TraitNetwork

    def of_rows(self, history: Dataset) -> np.ndarray:
        table = history.table
        asked, at = np.unique(np.stack([table.query, table.task], axis=1), axis=0, return_inverse=True)
        weights = self._weights(history.vectors[asked[:, 0]], asked[:, 1])[at.reshape(-1)]
        return self.models[table.model] * weights[table.row_comparison]

    def of_candidates(self, data: Dataset, questions: Questions) -> np.ndarray:
        weights = self._weights(data.vectors[questions.query], questions.task)
        return self.models[np.maximum(questions.candidates, 0)] * weights[:, None, :]

    def _weights(self, vectors: np.ndarray, task: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            found = self.network.weights(torch.as_tensor(vectors, dtype=torch.float32), torch.as_tensor(task))
        return found.numpy().astype(float)


def with_traits(router: HierarchicalBradleyTerry, network: TraitNetwork) -> HierarchicalBradleyTerry:
    """Return a fitted posterior that also reads the traits, its own kernels scaled as they were learned beside them."""
    liking, memory, style = network.log_amplitudes.detach().exp().tolist()
    out = type(router)(router.start, TraitFeatureMaker(network), router.drift).load_state_dict(router.state_dict())
    out.settings = replace(router.settings, spread=liking, memory=memory, style=style, extra=1.0)
    return out


@dataclass(frozen=True, eq=False)
class TraitFeatureMaker:
    """Build `TraitFeatures` for whatever models a history knows."""

    network: TraitNetwork

    def __call__(self, history: Dataset) -> TraitFeatures:
        with torch.inference_mode():
            models = self.network.of_models(torch.as_tensor(history.model_vectors, dtype=torch.float32))
        return TraitFeatures(models.numpy().astype(float), self.network)


def implicit_mode(kernel: Tensor, offset: Tensor, y: Tensor, mask: Tensor) -> Tensor:
    """Return the weights α of B people's most likely departures K α, differentiable in K and the offsets.

    The mode is found without gradients; one more Newton step from it changes nothing in value and
    carries exactly the derivative of the fixed point α = y - sigmoid(K α + offset).

    Args:
        kernel: (B, T, T) symmetric K.
        offset: (B, T) logits known beforehand.
        y: (B, T) outcomes in [0, 1].
        mask: (B, T) true where a vote is shown; the others have no weight.
    """
    shown = mask.to(kernel.dtype)
    kernel = kernel * shown[:, :, None] * shown[:, None, :]
    plain = kernel.detach().numpy()
    found = laplace_mode(
        lambda x: (plain @ x[:, :, None])[:, :, 0],
        lambda weight, x: np.linalg.solve(precision(plain, weight), x[:, :, None])[:, :, 0],
        y.numpy(),
        offset.detach().numpy(),
        mask.numpy(),
    )
    alpha = torch.from_numpy(found).to(kernel.dtype)
    chance = torch.sigmoid((kernel @ alpha[:, :, None])[:, :, 0] + offset)
    missing = (y - chance - alpha) * shown
    slope = (chance * (1 - chance) * shown).detach()
    system = slope[:, :, None] * kernel.detach() + torch.eye(kernel.shape[1], dtype=kernel.dtype)
    return alpha + torch.linalg.solve(system, missing[:, :, None])[:, :, 0]
