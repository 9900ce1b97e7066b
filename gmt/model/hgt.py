"""Hold the weights of one layer of the heterogeneous graph transformer (HGT), and the plain way to apply them."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from gmt.data.schema import EdgeSchema, EdgeType


def key(edge: EdgeType) -> str:
    """Return an edge type as a module name."""
    return "__".join(edge)


class HGTLayer(nn.Module):
    """Hold what a layer learns: projections per node type, a relation and a prior per edge type.

    Per type a query, key and value projection; per edge type a relation matrix and a prior; one
    softmax over all edges into a node; GELU, output projection and a gated skip.

    Source: Heterogeneous Graph Transformer (arXiv 2003.01332).

    Args:
        width: D, the width of node states; a multiple of `heads`.
        heads: H, attention heads.
        schema: Node and edge types.
    """

    def __init__(self, width: int, heads: int, schema: EdgeSchema) -> None:
        super().__init__()
        self.schema, self.width, self.heads, self.head_width = schema, width, heads, width // heads
        sources = sorted({edge[0] for edge in schema.edge_types})
        targets = sorted({edge[2] for edge in schema.edge_types})
        # Keys and values in one matrix, for both are read from the same states.
        self.key_value = nn.ModuleDict({kind: nn.Linear(width, 2 * width) for kind in sources})
        self.query = nn.ModuleDict({kind: nn.Linear(width, width) for kind in targets})
        self.out = nn.ModuleDict({kind: nn.Linear(width, width) for kind in targets})
        # Skips and priors begin at 1, as those of HGTConv.
        self.skip = nn.ParameterDict({kind: nn.Parameter(torch.ones(1)) for kind in targets})
        self.prior = nn.ParameterDict({key(edge): nn.Parameter(torch.ones(heads)) for edge in schema.edge_types})
        shape = (heads, self.head_width, self.head_width)
        self.key_relation = nn.ParameterDict(
            {key(edge): nn.Parameter(torch.empty(shape)) for edge in schema.edge_types}
        )
        self.value_relation = nn.ParameterDict(
            {key(edge): nn.Parameter(torch.empty(shape)) for edge in schema.edge_types}
        )
        for matrix in [*self.key_relation.values(), *self.value_relation.values()]:
            nn.init.xavier_uniform_(matrix)

    def keys(self, edge: EdgeType) -> tuple[Tensor, Tensor, Tensor]:
        """Return the key projection (D, D), its bias (D,) and the relation (H, d, d) with prior and scale folded in."""
        linear: Any = self.key_value[edge[0]]
        name = key(edge)
        # Folded into (d, d) matrices once, in place of a product for every edge.
        scale = self.prior[name].view(-1, 1, 1) / math.sqrt(self.head_width)
        return linear.weight[: self.width], linear.bias[: self.width], self.key_relation[name] * scale

    def values(self, edge: EdgeType) -> tuple[Tensor, Tensor, Tensor]:
        """Return the value projection (D, D), its bias (D,) and the relation (H, d, d)."""
        linear: Any = self.key_value[edge[0]]
        return linear.weight[self.width :], linear.bias[self.width :], self.value_relation[key(edge)]

    def gate(self, kind: str) -> Tensor:
        """Return (1,) the share of the new message in a node's next state."""
        return self.skip[kind].sigmoid()

    def forward(self, states: dict[str, Tensor], edges: dict[EdgeType, Tensor]) -> dict[str, Tensor]:
        """Return new states by `torch_geometric.nn.HGTConv` itself, on any graph of the schema.

        Args:
            states: Node type -> (N, D).
            edges: Edge type -> (2, E), in schema order.
        """
        from torch_geometric.nn import HGTConv

        self.schema.check(edges)
        with torch.device("meta"):  # its own weights are never read
            conv = HGTConv(self.width, self.width, self.schema.metadata, self.heads)
        found = torch.func.functional_call(conv, self._as_hgtconv(), (states, edges))
        return states | {kind: state for kind, state in found.items() if state is not None}

    def _as_hgtconv(self) -> dict[str, Tensor]:
        """Return the weights under the names and in the shapes of `HGTConv`."""
        named: dict[str, Tensor] = {}
        for kind in self.schema.node_types:
            for part, shape in (("weight", (self.width, self.width)), ("bias", (self.width,))):
                # HGTConv has all projections for all types; where no edge needs one, zeros take its place.
                zero = self.skip[next(iter(self.skip))].new_zeros(shape)
                key_and_value: Any = (
                    getattr(self.key_value[kind], part) if kind in self.key_value else torch.cat([zero, zero])
                )
                query: Any = getattr(self.query[kind], part) if kind in self.query else zero
                named[f"kqv_lin.lins.{kind}.{part}"] = torch.cat(
                    [key_and_value[: self.width], query, key_and_value[self.width :]]
                )
                named[f"out_lin.lins.{kind}.{part}"] = getattr(self.out[kind], part) if kind in self.out else zero
            named[f"skip.{kind}"] = self.skip[kind] if kind in self.skip else zero[:1]
        # HGTConv numbers its relation matrices head by head, in the order of the edge types.
        for name, relations in (("k_rel", self.key_relation), ("v_rel", self.value_relation)):
            named[f"{name}.weight"] = torch.stack([relations[key(edge)] for edge in self.schema.edge_types], 1).flatten(
                0, 1
            )
        for edge in self.schema.edge_types:
            named[f"p_rel.{key(edge)}"] = self.prior[key(edge)].unsqueeze(0)
        return named
