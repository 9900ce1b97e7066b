"""Score by a graph whose query-llm edges carry outcomes: the single-turn network."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from gmt.config import ModelConfig
from gmt.data.feedback_features import FEEDBACK
from gmt.data.graph_batch import GraphBatch
from gmt.data.schema import EdgeType, OutcomeSchema
from gmt.model.head import ProductHead
from gmt.model.hgt import HGTLayer, key
from gmt.model.known_models import known_models, pad_rows

ADVANTAGE = FEEDBACK.index("advantage")


class OutcomeLayer(nn.Module):
    """Pass messages once; those along an edge with an outcome carry it, and what it says of its llm.

    The attention is that of HGT. Keys and values of an outcome's edges add a projection of the
    outcome; with `bind` values also add gain x source, so that *this* llm got *that* rating.

    Args:
        width: D.
        heads: H.
        schema: Node and edge types.
        bind: Whether values hold the product of outcome and source.
    """

    def __init__(self, width: int, heads: int, schema: OutcomeSchema, bind: bool) -> None:
        super().__init__()
        self.hgt, self.schema = HGTLayer(width, heads, schema), schema
        carrying = [edge for edge in schema.edge_types if schema.carries_outcome(edge)]
        self.outcome = nn.ModuleDict({key(edge): nn.Linear(len(FEEDBACK), 2 * width) for edge in carrying})
        self.bind = nn.ModuleDict({key(edge): nn.Linear(width, width, bias=False) for edge in carrying if bind})

    def forward(self, nodes: dict[str, Tensor], edges: dict[EdgeType, Tensor], outcome: Tensor) -> dict[str, Tensor]:
        """Return the new states of all types that some edge reaches.

        Args:
            nodes: Type -> (N, D) states.
            edges: Edge type -> (2, E), in schema order.
            outcome: (T, len(FEEDBACK)) features of the outcomes, in the order of their edges.
        """
        self.schema.check(edges)
        found = dict(nodes)
        # All types from the states before the layer, so their order does not count.
        for kind in {edge[2] for edge in self.schema.edge_types}:
            found[kind] = self._update(kind, nodes, edges, outcome)
        return found

    def _update(self, kind: str, nodes: dict[str, Tensor], edges: dict[EdgeType, Tensor], outcome: Tensor) -> Tensor:
        from torch_geometric.utils import softmax  # takes seconds to import, and multi-turn runs never need it

        heads, size = self.hgt.heads, self.hgt.head_width
        state = nodes[kind]
        query = self.hgt.query[kind](state).view(-1, heads, size)
        weights, values, into = [], [], []
        for edge in self.schema.edge_types:
            if edge[2] != kind:
                continue
            source, target = edges[edge]
            own = nodes[edge[0]]
            keys, value = self.hgt.key_value[edge[0]](own)[source].chunk(2, dim=1)
            if key(edge) in self.outcome:
                carried: Any = self.outcome[key(edge)](outcome)
                # A rating changes both how much an edge is attended to and what it says.
                keys, value = keys + carried.chunk(2, dim=1)[0], value + carried.chunk(2, dim=1)[1]
                if key(edge) in self.bind:
                    # A sum of outcome and source cannot say that this llm got this rating; a product can.
                    value = value + outcome[:, ADVANTAGE, None] * self.bind[key(edge)](own)[source]
            scale = self.hgt.prior[key(edge)].view(-1, 1) / math.sqrt(size)
            related = torch.einsum("ehd,hdf->ehf", keys.view(-1, heads, size), self.hgt.key_relation[key(edge)])
            weights.append((related * query[target] * scale[None]).sum(dim=2))
            values.append(torch.einsum("ehd,hdf->ehf", value.view(-1, heads, size), self.hgt.value_relation[key(edge)]))
            into.append(target)
        target = torch.cat(into)
        # One softmax over all edges into a node, of whatever type, as HGT has it.
        share = softmax(torch.cat(weights), target, num_nodes=len(state))
        messages = share.unsqueeze(2) * torch.cat(values)
        pooled = messages.new_zeros(query.shape).index_add(0, target, messages)
        new = self.hgt.out[kind](nn.functional.gelu(pooled.reshape(len(state), heads * size)))
        keep = torch.sigmoid(self.hgt.skip[kind])
        return keep * new + (1 - keep) * state


class OutcomeScorer(nn.Module):
    """Score candidates from what their user's outcomes say, in PersonalizedRouter's way.

    Users start at zero, tasks and queries from their texts, llms from their descriptions and, where
    `strengths` is on, a learned residual. After the layers the states of user and task and the target's
    query make one vector, which meets every candidate by a product.

    Source: PersonalizedRouter (arXiv 2511.16883). Its users are one-hot and its tasks shared by all;
    here users and their views of tasks are known by their own outcomes alone, so that a cold-start user
    is served, and the score depends on the user.

    Args:
        config: Widths and switches.
        schema: Node and edge types.
        text_width: W.
        models: Number of models trained on; llm nodes beyond it have no residual.
    """

    def __init__(self, config: ModelConfig, schema: OutcomeSchema, text_width: int, models: int) -> None:
        super().__init__()
        self.config, self.trained_models, self.schema = config, models, schema
        width = config.width
        self.project = nn.ModuleDict({kind: nn.Linear(text_width, width) for kind in ("task", "query", "llm")})
        parts = schema.restricted(config.layers, ("user", "task", "llm"))
        self.layers = nn.ModuleList(OutcomeLayer(width, config.heads, part, config.bind) for part in parts)
        self.norms = nn.ModuleList(
            nn.ModuleDict({kind: nn.LayerNorm(width) for kind in sorted({e[2] for e in part.edge_types})})
            for part in parts
        )
        self.dropout = nn.Dropout(config.dropout)
        self.head = ProductHead(width, config.hidden, config.dropout)
        if config.strengths:
            self.strength = nn.Linear(text_width, 1, bias=False)
            self.strength_residual = nn.Parameter(torch.zeros(models))
            # From zero: a model begins where its description puts it.
            self.llm_residual = nn.Parameter(torch.zeros(models, width))

    def forward(self, batch: GraphBatch, user_offset: Tensor | None = None) -> Tensor:
        """Return (C, K) scores, -inf under padding.

        Args:
            batch: The graph and its questions.
            user_offset: (V, D) added to the users' final states; what `adapt --steps` learns.
        """
        links, config = batch.outcomes, self.config
        dropout = self.config.residual_dropout if self.training else 0.0
        known = known_models(len(batch.llm), self.trained_models, dropout, batch.llm)
        llm = self.project["llm"](batch.llm)
        if config.strengths:
            llm = llm + pad_rows(self.llm_residual, len(batch.llm)) * known.unsqueeze(1)
        nodes: dict[str, Tensor] = {
            # Known by outcomes alone, so that a cold-start user begins like all others.
            "user": llm.new_zeros(len(batch.user_code), config.width),
            "task": self.project["task"](batch.task)[links.task_code],
            "query": self.project["query"](batch.query)[links.query_code],
            "llm": llm,
        }
        for layer, norms in zip(self.layers, self.norms, strict=True):
            read = {edge: batch.edges[edge] for edge in layer.schema.edge_types}  # pyright: ignore[reportGeneralTypeIssues, reportAttributeAccessIssue]
            new = layer(nodes, read, batch.feedback)
            nodes = nodes | {kind: norm(self.dropout(new[kind])) for kind, norm in norms.items()}  # pyright: ignore[reportCallIssue]
        user = nodes["user"] if user_offset is None else nodes["user"] + user_offset
        target_query = self.project["query"](batch.target_query)
        scores = self.head(
            user[batch.target_user], nodes["task"][links.target_task], target_query, nodes["llm"][batch.candidates]
        )
        if config.strengths:
            strength = self.strength(batch.llm).squeeze(1) + pad_rows(self.strength_residual, len(batch.llm)) * known
            scores = scores + strength[batch.candidates]
        return scores.masked_fill(~batch.mask, float("-inf"))
