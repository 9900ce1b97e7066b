"""Hold the graph that describes answers: texts of queries, answers and models, and how they follow one another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from gmt.data.schema import EdgeSchema, EdgeType
from gmt.errors import DataError


@dataclass(frozen=True, eq=False)
class AnswerGraph:
    """Hold Q queries, R answers, M llms and T turns of earlier rounds, joined by who answered what, and when.

    No node and no edge holds a rating or a user, so whatever is read from the graph cannot know the outcome of a vote.
    Turns are known by nothing but what they join.

    Args:
        query: (Q, W) text vectors.
        response: (R, W) text vectors.
        llm: (M, W) text vectors of the descriptions.
        turns: T.
        edges: Edge type -> (2, E) source and target nodes, in the order of `schema`.

    Raises:
        DataError: An edge reaches a node that does not exist, or the edge types are others.
    """

    schema: ClassVar[EdgeSchema] = EdgeSchema(
        ("query", "response", "llm", "turn"),
        (
            ("query", "opens", "turn"),
            ("response", "answers", "turn"),
            ("llm", "writes", "turn"),
            ("turn", "precedes", "turn"),
            # A query hears the rounds before it, an answer its query, a model what it is seen to have answered.
            ("turn", "leads", "query"),
            ("query", "draws", "response"),
            ("response", "shows", "llm"),
        ),
    )

    query: Tensor
    response: Tensor
    llm: Tensor
    turns: int
    edges: Mapping[EdgeType, Tensor]

    def __post_init__(self) -> None:
        self.schema.check(self.edges)
        sizes = {"query": len(self.query), "response": len(self.response), "llm": len(self.llm), "turn": self.turns}
        for kind, edge in self.edges.items():
            # A negative index would read from the end without an error.
            for name, index in ((kind[0], edge[0]), (kind[2], edge[1])):
                if index.numel() and (int(index.min()) < 0 or int(index.max()) >= sizes[name]):
                    raise DataError(f"an edge '{kind[1]}' reaches outside 0..{sizes[name] - 1} of the {name} nodes")

    def to(self, device: torch.device | str) -> AnswerGraph:
        """Return the graph on another device."""
        edges = {kind: edge.to(device) for kind, edge in self.edges.items()}
        return AnswerGraph(self.query.to(device), self.response.to(device), self.llm.to(device), self.turns, edges)
