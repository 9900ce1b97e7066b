"""Draw visible history as a typed graph: users, turns, queries, responses and llms, in one fixed order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from gmt.config import GraphConfig
from gmt.data.dataset import Dataset, Questions
from gmt.data.outcome_links import OutcomeLinks
from gmt.data.turn_links import TurnLinks
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


def outcome_schema() -> GraphSchema:
    """Return the single-turn schema: queries and llms hear each other's outcomes, tasks join a person's queries.

    Source: PersonalizedRouter (arXiv 2511.16883); edges run both ways, so that people and llms learn too.
    """
    edges: tuple[EdgeType, ...] = (
        ("llm", "got", "query"),
        ("query", "rates", "llm"),
        ("query", "of", "task"),
        ("task", "holds", "query"),
        ("task", "tells", "user"),
        ("user", "has", "task"),
    )
    return GraphSchema(("user", "task", "query", "llm"), edges)


def graph_schema(config: GraphConfig) -> GraphSchema:
    """Return the schema that the settings name."""
    return outcome_schema() if config.schema == "outcomes" else turn_schema(config.turn_edges)


def outcome_edges(schema: GraphSchema, links: OutcomeLinks) -> dict[EdgeType, Tensor]:
    """Return edge type -> (2, E) in schema order."""
    own = torch.arange(len(links.query_task), device=links.query_task.device)
    tasks = torch.arange(len(links.task_user), device=links.task_user.device)
    known = {
        "got": torch.stack([links.outcome_llm, links.outcome_query]),
        "rates": torch.stack([links.outcome_query, links.outcome_llm]),
        "of": torch.stack([own, links.query_task]),
        "holds": torch.stack([links.query_task, own]),
        "tells": torch.stack([tasks, links.task_user]),
        "has": torch.stack([links.task_user, tasks]),
    }
    return {edge: known[edge[1]] for edge in schema.edge_types}


def turn_edges(schema: GraphSchema, links: TurnLinks) -> dict[EdgeType, Tensor]:
    """Return edge type -> (2, E) in schema order, with one response node per turn."""
    own = torch.arange(len(links), device=links.user.device)
    known = {
        "asks": torch.stack([links.user, own]),
        "opens": torch.stack([links.query, own]),
        "answers": torch.stack([own, own]),
        "writes": torch.stack([links.llm, own]),
        "precedes": links.precedes,
        "tells": links.tells,
    }
    return {edge: known[edge[1]] for edge in schema.edge_types}


@dataclass(frozen=True, eq=False)
class GraphBatch:
    """Hold one graph of V users, T turns, Q queries, R responses and M llms, and the C questions put to it.

    User nodes are the people, and one more *view* of a person for every question that has
    earlier rounds of its own conversation to show: the view hears the person's turns and those rounds,
    while the person's own node never hears of a conversation that is being asked.

    Args:
        schema: The order of types.
        query: (Q, W) text vectors.
        response: (R, W) vectors of the distinct answers, zero for "no answer".
        feedback: (T, len(FEEDBACK)) preference features; zero where nothing was rated.
        written: (F, W) vectors of the distinct feedback texts, the first zero for "none"; None if nobody wrote any.
        llm: (M, W) text vectors of the descriptions.
        task: (A, W) vectors of the tasks, each the mean of its visible queries, zero where none is.
        turn_user, turn_query, turn_response, turn_llm, turn_written, turn_task: (T,) the rows each turn reads.
        tells: (2, E) turn -> each user node that hears it.
        precedes: (2, P) turn -> next turn of the same conversation.
        user_code: (V,) codes of the people, -1 for somebody unknown.
        target_user: (C,) view of each question.
        target_query: (C, W) text vector of what is asked.
        target_task: (C,) its task.
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
    task: Tensor
    turn_user: Tensor
    turn_query: Tensor
    turn_response: Tensor
    turn_llm: Tensor
    turn_written: Tensor
    turn_task: Tensor
    tells: Tensor
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
            ("tells", self.tells[0], turns),
            ("tells", self.tells[1], len(self.user_code)),
            ("precedes", self.precedes, turns),
            ("target_user", self.target_user, len(self.user_code)),
            ("candidates", self.candidates, len(self.llm)),
        ]
        for name, index, size in bounds:
            if index.numel() and (int(index.min()) < 0 or int(index.max()) >= size):
                raise DataError(f"{name} reaches outside 0..{size - 1}; rebuild the graph from its table")
        if not torch.isnan(self.rating[~self.mask]).all():
            raise DataError("a rating stands under padding; expected NaN there")

    @cached_property
    def links(self) -> TurnLinks:
        """The links between users, turns and what turns read."""
        return TurnLinks(
            len(self.user_code),
            self.turn_user,
            self.turn_query,
            self.turn_response,
            self.turn_llm,
            self.precedes,
            self.tells,
        )

    @cached_property
    def outcomes(self) -> OutcomeLinks:
        """The links between people, their tasks and queries, and llms."""
        return OutcomeLinks.of(
            self.turn_user, self.turn_query, self.turn_task, self.turn_llm, self.target_user, self.target_task
        )

    @cached_property
    def edges(self) -> dict[EdgeType, Tensor]:
        """Edge type -> (2, E) source and target nodes, in schema order; every turn has a response node of its own."""
        if "turn" in self.schema.node_types:
            return turn_edges(self.schema, self.links)
        return outcome_edges(self.schema, self.outcomes)

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
        nodes: dict[str, Tensor] = {"user": torch.zeros(len(self.user_code), 1), "query": self.query, "llm": self.llm}
        if "turn" in self.schema.node_types:
            nodes["turn"] = torch.zeros(len(self.turn_user), 1)
            nodes["response"] = torch.cat([self.response[self.turn_response], self.feedback], dim=1)
        else:
            nodes |= {"task": self.task[self.outcomes.task_code], "query": self.query[self.outcomes.query_code]}
        for kind in self.schema.node_types:
            data[kind].x = nodes[kind]
        for edge, index in self.edges.items():
            data[edge].edge_index = index
            if "llm" in edge and "turn" not in edge:
                data[edge].edge_attr = self.feedback
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


