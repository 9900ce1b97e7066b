"""Hold one graph of visible history and the questions put to it, checked, as tensors."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from gmt.data.outcome_links import OutcomeLinks
from gmt.data.schema import EdgeType, GraphSchema
from gmt.data.turn_links import TurnLinks
from gmt.errors import DataError

# PyTorch Geometric takes seconds to import, and only an export needs it.
if TYPE_CHECKING:
    from torch_geometric.data import HeteroData


@dataclass(frozen=True, eq=False)
class GraphBatch:
    """Hold one graph of V users, T turns, Q queries, R responses and M llms, and the C questions put to it.

    User nodes are the users themselves, and one more *view* of a user for every question that has
    earlier rounds of its own conversation to show: the user's turns and those rounds update the view,
    while a conversation with a target in it never updates the user's own node.

    Args:
        schema: The order of types.
        query: (Q, W) text vectors.
        response: (R, W) vectors of the distinct answers, zero for "no answer".
        feedback: (T, len(FEEDBACK)) preference features; zero where nothing was rated.
        written: (F, W) vectors of the distinct feedback texts, the first zero for "none"; None if nobody wrote any.
        llm: (M, W) text vectors of the descriptions.
        task: (A, W) vectors of the tasks, each the mean of its visible queries, zero where none is.
        turn_user, turn_query, turn_response, turn_llm, turn_written, turn_task: (T,) the rows each turn reads.
        updates: (2, E) turn -> each user node that it updates.
        precedes: (2, P) turn -> next turn of the same conversation.
        user_code: (V,) codes of the users, -1 for an unknown user.
        target_user: (C,) view of each question.
        target_query: (C, W) text vector of the query.
        target_task: (C,) its task.
        candidates: (C, K) llm nodes, 0 under padding.
        mask: (C, K) true where a candidate exists.
        rating: (C, K) ratings to learn from; NaN where unrated and under padding, all NaN
            when nothing is learned.

    Raises:
        DataError: An index is out of range, or a rating stands under padding.
    """

    schema: GraphSchema
    query: Tensor
    response: Tensor
    feedback: Tensor
    written: Tensor | None
    llm: Tensor
    task: Tensor
    turn_user: Tensor
    turn_query: Tensor
    turn_response: Tensor
    turn_llm: Tensor
    turn_written: Tensor
    turn_task: Tensor
    updates: Tensor
    precedes: Tensor
    user_code: Tensor
    target_user: Tensor
    target_query: Tensor
    target_task: Tensor
    candidates: Tensor
    mask: Tensor
    rating: Tensor

    def __post_init__(self) -> None:
        turns = len(self.turn_user)
        bounds = [
            ("turn_user", self.turn_user, len(self.user_code)),
            ("turn_query", self.turn_query, len(self.query)),
            ("turn_response", self.turn_response, len(self.response)),
            ("turn_llm", self.turn_llm, len(self.llm)),
            ("turn_written", self.turn_written, 1 if self.written is None else len(self.written)),
            ("turn_task", self.turn_task, len(self.task)),
            ("target_task", self.target_task, len(self.task)),
            ("updates", self.updates[0], turns),
            ("updates", self.updates[1], len(self.user_code)),
            ("precedes", self.precedes, turns),
            ("target_user", self.target_user, len(self.user_code)),
            ("candidates", self.candidates, len(self.llm)),
        ]
        # A negative index would read from the end without an error, and one too great ends a GPU's context without a
        # name.
        for name, index, size in bounds:
            if index.numel() and (int(index.min()) < 0 or int(index.max()) >= size):
                raise DataError(f"{name} reaches outside 0..{size - 1}; rebuild the graph from its table")
        # A rating of a candidate that does not exist can only be one that leaked.
        if not torch.isnan(self.rating[~self.mask]).all():
            raise DataError("a rating stands under padding; expected NaN there")

    @cached_property
    # Both kinds of links are made when first read: a schema reads one of them.
    def links(self) -> TurnLinks:
        """The links between users, turns and what turns read."""
        return TurnLinks(
            len(self.user_code),
            self.turn_user,
            self.turn_query,
            self.turn_response,
            self.turn_llm,
            self.precedes,
            self.updates,
        )

    @cached_property
    def outcomes(self) -> OutcomeLinks:
        """The links between users, their tasks and queries, and llms."""
        return OutcomeLinks.of(
            self.turn_user, self.turn_query, self.turn_task, self.turn_llm, self.target_user, self.target_task
        )

    @cached_property
    def edges(self) -> dict[EdgeType, Tensor]:
        """Edge type -> (2, E) source and target nodes, in schema order."""
        return self.schema.edges_of(self)

    def to(self, device: torch.device | str) -> GraphBatch:
        """Return the batch on another device."""
        # By field, so that a tensor which is added later moves too; whatever is derived is made anew there.
        moved = {
            item.name: value.to(device)
            for item in fields(self)
            if isinstance(value := getattr(self, item.name), Tensor)
        }
        return replace(self, **moved)

    def to_hetero_data(self) -> HeteroData:
        """Return the graph as PyTorch Geometric `HeteroData`, types in schema order."""
        from torch_geometric.data import HeteroData

        data = HeteroData()
        nodes = self.schema.nodes_of(self)
        # In schema order, for `HeteroData` keeps the order of insertion and `HGTConv` reads edges by it.
        for kind in self.schema.node_types:
            data[kind].x = nodes[kind]
        for edge, index in self.edges.items():
            data[edge].edge_index = index
            if self.schema.carries_outcome(edge):
                data[edge].edge_attr = self.feedback
        return data
