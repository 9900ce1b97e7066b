"""Describe a model on a query by traits, learned so that past votes of a user predict others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

KERNELS = ("linear", "query", "style")


class TraitNetwork(nn.Module):
    """Map a query and a model to F traits, whose products join the kernel between a user's votes.

    φ(q, m) = e_m ∘ (1 + V x_q + w_task): the query decides how much each trait of a model weighs,
    by its text and, where a source names tasks, by its task. e_m is read from the model's
    description plus a learned residual, which a model never trained on does without. The user
    effect of each trait is no parameter but the posterior given their votes, so a cold-start user
    needs no gradient step.

    Args:
        text_width: W, the width of text vectors.
        models: Models trained on.
        traits: F.
        tasks: Tasks trained on.
    """

    def __init__(self, text_width: int, models: int, traits: int, tasks: int = 0) -> None:
        super().__init__()
        # Buffers, so that the centres found in training are saved with the weights.
        self.register_buffer("query_centre", torch.zeros(text_width))
        self.register_buffer("model_centre", torch.zeros(text_width))
        self.read_model = nn.Linear(text_width, traits, bias=False)
        self.read_query = nn.Linear(text_width, traits, bias=False)
        self.residual = nn.Parameter(torch.zeros(models, traits))
        self.task = nn.Parameter(torch.zeros(tasks, traits))
        for linear in (self.read_model, self.read_query):
            nn.init.normal_(linear.weight, std=0.05)
        self.log_amplitudes = nn.Parameter(torch.zeros(len(KERNELS)))
        """(3,) logs of what the posterior's own kernels are multiplied by, in the order of `KERNELS`."""

    @property
    def traits(self) -> int:
        """F."""
        return self.residual.shape[1]

    @classmethod
    def joined(cls, networks: Sequence[TraitNetwork]) -> TraitNetwork:
        """Return one network whose kernel is the mean of those of several."""
        # Only one factor of the product is scaled: the kernel multiplies two traits, so 1/√n each makes 1/n.
        first, share = networks[0], len(networks) ** -0.5
        width, models = first.read_query.weight.shape[1], len(first.residual)
        out = cls(width, models, sum(network.traits for network in networks), len(first.task))
        with torch.no_grad():
            for name in ("query_centre", "model_centre"):
                out.get_buffer(name).copy_(first.get_buffer(name))
            out.residual.copy_(share * torch.cat([network.residual for network in networks], dim=1))
            out.read_model.weight.copy_(share * torch.cat([network.read_model.weight for network in networks]))
            out.read_query.weight.copy_(torch.cat([network.read_query.weight for network in networks]))
            out.task.copy_(torch.cat([network.task for network in networks], dim=1))
            amplitudes = torch.stack([network.log_amplitudes.exp() for network in networks])
            out.log_amplitudes.copy_(amplitudes.mean(dim=0).log())
        return out.eval()

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> TraitNetwork:
        """Rebuild a network from what `state_dict` returned."""
        models, traits = state["residual"].shape
        network = cls(state["read_query.weight"].shape[1], models, traits, len(state["task"]))
        network.load_state_dict(dict(state))
        return network.eval()

    def of_models(self, vectors: Tensor) -> Tensor:
        """Return the (M, F) traits of models whatever the query.

        Args:
            vectors: (M, W) text vectors of the descriptions; rows beyond the trained models have no residual.
        """
        read = self.read_model(_centred(vectors, self.get_buffer("model_centre")))
        # Models trained on have the first codes; newer ones stand behind them.
        known = min(len(self.residual), len(read))
        return torch.cat([read[:known] + self.residual[:known], read[known:]])

    def weights(self, vectors: Tensor, task: Tensor) -> Tensor:
        """Return (N, F) what each trait weighs for queries.

        Args:
            vectors: (N, W) text vectors.
            task: (N,) codes; -1 and those beyond the trained ones add nothing.
        """
        read = 1 + self.read_query(_centred(vectors, self.get_buffer("query_centre")))
        known = (task >= 0) & (task < len(self.task))
        if not len(self.task):
            return read
        return read + self.task[torch.where(known, task, 0)] * known.unsqueeze(-1)


def _centred(vectors: Tensor, centre: Tensor) -> Tensor:
    moved = vectors - centre
    return moved / moved.norm(dim=-1, keepdim=True).clamp_min(1e-6)