def build_graph(
    history: Dataset, questions: Questions, config: GraphConfig, rating: np.ndarray | None = None
) -> GraphBatch:
    """Draw what `questions` may see of `history`.

    Each person's history joins their own views only; the llm nodes are shared. Earlier rounds of
    the conversation asked join its view, their ratings as `questions.earlier` gives them.

    Args:
        history: The visible comparisons.
        questions: C questions in the vocabularies of `history`.
        config: What to show.
        rating: (C, K) ratings to learn from; left out when the graph is only asked.
    """
    nodes = _UserNodes.collect(questions, config.conversation)
    shown, owner = _own_history(history.table.user, nodes.code[: nodes.people], config.history_limit)
    visible = [(history.table, shown, owner)]
    if len(nodes.code) > nodes.people:
        visible.append((questions.earlier, *nodes.earlier_rounds(questions)))
    turns = _Turns.collect(visible)
    texts, turn_query = _distinct(turns.query)
    tasks, task = _distinct(np.concatenate([questions.task, turns.task]))
    answers, turn_response = _distinct(turns.response)
    said, turn_written = _distinct(np.concatenate([[-1], turns.feedback]))
    history = history if config.texts else history.without_vectors()
    width = history.vectors.shape[1]

    def vectors(codes: np.ndarray) -> np.ndarray:
        found = history.vectors[np.maximum(codes, 0)] if len(history.vectors) else np.zeros((len(codes), width))
        return np.where((codes >= 0)[:, None], found, 0.0).astype(np.float32)

    mask = questions.candidates >= 0
    if rating is None:
        rating = np.full(mask.shape, np.nan)
    as_long, as_float = (lambda a: torch.from_numpy(np.ascontiguousarray(a, np.int64))), torch.from_numpy
    return GraphBatch(
        schema=graph_schema(config),
        query=as_float(vectors(texts)),
        response=as_float(vectors(answers)),
        feedback=as_float(turns.features),
        written=as_float(vectors(said)) if len(said) > 1 else None,
        llm=as_float(np.ascontiguousarray(history.model_vectors, np.float32)),
        task=as_float(_task_vectors(history, tasks)),
        turn_user=as_long(turns.owner),
        turn_query=as_long(turn_query),
        turn_response=as_long(turn_response),
        turn_llm=as_long(turns.model),
        turn_written=as_long(turn_written[1:]),
        turn_task=as_long(task[len(questions) :]),
        tells=as_long(nodes.hearers(turns.owner)),
        precedes=as_long(turns.precedes() if config.turn_edges else np.zeros((2, 0))),
        user_code=as_long(nodes.code),
        target_user=as_long(nodes.target),
        target_query=as_float(vectors(questions.query)),
        target_task=as_long(task[: len(questions)]),
        candidates=as_long(np.where(mask, questions.candidates, 0)),
        mask=torch.from_numpy(mask),
        rating=torch.from_numpy(np.where(mask, rating, np.nan).astype(np.float32)),
    )


