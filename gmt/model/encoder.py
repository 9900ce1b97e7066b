"""Pass messages over a typed graph: the heterogeneous graph transformer (HGT)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from gmt.data.graph import EdgeType, GraphSchema


def key(edge: EdgeType) -> str:
    """Return an edge type as a module name."""
    return "__".join(edge)


class HGTLayer(nn.Module):
    """Update every node that edges point at by attention over its typed neighbours.

    Per type a query, key and value projection; per edge type a relation matrix and a prior; one
    softmax over all edges into a node; GELU, output projection and a gated skip. Node types that
    nothing points at keep their state, and only what a type is used for is computed.

    Source: Heterogeneous Graph Transformer (arXiv 2003.01332); equals `torch_geometric.nn.HGTConv`.

    Args:
        width: D, the width of node states; a multiple of `heads`.
        heads: H, attention heads.
        schema: Node and edge types.
    """

    def __init__(self, width: int, heads: int, schema: GraphSchema) -> None:
        super().__init__()
        self.schema, self.heads, self.head_width = schema, heads, width // heads
        sources = sorted({edge[0] for edge in schema.edge_types})
        targets = sorted({edge[2] for edge in schema.edge_types})
        self.key_value = nn.ModuleDict({kind: nn.Linear(width, 2 * width) for kind in sources})
        self.query = nn.ModuleDict({kind: nn.Linear(width, width) for kind in targets})
        self.out = nn.ModuleDict({kind: nn.Linear(width, width) for kind in targets})
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

    def forward(self, states: dict[str, Tensor], edges: dict[EdgeType, Tensor]) -> dict[str, Tensor]:
        """Return new states.

        Args:
            states: Node type -> (N, D).
            edges: Edge type -> (2, E), in schema order.
        """
        self.schema.check(edges)
        heads, size = self.heads, self.head_width
        projected = {
            kind: linear(states[kind]).view(-1, 2, heads, size).permute(1, 2, 0, 3)  # (2, H, N, d)
            for kind, linear in self.key_value.items()
        }
        updated = dict(states)
        for kind in self.query:
            wanted = self.query[kind](states[kind]).view(-1, heads, size)
            logits, values, targets = [], [], []
            for edge, index in edges.items():
                if edge[2] != kind:
                    continue
                name, (source, target) = key(edge), index
                keys = (projected[edge[0]][0] @ self.key_relation[name]).transpose(0, 1)  # (N, H, d)
                sent = (projected[edge[0]][1] @ self.value_relation[name]).transpose(0, 1)
                match = (wanted[target] * keys[source]).sum(-1) * self.prior[name] / math.sqrt(size)
                logits.append(match)
                values.append(sent[source])
                targets.append(target)
            target = torch.cat(targets)
            weight = segment_softmax(torch.cat(logits), target, len(wanted))
            pooled = torch.zeros_like(wanted).index_add(0, target, torch.cat(values) * weight.unsqueeze(-1))
            message = self.out[kind](nn.functional.gelu(pooled.flatten(1)))
            gate = self.skip[kind].sigmoid()
            updated[kind] = gate * message + (1 - gate) * states[kind]
        return updated


def segment_softmax(logits: Tensor, segment: Tensor, count: int) -> Tensor:
    """Normalise (E, H) logits within each of `count` segments.

    Args:
        logits: (E, H).
        segment: (E,) segment of each row.
        count: Number of segments; empty ones are fine.
    """
    index = segment.unsqueeze(-1).expand_as(logits)
    top = torch.full((count, logits.shape[1]), -math.inf, dtype=logits.dtype, device=logits.device)
    top = top.scatter_reduce(0, index, logits.detach(), "amax")
    weight = (logits - top[segment]).exp()
    total = torch.zeros_like(top).index_add(0, segment, weight)
    return weight / total[segment].clamp_min(1e-30)


class GraphEncoder(nn.Module):
    """Stack HGT layers, each followed by dropout and LayerNorm on the types that changed.

    Args:
        width: D.
        heads: H.
        layers: L; 0 returns the states as they are.
        dropout: Share of activations dropped in training.
        schema: Node and edge types.
        outputs: Node types whose final state is read; a layer leaves alone what nobody reads
            after it. All by default.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        layers: int,
        dropout: float,
        schema: GraphSchema,
        outputs: tuple[str, ...] | None = None,
    ) -> None:
        super().__init__()
        self.schemas: list[GraphSchema] = []
        wanted = set(outputs or schema.node_types)
        for _ in range(layers):  # from the last layer to the first
            edges = tuple(edge for edge in schema.edge_types if edge[2] in wanted)
            self.schemas.insert(0, GraphSchema(schema.node_types, edges))
            wanted |= {edge[0] for edge in edges}
        self.schema = schema
        self.layers = nn.ModuleList(HGTLayer(width, heads, part) for part in self.schemas)
        self.norms = nn.ModuleList(
            nn.ModuleDict({kind: nn.LayerNorm(width) for kind in sorted({edge[2] for edge in part.edge_types})})
            for part in self.schemas
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, states: dict[str, Tensor], edges: dict[EdgeType, Tensor]) -> dict[str, Tensor]:
        """Return the states after L layers; arguments as in `HGTLayer.forward`."""
        self.schema.check(edges)
        for layer, norms, part in zip(self.layers, self.norms, self.schemas, strict=True):
            states = layer(states, {edge: edges[edge] for edge in part.edge_types})
            for kind, norm in norms.items():  # pyright: ignore[reportCallIssue]
                states[kind] = norm(self.dropout(states[kind]))
        return states
