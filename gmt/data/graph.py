"""Draw visible history as a typed graph: users, turns, queries, responses and llms, in one fixed order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from gmt.config import GraphConfig
from gmt.data.dataset import Dataset, Questions
from gmt.errors import DataError

if TYPE_CHECKING:
    from torch_geometric.data import HeteroData

EdgeType = tuple[str, str, str]

FEEDBACK = ("rated", "rating", "advantage", "best", "tie", "written")
"""Preference features of a response: 1 if rated; 2 rating - 1; rating less the mean of the other
candidates'; 1 if rated above every other; 1 if all are rated alike; 1 if there is feedback text."""


@dataclass(frozen=True)
class GraphSchema:
    """Name node and edge types in the one order every part of gmt uses.

    `torch_geometric.nn.HGTConv` silently computes something else when edges come in another
    order than its metadata; `check` refuses that.
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


def turn_schema(turn_edges: bool = True) -> GraphSchema:
    """Return the multi-turn schema: every turn reads its user, query, response, llm and the turn before it.

    Source: GMTRouter (arXiv 2511.08590), virtual turn nodes.
    """
    edges: list[EdgeType] = [
        ("user", "asks", "turn"),
        ("query", "opens", "turn"),
        ("response", "answers", "turn"),
        ("llm", "writes", "turn"),
    ]
    if turn_edges:
        edges.append(("turn", "precedes", "turn"))
    edges.append(("turn", "tells", "user"))
    return GraphSchema(("user", "turn", "query", "response", "llm"), tuple(edges))


@dataclass(frozen=True, eq=False)
class GraphBatch:
    """Hold one graph of V users, T turns, Q queries, T responses and M llms, and the C questions put to it.

    A user node is one *view*: a person with what they may see. Two questions of one person share
    a view unless one of them has earlier rounds of its own conversation to show.

    Args:
        schema: The order of types.
        query: (Q, W) text vectors.
        response: (T, W) text vectors of the answers, zero where there is none.
        feedback: (T, len(FEEDBACK)) preference features; zero where nothing was rated.
        written: (T, W) vectors of feedback texts, zero where there is none; None if nobody wrote any.
        llm: (M, W) text vectors of the descriptions.
        turn_user, turn_query, turn_llm: (T,) the nodes each turn joins; its response has its own number.
        precedes: (2, P) turn -> next turn of the same conversation.
        user_code: (V,) codes of the people, -1 for somebody unknown.
        target_user: (C,) view of each question.
        target_query: (C, W) text vector of what is asked.
        candidates: (C, K) llm nodes, 0 under padding.
        mask: (C, K) true where a candidate exists.
        rating: (C, K) ratings to learn from; NaN where unrated and under padding, all NaN
            when the graph is only asked.

    Raises:
        DataError: An index is out of range, or a rating stands under padding.
    """

    schema: GraphSchema
    query: Tensor
    response: Tensor
    feedback: Tensor
    written: Tensor | None
    llm: Tensor
    turn_user: Tensor
    turn_query: Tensor
    turn_llm: Tensor
    precedes: Tensor
    user_code: Tensor
    target_user: Tensor
    target_query: Tensor
    candidates: Tensor
    mask: Tensor
    rating: Tensor

    def __post_init__(self) -> None:
        turns = len(self.turn_user)
        bounds = [
            ("turn_user", self.turn_user, len(self.user_code)),
            ("turn_query", self.turn_query, len(self.query)),
            ("turn_llm", self.turn_llm, len(self.llm)),
            ("precedes", self.precedes, turns),
            ("target_user", self.target_user, len(self.user_code)),
            ("candidates", self.candidates, len(self.llm)),
        ]
        for name, index, size in bounds:
            if index.numel() and (int(index.min()) < 0 or int(index.max()) >= size):
                raise DataError(f"{name} reaches outside 0..{size - 1}; rebuild the graph from its table")
        if not torch.isnan(self.rating[~self.mask]).all():
            raise DataError("a rating stands under padding; expected NaN there")

    @property
    def edges(self) -> dict[EdgeType, Tensor]:
        """Edge type -> (2, E) source and target nodes, in schema order."""
        own = torch.arange(len(self.turn_user), device=self.turn_user.device)
        known = {
            "asks": torch.stack([self.turn_user, own]),
            "opens": torch.stack([self.turn_query, own]),
            "answers": torch.stack([own, own]),
            "writes": torch.stack([self.turn_llm, own]),
            "precedes": self.precedes,
            "tells": torch.stack([own, self.turn_user]),
        }
        return {edge: known[edge[1]] for edge in self.schema.edge_types}

    def to(self, device: torch.device | str) -> GraphBatch:
        """Return the batch on another device."""
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
        nodes: dict[str, Tensor] = {
            "user": torch.zeros(len(self.user_code), 1),
            "turn": torch.zeros(len(self.turn_user), 1),
            "query": self.query,
            "response": torch.cat([self.response, self.feedback], dim=1),
            "llm": self.llm,
        }
        for kind in self.schema.node_types:
            data[kind].x = nodes[kind]
        for edge, index in self.edges.items():
            data[edge].edge_index = index
        return data


def feedback_features(ratings: np.ndarray, written: np.ndarray) -> np.ndarray:
    """Turn ratings in any form into the preference features named in `FEEDBACK`.

    Votes, ratings, rankings and thumbs all arrive as numbers in [0, 1]; what a candidate gained
    over the others it was shown with is `advantage`, which for one candidate alone is 2 rating - 1.

    Args:
        ratings: (C, K) ratings, NaN where unrated.
        written: (C, K) true where there is feedback text.

    Returns:
        (C, K, len(FEEDBACK)) float32.
    """
    rated = ~np.isnan(ratings)
    filled = np.where(rated, ratings, 0.0)
    count = rated.sum(1, keepdims=True)
    others = np.maximum(count - 1, 1)
    advantage = np.where(count > 1, filled - (filled.sum(1, keepdims=True) - filled) / others, 2 * filled - 1)
    top = np.where(rated, ratings, -np.inf).max(1, keepdims=True) if ratings.size else filled
    several = count > 1
    sole_best = (filled == top) & (((filled == top) & rated).sum(1, keepdims=True) == 1) & several
    tie = (((filled == top) & rated).sum(1, keepdims=True) == count) & several
    parts = [rated, 2 * filled - 1, advantage, sole_best, np.broadcast_to(tie, rated.shape)]
    features = np.stack([np.where(rated, part, 0.0) for part in parts] + [written.astype(float)], axis=-1)
    return features.astype(np.float32)


def build_graph(history: Dataset, questions: Questions, config: GraphConfig, rating: np.ndarray | None = None) -> GraphBatch:
    """Draw what `questions` may see of `history`.

    Each person's history joins their own views only; the llm nodes are shared. Earlier rounds of
    the conversation asked join its view, their ratings as `questions.earlier` gives them.

    Args:
        history: The visible comparisons.
        questions: C questions in the vocabularies of `history`.
        config: What to show.
        rating: (C, K) ratings to learn from; left out when the graph is only asked.
    """
    table = history.table
    views, target_view, has_context = _views(questions, config)
    shown, shown_view = _own_history(table.user, views[:, 0], config.history_limit)
    visible = [(table, shown, shown_view)]
    if config.conversation and has_context.any():
        visible.append((questions.earlier, *_earlier(questions, views)))
    turns = _Turns.collect(visible)
    texts, turn_query = np.unique(turns.query, return_inverse=True)
    width = history.vectors.shape[1]

    def vectors(codes: np.ndarray) -> np.ndarray:
        found = history.vectors[np.maximum(codes, 0)] if len(history.vectors) else np.zeros((len(codes), width))
        return np.where((codes >= 0)[:, None], found, 0.0).astype(np.float32)

    mask = questions.candidates >= 0
    if rating is None:
        rating = np.full(mask.shape, np.nan)
    as_long, as_float = (lambda a: torch.from_numpy(np.ascontiguousarray(a, np.int64))), torch.from_numpy
    return GraphBatch(
        schema=turn_schema(config.turn_edges),
        query=as_float(vectors(texts)),
        response=as_float(vectors(turns.response)),
        feedback=as_float(turns.features),
        written=as_float(vectors(turns.feedback)) if (turns.feedback >= 0).any() else None,
        llm=as_float(np.ascontiguousarray(history.model_vectors, np.float32)),
        turn_user=as_long(turns.view),
        turn_query=as_long(turn_query),
        turn_llm=as_long(turns.model),
        precedes=as_long(turns.precedes() if config.turn_edges else np.zeros((2, 0))),
        user_code=as_long(views[:, 0]),
        target_user=as_long(target_view),
        target_query=as_float(vectors(questions.query)),
        candidates=as_long(np.where(mask, questions.candidates, 0)),
        mask=torch.from_numpy(mask),
        rating=torch.from_numpy(np.where(mask, rating, np.nan).astype(np.float32)),
    )


def _views(questions: Questions, config: GraphConfig) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (V, 3) user, conversation and turn of each view (-1 without context), (C,) view, (C,) has context."""
    earlier = questions.earlier
    first_turn = np.full(int(max(questions.conversation.max(initial=-1), earlier.conversation.max(initial=-1))) + 2, 2**31)
    np.minimum.at(first_turn, earlier.conversation, earlier.turn)
    has_context = (first_turn[questions.conversation] < questions.turn) & config.conversation
    keys = np.stack(
        [
            questions.user,
            np.where(has_context, questions.conversation, -1),
            np.where(has_context, questions.turn, -1),
        ],
        axis=1,
    )
    if not len(keys):
        return keys, np.zeros(0, np.int64), has_context
    views, target_view = np.unique(keys, axis=0, return_inverse=True)
    return views, target_view.reshape(-1), has_context


