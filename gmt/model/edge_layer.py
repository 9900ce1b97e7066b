"""Apply an HGT layer to any typed graph by sums over its edges."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from gmt.data.schema import EdgeType
from gmt.model.hgt import HGTLayer
from gmt.model.leaf import relate


def pass_messages(layer: HGTLayer, states: Mapping[str, Tensor], edges: Mapping[EdgeType, Tensor]) -> dict[str, Tensor]:
    """Return the next states of the node types that the layer's edges lead to; what `HGTLayer.forward` computes.

    Source: Heterogeneous Graph Transformer (arXiv 2003.01332).

    Args:
        layer: The weights.
        states: Node type -> (N, D).
        edges: Edge type -> (2, E) of at least the layer's.
    """
    heads, size = layer.heads, layer.head_width
    found = {}
    for kind, asks in layer.query.items():
        count = len(states[kind])
        query: Tensor = asks(states[kind]).view(count, heads, size)
        logits, values, targets = [], [], []
        for edge in layer.schema.edge_types:
            if edge[2] != kind or not edges[edge].shape[1]:
                continue
            source, target = edges[edge]
            weight, bias, relation = layer.keys(edge)
            # Node by node and not edge by edge: a node with many edges is projected once.
            keys = nn.functional.linear(states[edge[0]], relate(weight, relation), relate(bias, relation))
            weight, bias, relation = layer.values(edge)
            sent = nn.functional.linear(states[edge[0]], relate(weight, relation), relate(bias, relation))
            logits.append((query[target] * keys.view(-1, heads, size)[source]).sum(-1))
            values.append(sent.view(-1, heads, size)[source])
            targets.append(target)
        pooled = query.new_zeros(count, heads, size)
        if targets:
            target = torch.cat(targets)
            share = _softmax_by_target(torch.cat(logits), target, count)
            pooled = pooled.index_add(0, target, share.unsqueeze(-1) * torch.cat(values))
        out: Any = layer.out[kind]
        gate = layer.gate(kind)
        found[kind] = gate * out(nn.functional.gelu(pooled.flatten(1))) + (1 - gate) * states[kind]
    return found


def _softmax_by_target(logits: Tensor, target: Tensor, count: int) -> Tensor:
    """Return (E, H) shares of each edge among those into its target, given (E, H) logits."""
    index = target.unsqueeze(-1).expand_as(logits)
    # The largest logit only keeps the exponential in range; it cancels, and needs no gradient.
    most = logits.new_full((count, logits.shape[1]), -torch.inf).scatter_reduce(0, index, logits.detach(), "amax")
    raised = (logits - most[target]).exp()
    return raised / raised.new_zeros(most.shape).index_add(0, target, raised)[target]
