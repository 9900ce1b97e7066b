"""Describe queries, answers and models by messages over the graph that joins them: HGT layers on an answer graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from gmt.data.answer_graph import AnswerGraph
from gmt.model.edge_layer import pass_messages
from gmt.model.hgt import HGTLayer


@dataclass(frozen=True)
class AnswerStates:
    """Hold (Q, D), (R, D) and (M, D) what a graph's queries, answers and llms have heard."""

    query: Tensor
    response: Tensor
    llm: Tensor


class AnswerEncoder(nn.Module):
    """Stack HGT layers, each followed by LayerNorm on the types that changed, on the nodes of an `AnswerGraph`.

    From the second layer on a query hears what its conversation was about, for turns begin at zero.

    Source: Heterogeneous Graph Transformer (arXiv 2003.01332); virtual turn nodes of GMTRouter (arXiv 2511.08590).

    Args:
        text_width: W.
        width: D, a multiple of `heads`.
        heads: H.
        layers: L.
    """

    OUTPUTS = ("query", "response", "llm")

    def __init__(self, text_width: int, width: int, heads: int, layers: int) -> None:
        super().__init__()
        self.width, self.heads = width, heads
        self.project = nn.ModuleDict({kind: nn.Linear(text_width, width) for kind in self.OUTPUTS})
        schemas = AnswerGraph.schema.restricted(layers, self.OUTPUTS)
        self.layers = nn.ModuleList(HGTLayer(width, heads, part) for part in schemas)
        self.norms = nn.ModuleList(
            nn.ModuleDict({kind: nn.LayerNorm(width) for kind in sorted({edge[2] for edge in part.edge_types})})
            for part in schemas
        )

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> AnswerEncoder:
        """Rebuild an encoder from the names and shapes of its weights; these are left to be loaded."""
        width, text_width = state["project.llm.weight"].shape
        layers = 1 + max((int(name.split(".")[1]) for name in state if name.startswith("layers.")), default=-1)
        # Every layer has a prior for each head; without a layer there is nothing that heads would change.
        heads = next((len(value) for name, value in state.items() if ".prior." in name), 1)
        return cls(text_width, width, heads, layers)

    def forward(self, graph: AnswerGraph) -> AnswerStates:
        """Return the final states."""
        states: dict[str, Tensor] = {
            "query": self.project["query"](graph.query),
            "response": self.project["response"](graph.response),
            "llm": self.project["llm"](graph.llm),
        }
        states["turn"] = states["llm"].new_zeros(graph.turns, self.width)
        layer: Any
        norms: Any
        for layer, norms in zip(self.layers, self.norms, strict=True):
            found = pass_messages(layer, states, graph.edges)
            # Types that no edge of the layer leads to keep their states.
            states |= {kind: norms[kind](state) for kind, state in found.items()}
        return AnswerStates(states["query"], states["response"], states["llm"])