def _own_history(user: np.ndarray, view_user: np.ndarray, limit: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the positions each view sees, newest `limit` of its person, and the view of each."""
    order = np.argsort(user, kind="stable")
    begin = np.searchsorted(user[order], view_user, side="left")
    end = np.searchsorted(user[order], view_user, side="right")
    end = np.where(view_user >= 0, end, begin)
    begin = np.maximum(begin, end - limit)
    sizes = end - begin
    view = np.repeat(np.arange(len(view_user)), sizes)
    within = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return order[np.repeat(begin, sizes) + within], view


def _earlier(questions: Questions, views: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the earlier rounds each view with context shows, strictly before its turn."""
    earlier = questions.earlier
    by_conversation: dict[int, list[int]] = {}
    for view, conversation in enumerate(views[:, 1].tolist()):
        if conversation >= 0:
            by_conversation.setdefault(conversation, []).append(view)
    positions, owners = [], []
    for position, conversation in enumerate(earlier.conversation.tolist()):
        for view in by_conversation.get(conversation, ()):
            if earlier.turn[position] < views[view, 2]:
                positions.append(position)
                owners.append(view)
    return np.asarray(positions, np.int64), np.asarray(owners, np.int64)


@dataclass(frozen=True)
class _Turns:
    """Hold the T virtual turns of a graph, one per round and candidate, as flat columns."""

    view: np.ndarray
    conversation: np.ndarray
    number: np.ndarray
    model: np.ndarray
    query: np.ndarray
    response: np.ndarray
    feedback: np.ndarray
    features: np.ndarray

    @classmethod
    def collect(cls, visible: list[tuple[Any, np.ndarray, np.ndarray]]) -> _Turns:
        columns: dict[str, list[np.ndarray]] = {item.name: [] for item in fields(cls)}
        for table, positions, view in visible:
            part = table.select(positions)
            of = part.row_comparison
            slot = np.arange(len(of)) - part.start[:-1][of]
            written = np.zeros(part.ratings.shape, bool)
            written[of, slot] = part.feedback >= 0
            columns["view"].append(view[of])
            columns["conversation"].append(part.conversation[of])
            columns["number"].append(part.turn[of])
            columns["query"].append(part.query[of])
            columns["features"].append(feedback_features(part.ratings, written)[of, slot])
            for name in ("model", "response", "feedback"):
                columns[name].append(getattr(part, name))
        joined = {name: np.concatenate(parts) for name, parts in columns.items()}
        order = np.argsort(joined["view"], kind="stable")  # a user's turns lie side by side
        return cls(**{name: values[order] for name, values in joined.items()})

    def precedes(self) -> np.ndarray:
        """Return (2, P) edges from each turn to the same model's turn in the next round of its conversation."""
        if not len(self.view):
            return np.zeros((2, 0), np.int64)
        order = np.lexsort((self.number, self.model, self.conversation, self.view))
        a, b = order[:-1], order[1:]
        same = (self.view[a] == self.view[b]) & (self.conversation[a] == self.conversation[b])
        same &= (self.model[a] == self.model[b]) & (self.number[a] < self.number[b])
        return np.stack([a[same], b[same]])