def _task_vectors(history: Dataset, tasks: np.ndarray) -> np.ndarray:
    """Return (A, W) means of the distinct visible queries of each task; zero where there is none."""
    table = history.table
    pairs = np.unique(np.stack([table.task, table.query], axis=1), axis=0)
    out = np.zeros((len(tasks), history.vectors.shape[1]), np.float32)
    for place, task in enumerate(tasks.tolist()):
        queries = pairs[pairs[:, 0] == task, 1]
        if len(queries):
            out[place] = history.vectors[queries].mean(axis=0)
    return out


def _distinct(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the distinct codes by first appearance, whatever their numbers, and the place of each code among them."""
    values, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
    order = np.argsort(first)
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    return values[order], place[inverse]


@dataclass(frozen=True)
class _UserNodes:
    """List the people asked, then the views of conversations that have earlier rounds to show.

    Args:
        code: (V,) user code of each node.
        person: (V,) the person's own node.
        conversation, before: (V,) the conversation a view shows and the turn it stops at; -1 for people.
        target: (C,) the node each question is asked of.
        people: P, the number of people; nodes P.. are views.
    """

    code: np.ndarray
    person: np.ndarray
    conversation: np.ndarray
    before: np.ndarray
    target: np.ndarray
    people: int

    @classmethod
    def collect(cls, questions: Questions, conversation: bool) -> _UserNodes:
        codes, person = np.unique(questions.user, return_inverse=True)
        people, none = len(codes), np.full(len(codes), -1)
        earlier = questions.earlier
        talks, talk = np.unique(np.concatenate([earlier.conversation, questions.conversation]), return_inverse=True)
        first = np.full(len(talks), np.iinfo(np.int64).max)
        np.minimum.at(first, talk[: len(earlier)], earlier.turn)
        opened = first[talk[len(earlier) :]]
        continued = np.flatnonzero(opened < questions.turn) if conversation else np.zeros(0, np.int64)
        keys = np.stack([person, questions.conversation, questions.turn], axis=1)[continued]
        target = person.astype(np.int64)
        if not len(keys):
            return cls(codes, np.arange(people), none, none, target, people)
        views, view = np.unique(keys, axis=0, return_inverse=True)
        target[continued] = people + view.reshape(-1)
        return cls(
            np.concatenate([codes, codes[views[:, 0]]]),
            np.concatenate([np.arange(people), views[:, 0]]),
            np.concatenate([none, views[:, 1]]),
            np.concatenate([none, views[:, 2]]),
            target,
            people,
        )

    def earlier_rounds(self, questions: Questions) -> tuple[np.ndarray, np.ndarray]:
        """Return positions in `questions.earlier` that views show, strictly before their turn, and the views."""
        nodes = np.arange(self.people, len(self.code))
        nodes = nodes[np.argsort(self.conversation[nodes], kind="stable")]
        talks = self.conversation[nodes]
        asked = questions.earlier.conversation
        begin = np.searchsorted(talks, asked, side="left")
        sizes = np.searchsorted(talks, asked, side="right") - begin
        position = np.repeat(np.arange(len(asked)), sizes)
        view = nodes[np.repeat(begin, sizes) + within(sizes)]
        seen = questions.earlier.turn[position] < self.before[view]
        return position[seen], view[seen]

    def hearers(self, owner: np.ndarray) -> np.ndarray:
        """Return (2, E) turn -> user node: its owner, and for a person's turns all the person's views."""
        own = np.stack([np.arange(len(owner)), owner])
        views = np.arange(self.people, len(self.code))
        if not len(views):
            return own
        begin = np.searchsorted(owner, self.person[views], side="left")
        sizes = np.searchsorted(owner, self.person[views], side="right") - begin
        extra = np.stack([np.repeat(begin, sizes) + within(sizes), np.repeat(views, sizes)])
        return np.concatenate([own, extra], axis=1)


def _own_history(user: np.ndarray, people: np.ndarray, limit: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the positions of each person's newest `limit` comparisons, and the person of each."""
    order = np.argsort(user, kind="stable")
    begin = np.searchsorted(user[order], people, side="left")
    end = np.searchsorted(user[order], people, side="right")
    end = np.where(people >= 0, end, begin)
    begin = np.maximum(begin, end - limit)
    sizes = end - begin
    owner = np.repeat(np.arange(len(people)), sizes)
    return order[np.repeat(begin, sizes) + within(sizes)], owner


def within(sizes: np.ndarray) -> np.ndarray:
    """Return 0, 1, … up to each size, one count after the other."""
    return np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)


