"""Describe a model on a query by traits, learned so that past votes of a user predict others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from gmt.data.answer_graph import AnswerGraph
from gmt.model.answer_encoder import AnswerEncoder, AnswerStates

KERNELS = ("linear", "query", "style")
ENCODER = "encoder."
"""Begins the names of the encoder's weights among a network's."""


class TraitNetwork(nn.Module):
    """Map a query, a model and, where it is visible, an answer to F traits, whose products join the users' kernel.

    φ(q, m, r) = (e_m + A h_m) ∘ (1 + V x_q + w_task + B h_q) + C h_r: the query decides how much each trait of a model
    weighs, by its text and, where a source names tasks, by its task. e_m is read from the model's description plus a
    learned residual, which a model never trained on does without. h are the states of an `AnswerEncoder`: of a model
    that has heard its visible answers, of a query that has heard the rounds before it, and of the answer, whose term is
    0 where it is not visible. A, B and C begin at 0, so that training starts from what the texts alone say. The user
    effect of each trait is no parameter but the posterior given their votes, so a cold-start user needs no gradient
    step.

    Args:
        text_width: W, the width of text vectors.
        models: Models trained on.
        traits: F.
        tasks: Tasks trained on.
        encoder: What passes messages over the graph of answers; without it h is 0.
    """

    def __init__(
        self, text_width: int, models: int, traits: int, tasks: int = 0, encoder: AnswerEncoder | None = None
    ) -> None:
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
        self.encoder: AnswerEncoder | None = None
        if encoder is not None:
            self.listen(encoder)

    def listen(self, encoder: AnswerEncoder) -> None:
        """Let the traits read what an encoder makes of the graph; at first it adds nothing."""
        self.encoder = encoder
        self.hear = nn.ModuleDict({kind: nn.Linear(encoder.width, self.traits, bias=False) for kind in encoder.OUTPUTS})
        for weight in self.hear.parameters():
            nn.init.zeros_(weight)

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
        own = {name.removeprefix(ENCODER): value for name, value in state.items() if name.startswith(ENCODER)}
        encoder = AnswerEncoder.from_state(own) if own else None
        network = cls(state["read_query.weight"].shape[1], models, traits, len(state["task"]), encoder)
        network.load_state_dict(dict(state))
        return network.eval()

    def heard(self, graph: AnswerGraph) -> AnswerStates | None:
        """Return the states of a graph's nodes, None without an encoder."""
        return None if self.encoder is None else self.encoder(graph)

    def of_models(self, vectors: Tensor, heard: Tensor | None = None) -> Tensor:
        """Return the (M, F) traits of models whatever the query.

        Args:
            vectors: (M, W) text vectors of the descriptions; rows beyond the trained models have no residual.
            heard: (M, D) states of the models.
        """
        read = self.read_model(_centred(vectors, self.get_buffer("model_centre")))
        # Models trained on have the first codes; newer ones stand behind them.
        known = min(len(self.residual), len(read))
        read = torch.cat([read[:known] + self.residual[:known], read[known:]])
        return read if heard is None else read + self.hear["llm"](heard)

    def weights(self, vectors: Tensor, task: Tensor, heard: Tensor | None = None) -> Tensor:
        """Return (N, F) what each trait weighs for queries.

        Args:
            vectors: (N, W) text vectors.
            task: (N,) codes; -1 and those beyond the trained ones add nothing.
            heard: (N, D) states of the queries.
        """
        read = 1 + self.read_query(_centred(vectors, self.get_buffer("query_centre")))
        if heard is not None:
            read = read + self.hear["query"](heard)
        known = (task >= 0) & (task < len(self.task))
        if not len(self.task):
            return read
        return read + self.task[torch.where(known, task, 0)] * known.unsqueeze(-1)

    def of_answers(self, heard: Tensor) -> Tensor:
        """Return (R, F) what answers add to the traits by what they say, given their (R, D) states."""
        return self.hear["response"](heard)


def _centred(vectors: Tensor, centre: Tensor) -> Tensor:
    moved = vectors - centre
    return moved / moved.norm(dim=-1, keepdim=True).clamp_min(1e-6)
