"""Name the node and edge types of a graph in one order, and hold all that differs between its two kinds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Protocol, Self

import torch
from torch import Tensor

from gmt.config import GraphConfig
from gmt.data.outcome_links import OutcomeLinks
from gmt.data.turn_links import TurnLinks
from gmt.errors import DataError

EdgeType = tuple[str, str, str]


# A protocol, for `graph_batch` imports this module: naming its class here would close a circle.
class BatchParts(Protocol):
    """Name what a schema reads of a `GraphBatch`; shapes as there."""

    @cached_property
    def links(self) -> TurnLinks: ...
    @cached_property
    def outcomes(self) -> OutcomeLinks: ...
    @property
    def user_code(self) -> Tensor: ...
    @property
    def turn_user(self) -> Tensor: ...
    @property
    def query(self) -> Tensor: ...
    @property
    def response(self) -> Tensor: ...
    @property
    def turn_response(self) -> Tensor: ...
    @property
    def feedback(self) -> Tensor: ...
    @property
    def task(self) -> Tensor: ...
    @property
    def llm(self) -> Tensor: ...


@dataclass(frozen=True)
class EdgeSchema:
    """Name node and edge types in the one order every part of gmt uses.

    `torch_geometric.nn.HGTConv` silently computes something else when edges come in another
    order than its metadata; `check` refuses that.

    Args:
        node_types: Node types, in order.
        edge_types: Edge types, in order.
    """

    node_types: tuple[str, ...]
    edge_types: tuple[EdgeType, ...]

    @property
    def metadata(self) -> tuple[list[str], list[EdgeType]]:
        """Return (node types, edge types) as PyTorch Geometric wants them."""
        return list(self.node_types), list(self.edge_types)

    def check(self, edges: Mapping[EdgeType, Any]) -> None:
        """Refuse edges that are missing, unknown or out of order.

        Raises:
            DataError: The keys are not `edge_types` in this order.
        """
        if tuple(edges) != self.edge_types:
            raise DataError(
                f"edge types come as {[k[1] for k in edges]}; expected {[k[1] for k in self.edge_types]} in this order"
            )

    def restricted(self, layers: int, outputs: Sequence[str]) -> list[Self]:
        """Return for each of L layers the schema of the edges that are read after it.

        Args:
            layers: L.
            outputs: Node types whose final state is read.
        """
        found: list[Self] = []
        wanted = set(outputs)
        for _ in range(layers):  # from the last layer to the first, for a layer feeds the one after it
            edges = tuple(edge for edge in self.edge_types if edge[2] in wanted)
            found.insert(0, replace(self, edge_types=edges))
            # What is wanted only grows: a layer adds to a node's own state, so the layer before has to make that too.
            wanted |= {edge[0] for edge in edges}
        return found


@dataclass(frozen=True)
class GraphSchema(EdgeSchema, ABC):
    """Say how a batch fills the nodes and edges of a graph of votes.

    What differs between multi-turn and single-turn graphs stands in the subclasses; nothing else asks which of them
    it has.
    """

    name: ClassVar[str]
    """What `graph.schema` calls it; also names the network that reads it."""

    @abstractmethod
    def edges_of(self, batch: BatchParts) -> dict[EdgeType, Tensor]:
        """Return edge type -> (2, E) source and target nodes of a batch, in schema order."""

    @abstractmethod
    def nodes_of(self, batch: BatchParts) -> dict[str, Tensor]:
        """Return node type -> (N, W) what its nodes are known by in a batch; users by nothing."""

    def carries_outcome(self, edge: EdgeType) -> bool:
        """Tell whether an edge of this type carries the preference features of a rating."""
        return False


@dataclass(frozen=True)
class TurnSchema(GraphSchema):
    """Hold the multi-turn graph, in which a virtual node per turn joins user, query, response and llm.

    Source: GMTRouter (arXiv 2511.08590), virtual turn nodes.
    """

    name: ClassVar[str] = "turns"

    def edges(self, links: TurnLinks) -> dict[EdgeType, Tensor]:
        """Return edge type -> (2, E) in schema order, with one response node per turn."""
        # A turn and its response bear one number: equal answers share a vector, but each got feedback of its own.
        own = torch.arange(len(links), device=links.user.device)
        known = {
            "asks": torch.stack([links.user, own]),
            "opens": torch.stack([links.query, own]),
            "answers": torch.stack([own, own]),
            "writes": torch.stack([links.llm, own]),
            "precedes": links.precedes,
            "updates": links.updates,
        }
        # By relation, for a restricted schema holds only some of them, and always in the order of the schema.
        return {edge: known[edge[1]] for edge in self.edge_types}

    def edges_of(self, batch: BatchParts) -> dict[EdgeType, Tensor]:
        return self.edges(batch.links)

    def nodes_of(self, batch: BatchParts) -> dict[str, Tensor]:
        return {
            # Known by nothing, so that a cold-start user begins like all others; a column of zeros says how many there
            # are.
            "user": torch.zeros(len(batch.user_code), 1),
            "turn": torch.zeros(len(batch.turn_user), 1),
            "query": batch.query,
            "response": torch.cat([batch.response[batch.turn_response], batch.feedback], dim=1),
            "llm": batch.llm,
        }


@dataclass(frozen=True)
class OutcomeSchema(GraphSchema):
    """Hold the single-turn graph, whose query-llm edges carry outcomes and whose tasks join a user's queries.

    Source: PersonalizedRouter (arXiv 2511.16883); edges run both ways, so that users and llms learn too.
    """

    name: ClassVar[str] = "outcomes"

    def edges(self, links: OutcomeLinks) -> dict[EdgeType, Tensor]:
        """Return edge type -> (2, E) in schema order."""
        # 1. Every node of the two kinds that belong to one other node; the edge is its number and its owner's.
        own = torch.arange(len(links.query_task), device=links.query_task.device)
        tasks = torch.arange(len(links.task_user), device=links.task_user.device)
        # 2. Each relation and its reverse: HGT passes messages one way only, and users and llms have to learn too.
        known = {
            "got": torch.stack([links.outcome_llm, links.outcome_query]),
            "rates": torch.stack([links.outcome_query, links.outcome_llm]),
            "of": torch.stack([own, links.query_task]),
            "holds": torch.stack([links.query_task, own]),
            "updates": torch.stack([tasks, links.task_user]),
            "has": torch.stack([links.task_user, tasks]),
        }
        return {edge: known[edge[1]] for edge in self.edge_types}

    def edges_of(self, batch: BatchParts) -> dict[EdgeType, Tensor]:
        return self.edges(batch.outcomes)

    def nodes_of(self, batch: BatchParts) -> dict[str, Tensor]:
        return {
            "user": torch.zeros(len(batch.user_code), 1),
            "task": batch.task[batch.outcomes.task_code],
            "query": batch.query[batch.outcomes.query_code],
            "llm": batch.llm,
        }

    def carries_outcome(self, edge: EdgeType) -> bool:
        # Both directions: a query learns how a model did, and a model how it did on the query.
        return "llm" in edge


def turn_schema(turn_edges: bool = True) -> TurnSchema:
    """Return the multi-turn schema: every turn reads its user, query, response, llm and the turn before it."""
    edges: list[EdgeType] = [
        ("user", "asks", "turn"),
        ("query", "opens", "turn"),
        ("response", "answers", "turn"),
        ("llm", "writes", "turn"),
    ]
    if turn_edges:
        edges.append(("turn", "precedes", "turn"))
    edges.append(("turn", "updates", "user"))
    return TurnSchema(("user", "turn", "query", "response", "llm"), tuple(edges))


def outcome_schema() -> OutcomeSchema:
    """Return the single-turn schema: queries and llms exchange outcomes, tasks join a user's queries."""
    edges: tuple[EdgeType, ...] = (
        ("llm", "got", "query"),
        ("query", "rates", "llm"),
        ("query", "of", "task"),
        ("task", "holds", "query"),
        ("task", "updates", "user"),
        ("user", "has", "task"),
    )
    return OutcomeSchema(("user", "task", "query", "llm"), edges)


def graph_schema(config: GraphConfig) -> GraphSchema:
    """Return the schema that the settings name."""
    made: dict[str, GraphSchema] = {"turns": turn_schema(config.turn_edges), "outcomes": outcome_schema()}
    return made[config.schema]
