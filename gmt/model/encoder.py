"""Pass messages over a turn graph: a stack of heterogeneous graph transformer (HGT) layers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from torch import Tensor, nn

from gmt.data.schema import TurnSchema
from gmt.data.turn_links import TurnLinks
from gmt.model.hgt import HGTLayer
from gmt.model.turn_layer import TurnStates, update_turns, update_users


class GraphEncoder(nn.Module):
    """Stack HGT layers, each followed by dropout and LayerNorm on the types that changed.

    Args:
        width: D.
        heads: H.
        layers: L; 0 returns the states as they are.
        dropout: Share of activations dropped in training.
        schema: Node and edge types, as `turn_schema` gives them.
        outputs: Of `user` and `turn`, those whose final state is read; a layer leaves alone what
            is not read after it. Both by default.
        backend: `turn` uses what a turn graph is; `pyg` runs PyTorch Geometric's `HGTConv`. The
            weights are the same and so, up to rounding, is what comes out.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        layers: int,
        dropout: float,
        schema: TurnSchema,
        outputs: tuple[str, ...] | None = None,
        backend: str = "turn",
    ) -> None:
        super().__init__()
        # A layer gets weights only for edges that something reads afterwards, so none stays untrained.
        self.schemas = schema.restricted(layers, outputs or schema.node_types)
        self.schema, self.width, self.backend = schema, width, backend
        self.layers = nn.ModuleList(HGTLayer(width, heads, part) for part in self.schemas)
        self.norms = nn.ModuleList(
            # Sorted, for the order of a set of names differs between processes.
            nn.ModuleDict({kind: nn.LayerNorm(width) for kind in sorted({edge[2] for edge in part.edge_types})})
            for part in self.schemas
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, states: TurnStates, links: TurnLinks) -> TurnStates:
        """Return the states after L layers.

        Args:
            states: What the nodes start from.
            links: What turns read and whom they update.
        """
        return self._by_hgtconv(states, links) if self.backend == "pyg" else self._by_turns(states, links)

    def _by_turns(self, states: TurnStates, links: TurnLinks) -> TurnStates:
        updates: dict[str, Any] = {"turn": update_turns, "user": update_users}
        for layer, norms in zip(self.layers, self.norms, strict=True):
            found: dict[str, Any] = {}
            for kind, norm in norms.items():  # pyright: ignore[reportCallIssue]
                # All types from the states before the layer: none sees the update of another within it.
                found[kind] = norm(self.dropout(updates[kind](layer, states, links)))
            states = replace(states, **found)
        return states

    def _by_hgtconv(self, states: TurnStates, links: TurnLinks) -> TurnStates:
        zeros = states.response.rows.new_zeros
        nodes: dict[str, Tensor] = {
            # None stands for zeros, which HGTConv wants written out.
            "user": zeros(links.users, self.width) if states.user is None else states.user,
            "turn": zeros(len(links), self.width) if states.turn is None else states.turn,
            "query": states.query.state,
            "response": states.responses(links),
            "llm": states.llm.state,
        }
        for layer, norms, part in zip(self.layers, self.norms, self.schemas, strict=True):
            nodes = layer(nodes, part.edges(links))
            for kind, norm in norms.items():  # pyright: ignore[reportCallIssue]
                nodes[kind] = norm(self.dropout(nodes[kind]))
        return replace(states, user=nodes["user"], turn=nodes["turn"])