@dataclass(frozen=True)
class _Turns:
    """Hold the T virtual turns of a graph, one per round and candidate, as flat columns."""

    owner: np.ndarray
    conversation: np.ndarray
    number: np.ndarray
    model: np.ndarray
    query: np.ndarray
    task: np.ndarray
    response: np.ndarray
    feedback: np.ndarray
    features: np.ndarray

    @classmethod
    def collect(cls, visible: list[tuple[Any, np.ndarray, np.ndarray]]) -> _Turns:
        columns: dict[str, list[np.ndarray]] = {item.name: [] for item in fields(cls)}
        for table, positions, owner in visible:
            part = table.select(positions)
            of = part.row_comparison
            slot = np.arange(len(of)) - part.start[:-1][of]
            written = np.zeros(part.ratings.shape, bool)
            written[of, slot] = part.feedback >= 0
            columns["owner"].append(owner[of])
            columns["conversation"].append(part.conversation[of])
            columns["number"].append(part.turn[of])
            columns["query"].append(part.query[of])
            columns["task"].append(part.task[of])
            columns["features"].append(feedback_features(part.ratings, written)[of, slot])
            for name in ("model", "response", "feedback"):
                columns[name].append(getattr(part, name))
        joined = {name: np.concatenate(parts) for name, parts in columns.items()}
        order = np.argsort(joined["owner"], kind="stable")  # a user's turns lie side by side
        return cls(**{name: values[order] for name, values in joined.items()})

    def precedes(self) -> np.ndarray:
        """Return (2, P) edges from each turn to the same model's turn in the next round of its conversation."""
        if not len(self.owner):
            return np.zeros((2, 0), np.int64)
        order = np.lexsort((self.number, self.model, self.conversation, self.owner))
        a, b = order[:-1], order[1:]
        same = (self.owner[a] == self.owner[b]) & (self.conversation[a] == self.conversation[b])
        same &= (self.model[a] == self.model[b]) & (self.number[a] < self.number[b])
        return np.stack([a[same], b[same]])
